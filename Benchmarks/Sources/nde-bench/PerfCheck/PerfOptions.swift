import ArgumentParser
import Foundation
import NODECore
import PerformanceCheck
import RunnerSupport

/// What the commands of the performance check share.
struct PerfOptions: ParsableArguments {
  @Option(help: "Folder of baseline.json and thresholds.json.") var folder = "Benchmarks/perf"
  @Option(help: "Only this case; may be repeated.") var only: [String] = []
  @Flag(inversion: .prefixedNo, help: "Count instructions under callgrind.") var callgrind = true
  @Option(help: ArgumentHelp("KIND:CASE, a deliberate slowdown or allocation.", visibility: .hidden))
  var flaw: [String] = []

  /// Chooses the kernels that counters are equal for. False, after saying so, where this machine cannot run them.
  func prepare() throws -> Bool {
    guard InstructionSet.available.contains(.avx2) else {
      print(
        "performance check: skipped, this machine has no AVX2 and the counters are those of the AVX2 kernels")
      return false
    }
    try InstructionSet.force(.avx2)
    Runtime.threads = 1
    return true
  }

  func cases() throws -> [PerformanceCase] {
    guard !only.isEmpty else { return PerformanceCase.all }
    return try only.map { name in
      guard let item = PerformanceCase.named(name) else {
        let known = PerformanceCase.all.map(\.name).joined(separator: ", ")
        throw RunnerError("there is no case \(name); there are \(known)")
      }
      return item
    }
  }

  func flaws() throws -> [String: Flaw] {
    let pairs = try flaw.map { text in
      let parts = text.split(separator: ":").map(String.init)
      guard parts.count == 2, let kind = Flaw(rawValue: parts[0]), PerformanceCase.named(parts[1]) != nil
      else {
        throw RunnerError("--flaw \(text) is not slowdown:CASE or allocation:CASE")
      }
      return (parts[1], kind)
    }
    return Dictionary(pairs) { $1 }
  }

  func bench(rounds: Int) throws -> Bench { Bench(cases: try cases(), flaws: try flaws(), rounds: rounds) }

  /// Adds the instruction counts; where that is not possible, says why by counter.
  func countInstructions(into measurement: inout Measured) -> [Counter: String] {
    func skip(_ reason: String) -> [Counter: String] {
      Dictionary(uniqueKeysWithValues: Counter.allCases.filter(\.isInstructions).map { ($0, reason) })
    }
    guard callgrind else { return skip("--no-callgrind") }
    guard Callgrind.valgrind != nil else { return skip("valgrind is not installed") }
    do {
      var progress = ProgressLine()
      defer { progress.clear() }
      let cases = try cases()
      let runner = try Callgrind.stripped(Self.runner)
      defer { try? FileManager.default.removeItem(atPath: runner) }
      for (index, item) in cases.enumerated() {
        progress.update(
          "callgrind", fraction: Double(index) / Double(cases.count), detail: item.name, secondsLeft: nil)
        let counts = try Callgrind.count(
          [runner, "perf-count", item.name] + flaw.flatMap { ["--flaw", $0] })
        measurement.cases[item.name]?.counters.merge(counts) { $1 }
      }
      return [:]
    } catch {
      for name in measurement.cases.keys {
        for counter in Counter.allCases where counter.isInstructions {
          measurement.cases[name]!.counters[counter] = nil
        }
      }
      return skip("\(error)")
    }
  }

  /// This executable.
  static let runner = Bundle.main.executablePath ?? CommandLine.arguments[0]
}

/// One process of a pair: measures the cases and prints them as JSON.
struct PerfMeasure: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "perf-measure", abstract: "Counters and times of the cases as JSON.", shouldDisplay: false)

  @OptionGroup var options: PerfOptions
  @Option(help: "Rounds of timing.") var rounds = 3

  func run() throws {
    guard try options.prepare() else { throw ExitCode.failure }
    print(try options.bench(rounds: rounds).measure().prettyJSON(), terminator: "")
  }
}

/// What callgrind runs.
struct PerfCount: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "perf-count", abstract: "Compiles and runs one case in regions that callgrind counts.",
    shouldDisplay: false)

  @OptionGroup var options: PerfOptions
  @Argument(help: "The case.") var name: String

  func run() throws {
    guard try options.prepare() else { throw ExitCode.failure }
    guard let item = PerformanceCase.named(name) else { throw RunnerError("there is no case \(name)") }
    try Callgrind.runCounted(item, flaw: try options.flaws()[name])
  }
}
