import ArgumentParser
import Foundation
import NODECore
import PerformanceCheck
import RunnerSupport

/// The fixed workloads that peers are measured on (Benchmarks/peers has their side, `make bench-peers` runs both).
struct Workloads: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "workloads",
    abstract: "Times fixed workloads: "
      + WorkloadName.allCases.map { "\($0.rawValue) \($0.title)" }.joined(separator: "; ") + ".",
    discussion: """
      A row a variant: milliseconds, memory, operations, and the share of the floor that was reached. The floor is the \
      time of the operations that cannot be avoided at the fused-multiply-add peak, measured in the same process.
      """)

  @Argument(help: "Which; all unless told.") var names: [WorkloadName] = WorkloadName.allCases
  @Option(help: "Timed repeats, after one that is not.") var repeats = 5
  @Option(help: "Threads; one unless told.") var threads = 1
  @Option(help: "Only variants with these names.") var variants: [String] = []
  @Flag(help: "One JSON object a line instead of a table.") var json = false
  @Option(
    help:
      "Print a profile of each variant instead, and draw it as a flame graph, NAME.VARIANT.svg, in this folder."
  )
  var profile: String?
  @Option(
    help: "Write the inputs and weights as .npy files into this folder, for the peers, and time nothing.")
  var export: String?

  func validate() throws {
    try requireOption("--repeats", repeats, in: 1...1_000_000)
    try requireOption("--threads", threads, in: 1...Runtime.maximumThreads)
  }

  func run() throws {
    Runtime.threads = threads
    if let export {
      try makeFolder(export)
      for name in names { try name.make().export(to: export) }
      return
    }
    if let profile { return try drawProfiles(profile) }
    let peaks = [4: Yardstick.peak(elementBytes: 4), 8: Yardstick.peak(elementBytes: 8)]
    var table = TextTable(WorkloadResult.header)
    if !json {
      print(Machine.here.summary)
      print(
        String(
          format: "fused-multiply-add peak of one thread: %.1f GFLOP/s float, %.1f double", peaks[4]!,
          peaks[8]!))
    }
    for name in names {
      for variant in try name.make().variants() where variants.isEmpty || variants.contains(variant.name) {
        let result = try measure(name, variant, peak: peaks[variant.elementBytes]!)
        if json { try printJSONLine(result) } else { table.add(result.row) }
      }
    }
    if !json { print("\n" + table.terminal) }
  }

  private func drawProfiles(_ folder: String) throws {
    try makeFolder(folder)
    for name in names {
      for variant in try name.make().variants() where variants.isEmpty || variants.contains(variant.name) {
        let profile = try variant.subject.profile(runs: repeats)
        let path = "\(folder)/\(name.rawValue).\(variant.name).svg"
        try writeAtomically(profile.svg, to: path)
        print("\(name.rawValue) \(variant.name)\n\(profile)\n\(path)\n")
      }
    }
  }

  private func measure(_ name: WorkloadName, _ variant: WorkloadVariant, peak: Double) throws
    -> WorkloadResult
  {
    let program = try variant.subject.compile()
    try variant.subject.run()
    let check = try variant.check()
    let before = ResidentMemory.resetPeak()
    var times: [Double] = [], processor: [Double] = []
    for _ in 0..<repeats {
      let start = monotonicSeconds(), cpuStart = processSeconds()
      try variant.subject.run()
      times.append(1e3 * (monotonicSeconds() - start))
      processor.append(1e3 * (processSeconds() - cpuStart))
    }
    let peakBytes = before.flatMap { before in ResidentMemory.peak.map { max(0, $0 - before) } }
    let spent = try variant.subject.evaluations()
    let flops = program.counters.flops(
      forward: spent?.forward ?? 0, recomputed: spent?.recomputed ?? 0, backward: spent?.backward ?? 0)
    let floor = variant.necessaryFlops(spent ?? Evaluations()) / (peak * 1e6 * Double(threads))
    return WorkloadResult(
      workload: name.rawValue, variant: variant.name, version: Machine.here.summary, threads: threads,
      medianMs: median(times), minMs: times.min()!, maxMs: times.max()!, cpuMs: median(processor),
      plannedBytes: program.plannedBytes, peakBytes: peakBytes, flops: flops,
      gflops: flops.map { Double($0) / (median(times) * 1e6) }, peakGflops: peak,
      floorMs: floor, shareOfFloor: floor / median(times), evaluations: spent?.forward, check: check)
  }
}

/// Seconds of processor time of all threads of this process.
func processSeconds() -> Double {
  var t = timespec()
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t)
  return Double(t.tv_sec) + 1e-9 * Double(t.tv_nsec)
}

/// One line of results; the names of the JSON are those of the peers' scripts.
struct WorkloadResult: Codable {
  var workload: String, variant: String
  var peer = "NODECore"
  var version: String
  var threads: Int
  var medianMs: Double, minMs: Double, maxMs: Double, cpuMs: Double
  var plannedBytes: Int
  var peakBytes: Int?
  /// Counted, of one run; what the compiled program does.
  var flops: Int?
  var gflops: Double?
  var peakGflops: Double
  /// Unavoidable operations at the peak of all threads.
  var floorMs: Double
  var shareOfFloor: Double
  var evaluations: Int?
  /// A number of the result, which the peers' has to be close to.
  var check: Double

  static let header = [
    "workload", "variant", "threads", "median ms", "min", "max", "cpu ms", "planned", "peak", "Gflop",
    "GFLOP/s",
    "floor ms", "share", "NFE",
  ]

  var row: [String] {
    func ms(_ x: Double) -> String { String(format: x < 10 ? "%.3f" : "%.1f", x) }
    return [
      workload, variant, "\(threads)", ms(medianMs), ms(minMs), ms(maxMs), ms(cpuMs), bytesText(plannedBytes),
      peakBytes.map(bytesText) ?? "-", flops.map { String(format: "%.4g", Double($0) * 1e-9) } ?? "-",
      gflops.map { String(format: "%.1f", $0) } ?? "-", ms(floorMs),
      String(format: "%.0f %%", 100 * shareOfFloor),
      evaluations.map(String.init) ?? "-",
    ]
  }
}

extension Machine {
  /// This machine as the library sees it.
  static var here: Machine {
    Machine(
      instructionSet: "\(Runtime.instructionSet)", openBLASCore: Runtime.openBLASCore,
      threads: Runtime.grantedThreads)
  }
}
