import ArgumentParser
import Foundation
import LoaderFuzzing

@main struct FuzzLoaders: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fuzz-loaders",
    abstract:
      "Gives sound, damaged and random files to every reader. A seed is a case: --first SEED --count 1.")

  @Option(help: "Stop after so many seconds.") var seconds: Double = 10
  @Option(help: "The first seed.") var first: UInt64 = 0
  @Option(help: "Stop after so many cases.") var count: UInt64 = .max
  @Option(help: "The seed of the case under way is kept in this file: what a crash leaves behind.")
  var seedFile: String?

  func run() throws {
    let mark = try seedFile.map(SeedFile.init)
    let start = ContinuousClock.now
    var tally: [LoaderFuzzer.Format: (cases: Int, damaged: Int, refused: Int)] = [:]
    var findings = 0, seed = first, slowest: (Duration, UInt64) = (.zero, 0)
    while seed - first < count, ContinuousClock.now - start < .seconds(seconds) {
      mark?.write(seed)
      let begin = ContinuousClock.now
      let result = LoaderFuzzer.run(seed: seed)
      slowest = max(slowest, (ContinuousClock.now - begin, seed)) { $0.0 < $1.0 }
      let old = tally[result.format] ?? (0, 0, 0)
      tally[result.format] = (
        old.cases + 1, old.damaged + (result.isDamaged ? 1 : 0), old.refused + (result.isAccepted ? 0 : 1)
      )
      if let finding = result.finding {
        findings += 1
        print("FINDING loaders, seed \(seed), \(result.format.rawValue): \(finding)")
      }
      seed += 1
    }
    for format in LoaderFuzzer.Format.allCases {
      let (cases, damaged, refused) = tally[format] ?? (0, 0, 0)
      print("loaders, \(format.rawValue): \(cases) cases, \(damaged) damaged, \(refused) refused")
    }
    print(
      "loaders: seeds \(first)..<\(seed), \(findings) findings, slowest case \(slowest.0) (seed \(slowest.1))"
    )
    if findings > 0 { throw ExitCode(1) }
  }

  private func max(
    _ a: (Duration, UInt64), _ b: (Duration, UInt64),
    by less: ((Duration, UInt64), (Duration, UInt64)) -> Bool
  ) -> (Duration, UInt64) { less(a, b) ? b : a }
}

/// Survives the process: the file holds the seed that was being run.
private struct SeedFile {
  let descriptor: Int32

  init(_ path: String) throws {
    descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    guard descriptor >= 0 else { throw ValidationError("\(path) cannot be written") }
  }

  func write(_ seed: UInt64) {
    // Of fixed length: a shorter number overwrites a longer one.
    let digits = String(seed)
    let line = String(repeating: "0", count: 20 - digits.count) + digits + "\n"
    _ = line.utf8.withContiguousStorageIfAvailable { pwrite(descriptor, $0.baseAddress, $0.count, 0) }
  }
}
