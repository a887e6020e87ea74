import ArgumentParser
import NODECore
import RunnerSupport

/// What all experiments over seeds are told.
struct SeedOptions: ParsableArguments {
  @Option(help: "Independent runs: seeds 1, 2, ...") var seeds = 5
  @Option(help: "Threads; one unless told.") var threads = 1

  func validate() throws {
    try requireOption("--seeds", seeds, in: 1...1000)
    try requireOption("--threads", threads, in: 1...Runtime.maximumThreads)
  }

  /// Sets the threads, and calls `run` with each seed until an interrupt; what was interrupted is left out.
  func forEachSeed<Result>(_ run: (_ seed: UInt64) throws -> Result) throws -> [Result] {
    Runtime.threads = threads
    var results: [Result] = []
    for seed in 1...UInt64(seeds) where !Interrupt.isRequested {
      do {
        let result = try run(seed)
        if !Interrupt.isRequested { results.append(result) }
      } catch is Interrupted { break }
    }
    return results
  }
}
