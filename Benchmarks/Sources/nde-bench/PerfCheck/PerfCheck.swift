import ArgumentParser
import Foundation
import NODECore
import PerformanceCheck
import RunnerSupport

struct PerfCheck: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "perf-check",
    abstract:
      "Compares counters and times of small fixed runs with the baseline, and with a base commit's runner.",
    discussion: """
      Exit codes: 0 equal, 2 a regression, 4 only improvements, 1 the check could not be made. `make perf-check` builds \
      both sides and calls this.
      """)

  @OptionGroup var options: PerfOptions
  @Option(help: "nde-bench of the base commit: both run in turns.") var baseRunner: String?
  @Option(help: "What the base is called in the report.") var baseName = "the base"
  @Option(help: "Folder for report.md and report.json.") var out: String?

  func run() throws {
    guard try options.prepare() else { return }
    let thresholds = try Thresholds(contentsOf: options.folder + "/thresholds.json")
    let path = options.folder + "/baseline.json"
    var baseline: Baseline
    do { baseline = try Baseline(contentsOf: path) } catch {
      throw RunnerError("\(path) is no baseline (\(error)): run `make perf-baseline`")
    }
    if !options.only.isEmpty { baseline.cases = baseline.cases.filter { options.only.contains($0.key) } }
    let comparison = Comparison(thresholds)

    var measured = try options.bench(rounds: thresholds.ratio.rounds).measure()
    var skipped = options.countInstructions(into: &measured)
    if skipped.isEmpty, measured.toolchain != baseline.toolchain {
      for counter in Counter.allCases where counter.isInstructions {
        skipped[counter] = "baseline of \(baseline.toolchain), here \(measured.toolchain)"
      }
    }
    var findings = comparison.counters(measured, against: baseline, skipped: skipped)

    let processor = Machine.here.model
    func ratios() throws -> [Finding] {
      comparison.ratios(
        try options.bench(rounds: thresholds.ratio.rounds).measure(), processor: processor, against: baseline)
    }
    let first = comparison.ratios(measured, processor: processor, against: baseline)
    findings +=
      first.contains { $0.verdict != .equal } ? comparison.confirmed(first, by: try ratios()) : first

    if let baseRunner {
      let pairs = Pairs(base: baseRunner, options: options, thresholds: thresholds.pairs)
      let first = comparison.pairs(try pairs.run())
      findings +=
        first.contains { $0.verdict != .equal }
        ? comparison.confirmed(first, by: comparison.pairs(try pairs.run())) : first
    }

    let result = Findings(
      machine: .here, baseline: "\(path) (recorded on \(baseline.processor))",
      base: baseRunner.map { _ in baseName }, findings: findings)
    print(result.terminal)
    if let out {
      try makeFolder(out)
      try writeAtomically(result.markdown + "\n", to: out + "/report.md")
      try writeAtomically(try result.prettyJSON(), to: out + "/report.json")
      print("report.md and report.json are in \(out)")
    }
    if result.exitCode != 0 { throw ExitCode(result.exitCode) }
  }
}

struct PerfBaseline: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "perf-baseline", abstract: "Makes what perf-check counts now the baseline.")

  @OptionGroup var options: PerfOptions

  func run() throws {
    guard try options.prepare() else { return }
    let thresholds = try Thresholds(contentsOf: options.folder + "/thresholds.json")
    var measured = try options.bench(rounds: 3 * thresholds.ratio.rounds).measure()
    let skipped = options.countInstructions(into: &measured)
    guard skipped.isEmpty else {
      throw RunnerError("a baseline needs every counter; \(Set(skipped.values).joined(separator: "; "))")
    }
    let baseline = Baseline(
      processor: Machine.here.model, toolchain: measured.toolchain,
      cases: measured.cases.mapValues { item in
        // Three figures: more would be noise in a diff.
        Baseline.Case(
          counters: item.counters, ratio: Double(String(format: "%.3g", median(item.ratios))))
      })
    let path = options.folder + "/baseline.json"
    try writeAtomically(try baseline.prettyJSON(), to: path)
    print("\(path): \(baseline.cases.count) cases of \(Machine.here.summary)")
  }
}

/// Base and head in turns, each time in a new process: neither is always first.
struct Pairs {
  var base: String
  var options: PerfOptions
  var thresholds: Thresholds.Pairs

  func run() throws -> [(base: Measured, head: Measured)] {
    var progress = ProgressLine()
    defer { progress.clear() }
    return try (0..<thresholds.count).map { pair in
      progress.update(
        "base and head", fraction: Double(pair) / Double(thresholds.count), detail: "", secondsLeft: nil)
      if pair % 2 == 0 {
        let first = try measure(base, flaws: [])
        return (first, try measure(PerfOptions.runner, flaws: options.flaw))
      }
      let first = try measure(PerfOptions.runner, flaws: options.flaw)
      return (try measure(base, flaws: []), first)
    }
  }

  private func measure(_ runner: String, flaws: [String]) throws -> Measured {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: runner)
    process.arguments =
      ["perf-measure", "--rounds", "\(thresholds.rounds)"] + flaws.flatMap { ["--flaw", $0] }
      + options.only.flatMap { ["--only", $0] }
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw RunnerError("\(runner) perf-measure ended with \(process.terminationStatus)")
    }
    return try JSONDecoder().decode(Measured.self, from: data)
  }
}
