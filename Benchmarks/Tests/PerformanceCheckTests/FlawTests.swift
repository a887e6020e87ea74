import CMeasure
import Foundation
import NODECore
import Testing

@testable import PerformanceCheck

/// The check of runs that are really made: equal ones pass, a deliberate slowdown and a deliberate allocation do not.
@Suite(.serialized) struct FlawTests {
  private func measure(_ item: PerformanceCase, flaw: Flaw? = nil, rounds: Int = 0) throws -> Measured {
    var bench = Bench(cases: [item], flaws: flaw.map { [item.name: $0] } ?? [:], rounds: rounds)
    bench.sampleSeconds = 0.002
    return try bench.measure()
  }

  private func baseline(_ measurement: Measured) -> Baseline {
    Baseline(
      processor: "here", toolchain: measurement.toolchain,
      cases: measurement.cases.mapValues { Baseline.Case(counters: $0.counters, ratio: nil) })
  }

  @Test(arguments: PerformanceCase.all) func equalRunsHaveEqualCounters(item: PerformanceCase) throws {
    let found = Comparison(try Committed.thresholds).counters(
      try measure(item), against: baseline(try measure(item)))
    #expect(found.count >= 4 && found.allSatisfy { $0.verdict == .equal }, "\(found)")
  }

  @Test(
    .enabled(if: nde_allocation_count() >= 0, "allocations are not counted here"),
    arguments: PerformanceCase.all)
  func oneAllocationInTheLoopIsCaught(item: PerformanceCase) throws {
    let found = Comparison(try Committed.thresholds).counters(
      try measure(item, flaw: .allocation), against: baseline(try measure(item)))
    #expect(
      found.filter { $0.verdict == .regression }.map(\.quantity) == [Counter.loopAllocations.title],
      "\(found)")
  }

  /// Each run is done three times. Processor time of pairs, and what their ratios say: never a time as such.
  @Test(arguments: ["mlp-step", "ode-exact", "lotka-volterra"]) func aSlowdownIsCaught(name: String) throws {
    let item = try #require(PerformanceCase.named(name))
    let thresholds = try Committed.thresholds
    let pairs = try (0..<thresholds.pairs.count).map { _ in
      (base: try measure(item, rounds: 3), head: try measure(item, flaw: .slowdown, rounds: 3))
    }
    let found = Comparison(thresholds).pairs(pairs)
    #expect(found.map(\.verdict) == [.regression], "\(found)")
  }

  /// A baseline that forgets a case would guard nothing.
  @Test func theCommittedBaselineHasEveryCaseAndCounter() throws {
    let baseline = try Committed.baseline
    #expect(Set(baseline.cases.keys) == Set(PerformanceCase.all.map(\.name)))
    for (name, item) in baseline.cases {
      for counter in [
        Counter.plannedBytes, .operations, .flops, .packedBytes, .runInstructions, .compileInstructions,
      ] {
        #expect(item.counters[counter] != nil, "\(name) has no \(counter)")
      }
      #expect(item.counters[.loopAllocations] == 0 && item.ratio != nil, "\(name)")
    }
  }

  @Test func yardsticksTakeTime() {
    let buffer = CopyBuffer()
    #expect(Yardstick.arithmetic.seconds(buffer) > 0 && Yardstick.memory.seconds(buffer) > 0)
    #expect(Yardstick.peak(tries: 2) > 0)
  }

  @Test func totalsOfCallgrindsFiles() throws {
    let path = FileManager.default.temporaryDirectory.path + "/callgrind-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: path) }
    try "events: Ir\nfn=(1) a\n1 5\nsummary: 70\n\ntotals: 1234\n".write(
      toFile: path, atomically: true, encoding: .utf8)
    #expect(try Callgrind.total(path) == 1234)
    try "events: Ir\n".write(toFile: path, atomically: true, encoding: .utf8)
    #expect(throws: CallgrindError.self) { try Callgrind.total(path) }
  }
}
