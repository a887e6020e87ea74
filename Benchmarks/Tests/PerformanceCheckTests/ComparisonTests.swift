import Foundation
import NODECore
import RunnerSupport
import Testing

@testable import PerformanceCheck

/// The check of numbers that are given: what it says of every kind of difference.
@Suite struct ComparisonTests {
  private let counters: Counters = [
    .plannedBytes: 1000, .operations: 12, .flops: 5000, .loopAllocations: 0, .runInstructions: 1_000_000,
  ]
  private var baseline: Baseline {
    Baseline(processor: "p", toolchain: "t", cases: ["a": .init(counters: counters, ratio: 2)])
  }

  private func findings(
    _ change: (inout Counters) -> Void, skipped: [Counter: String] = [:]
  ) throws -> [Finding] {
    var changed = counters
    change(&changed)
    return Comparison(try Committed.thresholds).counters(
      Measured(toolchain: "t", cases: ["a": .init(counters: changed)]), against: baseline, skipped: skipped
    ).filter { $0.verdict != .equal }
  }

  @Test func equalIsEqual() throws { #expect(try findings { _ in }.isEmpty) }

  @Test(arguments: [Counter.plannedBytes, .operations, .flops])
  func oneMoreIsARegressionAndOneLessAnImprovement(counter: Counter) throws {
    let more = try findings { $0[counter]! += 1 }
    #expect(more.count == 1 && more[0].verdict == .regression && more[0].quantity == counter.title)
    #expect(more[0].after == more[0].before! + 1)
    let less = try findings { $0[counter]! -= 1 }
    #expect(less.count == 1 && less[0].verdict == .improvement)
  }

  @Test func instructionsMayDifferByTheirThreshold() throws {
    #expect(try findings { $0[.runInstructions] = 1_009_000 }.isEmpty)
    #expect(try findings { $0[.runInstructions] = 1_011_000 }.map(\.verdict) == [.regression])
    #expect(try findings { $0[.runInstructions] = 980_000 }.map(\.verdict) == [.improvement])
    #expect(
      try findings({ $0[.runInstructions] = nil }, skipped: [.runInstructions: "no valgrind"]).map(\.verdict)
        == [.skipped])
  }

  @Test func allocationsMustBeZeroWhateverTheBaselineSays() throws {
    var generous = baseline
    generous.cases["a"]!.counters[.loopAllocations] = 5
    var changed = counters
    changed[.loopAllocations] = 3
    let found = Comparison(try Committed.thresholds).counters(
      Measured(toolchain: "t", cases: ["a": .init(counters: changed)]), against: generous)
    #expect(found.filter { $0.verdict == .regression }.map(\.quantity) == [Counter.loopAllocations.title])
  }

  @Test func whatIsNotComparedFails() throws {
    #expect(try findings { $0[.flops] = nil }.map(\.verdict) == [.regression])
    #expect(try findings { $0[.packedBytes] = 1 }.map(\.verdict) == [.regression])
    let comparison = Comparison(try Committed.thresholds)
    let other = comparison.counters(
      Measured(toolchain: "t", cases: ["b": .init(counters: counters)]), against: baseline)
    #expect(other.map(\.name) == ["b", "a"] && other.allSatisfy { $0.verdict == .regression })
  }

  @Test func exitCodes() {
    func code(_ verdicts: Finding.Verdict...) -> Int32 {
      Findings(
        machine: Machine(instructionSet: "avx2", openBLASCore: "x", threads: 1), baseline: "b", base: nil,
        findings: verdicts.map { Finding("a", "q", before: 1, after: 2, $0) }
      ).exitCode
    }
    #expect(code() == 0 && code(.equal, .skipped) == 0)
    #expect(code(.equal, .regression, .improvement) == 2)
    #expect(code(.equal, .improvement) == 4)
  }

  @Test func reportsSayWhatAndByHowMuch() {
    let findings = Findings(
      machine: Machine(instructionSet: "avx2", openBLASCore: "x", threads: 1), baseline: "baseline.json",
      base: nil, findings: [Finding("mlp-step", "flops", before: 200, after: 250, .regression)])
    for text in [findings.terminal, findings.markdown] {
      #expect(text.contains("mlp-step") && text.contains("+25.0 %") && text.contains("REGRESSION"))
    }
  }

  // MARK: Times

  /// Noise of a busy machine: a few percent, now and then a run that was disturbed.
  private func measurement(_ seconds: Double, using random: inout SplitMix) -> Measured {
    let samples = (0..<3).map { _ in
      seconds * (1 + 0.03 * Double.random(in: 0..<1, using: &random))
        * (Double.random(in: 0..<1, using: &random) < 0.15 ? 1.6 : 1)
    }
    return Measured(toolchain: "t", cases: ["a": .init(seconds: samples, ratios: samples)])
  }

  @Test(arguments: [(1.0, Finding.Verdict.equal), (1.3, .regression), (0.75, .improvement)])
  func pairsSeeThroughNoise(factor: Double, verdict: Finding.Verdict) throws {
    let thresholds = try Committed.thresholds
    let comparison = Comparison(thresholds)
    var random = SplitMix(state: 7)
    for _ in 0..<200 {
      let pairs = (0..<thresholds.pairs.count).map { _ in
        (base: measurement(1, using: &random), head: measurement(factor, using: &random))
      }
      #expect(comparison.pairs(pairs).map(\.verdict) == [verdict])
    }
  }

  @Test func ratiosAreCoarseAndCoarserElsewhere() throws {
    let thresholds = try Committed.thresholds
    let comparison = Comparison(thresholds)
    func verdict(_ ratio: Double, _ processor: String) -> Finding.Verdict? {
      comparison.ratios(
        Measured(toolchain: "t", cases: ["a": .init(ratios: Array(repeating: ratio, count: 9))]),
        processor: processor, against: baseline
      ).first?.verdict
    }
    let here = 1 + thresholds.ratio.tolerance, elsewhere = 1 + thresholds.ratio.elsewhere
    #expect(verdict(2, "p") == .equal && verdict(2 * here * 0.99, "p") == .equal)
    #expect(verdict(2 * here * 1.01, "p") == .regression && verdict(2 / here * 0.99, "p") == .improvement)
    #expect(verdict(2 * elsewhere * 0.99, "q") == .equal && verdict(2 * elsewhere * 1.01, "q") == .regression)
  }

  @Test func aSecondLookDecides() throws {
    let comparison = Comparison(try Committed.thresholds)
    let slow = Finding("a", "time", before: 1, after: 2, .regression)
    let fine = Finding("a", "time", before: 1, after: 1, .equal)
    #expect(comparison.confirmed([slow], by: [fine]).map(\.verdict) == [.equal])
    #expect(comparison.confirmed([slow], by: [slow]).map(\.verdict) == [.regression])
    #expect(comparison.confirmed([fine], by: [slow]).map(\.verdict) == [.equal])
  }
}

/// The files that CI reads.
enum Committed {
  private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("../../perf").path
  static var thresholds: Thresholds { get throws { try Thresholds(contentsOf: folder + "/thresholds.json") } }
  static var baseline: Baseline { get throws { try Baseline(contentsOf: folder + "/baseline.json") } }
}

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014), so that noise is the same in every run.
struct SplitMix: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}
