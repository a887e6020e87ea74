import Foundation
import RunnerSupport

/// Compares measurements by the thresholds.
public struct Comparison: Sendable {
  public var thresholds: Thresholds

  public init(_ thresholds: Thresholds) { self.thresholds = thresholds }

  // MARK: Counters

  /// Every counter of every case against the baseline. `skipped`: why counters are missing, by counter.
  public func counters(
    _ measured: Measured, against baseline: Baseline, skipped: [Counter: String] = [:]
  ) -> [Finding] {
    var findings: [Finding] = []
    for name in measured.cases.keys.sorted() {
      guard let before = baseline.cases[name]?.counters else {
        findings.append(
          Finding(
            name, "baseline", before: nil, after: nil, .regression,
            note: "this case has none: run `make perf-baseline`"))
        continue
      }
      let after = measured.cases[name]!.counters
      for counter in Counter.allCases where before[counter] != nil || after[counter] != nil {
        findings.append(compare(name, counter, before[counter], after[counter], skipped[counter]))
      }
    }
    for name in baseline.cases.keys.sorted() where measured.cases[name] == nil {
      findings.append(
        Finding(
          name, "baseline", before: nil, after: nil, .regression, note: "this case is no longer there"))
    }
    return findings
  }

  private func compare(
    _ name: String, _ counter: Counter, _ before: Int?, _ after: Int?, _ skipped: String?
  ) -> Finding {
    var finding = Finding(
      name, counter.title, before: before.map(Double.init), after: after.map(Double.init), .equal)
    if let after, after != 0, thresholds.zero.contains(counter) {
      finding.verdict = .regression
      finding.note = "must be zero"
      return finding
    }
    if let skipped {
      finding.verdict = .skipped
      finding.note = skipped
      return finding
    }
    guard let before, let after else {
      finding.verdict = .regression
      finding.note = before == nil ? "not in the baseline: run `make perf-baseline`" : "is no longer counted"
      return finding
    }
    let allowed = thresholds.counters[counter] ?? 0
    let difference = Double(after - before)
    if abs(difference) > allowed * Double(before) {
      finding.verdict = difference > 0 ? .regression : .improvement
      finding.note = allowed > 0 ? String(format: "beyond %.1f %%", 100 * allowed) : ""
    }
    return finding
  }

  // MARK: Ratios to the yardstick

  /// The median time over the yardstick's against the baseline's, by a coarse threshold.
  public func ratios(_ measured: Measured, processor: String, against baseline: Baseline) -> [Finding] {
    let isHere = processor == baseline.processor
    let allowed = isHere ? thresholds.ratio.tolerance : thresholds.ratio.elsewhere
    return measured.cases.keys.sorted().compactMap { name in
      let ratios = measured.cases[name]!.ratios
      guard !ratios.isEmpty, let before = baseline.cases[name]?.ratio else { return nil }
      let after = median(ratios), spread = medianAbsoluteDeviation(ratios)
      var finding = Finding(name, "time / yardstick", before: before, after: after, .equal)
      // Beyond the threshold by more than the noise of this run: three deviations of the median.
      let noise = 3 * 1.4826 * spread / Double(ratios.count).squareRoot()
      if after - noise > before * (1 + allowed) { finding.verdict = .regression }
      if after + noise < before / (1 + allowed) { finding.verdict = .improvement }
      finding.note = String(format: "beyond %.0f %%", 100 * allowed) + (isHere ? "" : " (another processor)")
      return finding
    }
  }

  // MARK: Pairs

  /// Times of base and head that ran in turns: the median of the ratios, and whether the sign of their logarithms is more
  /// than chance.
  public func pairs(_ pairs: [(base: Measured, head: Measured)]) -> [Finding] {
    let names = Set(pairs.flatMap { $0.base.cases.keys }).intersection(pairs.flatMap { $0.head.cases.keys })
    return names.sorted().compactMap { name in
      let times = pairs.compactMap { pair -> (Double, Double)? in
        guard let base = pair.base.cases[name]?.seconds.min(), let head = pair.head.cases[name]?.seconds.min()
        else { return nil }
        return (base, head)
      }
      guard !times.isEmpty else { return nil }
      let logs = times.map { log($0.1 / $0.0) }
      let ratio = exp(median(logs))
      let slower = signedRankProbability(logs), faster = signedRankProbability(logs.map { -$0 })
      let allowed = thresholds.pairs.tolerance
      var finding = Finding(
        name, "time, head / base", before: 1e3 * median(times.map(\.0)), after: 1e3 * median(times.map(\.1)),
        .equal,
        note: String(
          format: "ms; median of %d pairs %+.1f %%, p = %.2g", times.count, 100 * (ratio - 1),
          min(slower, faster)))
      if ratio > 1 + allowed, slower < thresholds.pairs.probability { finding.verdict = .regression }
      if ratio < 1 / (1 + allowed), faster < thresholds.pairs.probability { finding.verdict = .improvement }
      return finding
    }
  }

  /// Findings about times are believed when a second look agrees: the verdict of `first` where `second` has it too.
  public func confirmed(_ first: [Finding], by second: [Finding]) -> [Finding] {
    first.map { finding in
      guard finding.verdict != .equal else { return finding }
      let again = second.first { $0.name == finding.name && $0.quantity == finding.quantity }
      return again?.verdict == finding.verdict ? finding : again ?? finding
    }
  }
}
