import Foundation
import ProgramFuzzing
import Testing

/// A short run of the fuzzers; `make fuzz` runs them for as long as one likes.
@Suite struct ProgramFuzzerTests {
  @Test(arguments: 0..<10) func programsKeepTheirPromises(_ part: Int) {
    for seed in 12 * part..<12 * part + 12 {
      let result = ProgramFuzzer.run(seed: seed)
      #expect(result.findings == [], "seed \(seed), \(result.kind)")
      #expect(result.agreed > 0, "seed \(seed), \(result.kind)")
    }
  }

  /// A result, a typed error or a stop with a message, each in a process of its own.
  @Test(arguments: 0..<24) func callsEndInOrder(_ seed: Int) async throws {
    let result = try await #require(
      processExitsWith: .success, observing: [\.standardErrorContent, \.standardOutputContent]
    ) { [seed] in
      // A trap ends this process in order; whether it said why is looked at outside.
      for trap in [SIGILL, SIGTRAP] { signal(trap) { _ in _exit(0) } }
      _ = try BadCall.run(seed: seed)
      print("ended")
    }
    let message = String(decoding: result.standardErrorContent, as: UTF8.self)
    let ended = String(decoding: result.standardOutputContent, as: UTF8.self).contains("ended")
    #expect(
      ended || BadCall.isDocumented(message, seed: seed),
      "seed \(seed), \(BadCall.name(seed: seed)): \(message.prefix(300))")
  }
}
