import LoaderFuzzing
import Testing

/// A short run of the fuzzer; `make fuzz` runs it for as long as one likes.
@Suite struct LoaderFuzzerTests {
  @Test func nothingIsFound() {
    var accepted: [LoaderFuzzer.Format: Int] = [:], refused: [LoaderFuzzer.Format: Int] = [:]
    for seed in 0..<4000 as Range<UInt64> {
      let result = LoaderFuzzer.run(seed: seed)
      #expect(result.finding == nil, "seed \(seed), \(result.format)")
      if result.isAccepted {
        accepted[result.format, default: 0] += 1
      } else {
        refused[result.format, default: 0] += 1
      }
    }
    // The cases are on both sides of the line, or they prove little.
    for format in LoaderFuzzer.Format.allCases {
      #expect(refused[format, default: 0] > 50, "\(format)")
      if format != .noise { #expect(accepted[format, default: 0] > 50, "\(format)") }
    }
  }
}
