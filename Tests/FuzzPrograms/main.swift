// fuzz-programs programs|calls [--seconds S] [--first SEED] [--count N] [--seed-file PATH]
//
// programs: random programs, checked against plain definitions, threads, reference kernels and their own derivatives.
// calls: random calls of the public interface in processes of their own, which have to end in order.
// Every case is made from its seed alone: --first SEED --count 1 runs it again.
import Foundation
import ProgramFuzzing

struct Options {
  var mode = ""
  var seconds = 10.0
  var first = 0
  var count = Int.max
  var seedFile: String?

  init(_ arguments: [String]) {
    var rest = arguments[...]
    mode = rest.popFirst() ?? ""
    while let option = rest.popFirst() {
      guard let value = rest.popFirst() else { usage() }
      switch option {
      case "--seconds": seconds = Double(value) ?? -1
      case "--first": first = Int(value) ?? -1
      case "--count": count = Int(value) ?? -1
      case "--seed-file": seedFile = value
      default: usage()
      }
    }
    if seconds < 0 || first < 0 || count < 0 { usage() }
  }
}

func usage() -> Never {
  print("fuzz-programs programs|calls [--seconds S] [--first SEED] [--count N] [--seed-file PATH]")
  exit(64)
}

func fuzzPrograms(_ options: Options) -> Int {
  let mark = options.seedFile.map { open($0, O_WRONLY | O_CREAT | O_TRUNC, 0o644) }
  let start = ContinuousClock.now
  var kinds: [String: Int] = [:], operations: Set<String> = []
  var agreed = 0, inconclusive = 0, findings = 0, seed = options.first
  while seed - options.first < options.count, ContinuousClock.now - start < .seconds(options.seconds) {
    if let mark {
      let digits = String(seed)
      let line = String(repeating: "0", count: 20 - digits.count) + digits + "\n"
      _ = line.utf8.withContiguousStorageIfAvailable { pwrite(mark, $0.baseAddress, $0.count, 0) }
    }
    let result = ProgramFuzzer.run(seed: seed, switchesInstructionSets: true)
    kinds[result.kind, default: 0] += 1
    operations.formUnion(result.operations)
    agreed += result.agreed
    inconclusive += result.inconclusive
    for finding in result.findings.prefix(3) {
      print("FINDING programs, seed \(seed), \(result.kind): \(finding)")
      fflush(nil)
    }
    findings += result.findings.isEmpty ? 0 : 1
    seed += 1
  }
  for (kind, count) in kinds.sorted(by: { $0.key < $1.key }) { print("programs, \(kind): \(count)") }
  let registry = ProgramFuzzer.registry, missing = registry.subtracting(operations).sorted()
  print(
    "programs: \(registry.count - missing.count) of \(registry.count) operations reached"
      + (missing.isEmpty ? "" : ", not \(missing.joined(separator: ", "))"))
  print(
    "programs: seeds \(options.first)..<\(seed), \(agreed) comparisons agree, \(inconclusive) left open by rounding, "
      + "\(findings) findings")
  return findings
}

/// Each death costs a process, so a process makes calls until one ends it.
func fuzzCalls(_ options: Options) throws -> Int {
  let start = ContinuousClock.now
  var results = 0, stops = 0, findings = 0, seed = options.first
  var calls: [String: Int] = [:]
  while seed - options.first < options.count, ContinuousClock.now - start < .seconds(options.seconds) {
    let process = Process(), pipe = Pipe()
    process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    let count = min(100, options.count - (seed - options.first))
    process.arguments = ["worker", "--first", "\(seed)", "--count", "\(count)"]
    // A backtrace of each would take longer than everything else.
    process.environment = ProcessInfo.processInfo.environment.merging(["SWIFT_BACKTRACE": "enable=no"]) { $1 }
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    let marks = output.split(separator: "\n", omittingEmptySubsequences: false).filter { $0.hasPrefix("@") }
    for mark in marks { calls[BadCall.name(seed: Int(mark.dropFirst()) ?? 0), default: 0] += 1 }
    if process.terminationStatus == 0, process.terminationReason == .exit {
      results += marks.count
      seed += count
      continue
    }
    results += max(marks.count - 1, 0)
    let last = marks.last.flatMap { Int($0.dropFirst()) } ?? seed
    let message = output.components(separatedBy: "@\(last)\n").last ?? ""
    if BadCall.isDocumented(message, seed: last) {
      stops += 1
    } else {
      findings += 1
      let status = "\(process.terminationReason == .exit ? "exit" : "signal") \(process.terminationStatus)"
      print("FINDING calls, seed \(last), \(BadCall.name(seed: last)): \(status): \(message.prefix(300))")
      fflush(nil)
    }
    seed = last + 1
  }
  let missing = Set(BadCall.names).subtracting(calls.keys).sorted()
  print(
    "calls: \(BadCall.names.count - missing.count) of \(BadCall.names.count) functions called"
      + (missing.isEmpty ? "" : ", not \(missing.joined(separator: ", "))"))
  print(
    "calls: seeds \(options.first)..<\(seed), \(results) results or errors, \(stops) stops with a message, \(findings) findings"
  )
  return findings
}

func work(_ options: Options) {
  // What is asked for by mistake must not take the machine's memory. (Sanitizers reserve more than this: see fuzz.sh.)
  if ProcessInfo.processInfo.environment["FUZZ_UNLIMITED"] == nil {
    var limit = rlimit(rlim_cur: 4 << 30, rlim_max: 4 << 30)
    setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
  }
  for seed in options.first..<options.first + options.count {
    print("@\(seed)")
    fflush(nil)
    // A call that does not end is a finding as well.
    alarm(120)
    do { _ = try BadCall.run(seed: seed) } catch {
      print("an error that is no SolveError: \(type(of: error)): \(error)")
      fflush(nil)
      exit(2)
    }
  }
}

let options = Options(Array(CommandLine.arguments.dropFirst()))
switch options.mode {
case "programs": exit(fuzzPrograms(options) > 0 ? 1 : 0)
case "calls": exit(try fuzzCalls(options) > 0 ? 1 : 0)
case "worker": work(options)
default: usage()
}
