import Foundation

/// Wilson's 95 % interval of a proportion (Wilson 1927): honest near 0, where the usual one is not.
public func wilsonInterval(failures: Int, of total: Int) -> ClosedRange<Double> {
  precondition(total > 0 && (0...total).contains(failures), "wilsonInterval: \(failures) of \(total)")
  let z = 1.959963984540054
  let n = Double(total), p = Double(failures) / n
  let centre = (p + z * z / (2 * n)) / (1 + z * z / n)
  let half = z / (1 + z * z / n) * (p * (1 - p) / n + z * z / (4 * n * n)).squareRoot()
  // The ends are exactly 0 and 1 there; rounding must not say otherwise.
  return (failures == 0 ? 0 : centre - half)...(failures == total ? 1 : centre + half)
}

/// Least-squares line y = intercept + slope x, with its share of explained variance.
public struct LinearFit: Codable, Sendable {
  public var intercept: Double, slope: Double, rSquared: Double

  public init(_ points: [(x: Double, y: Double)]) {
    precondition(points.count >= 2, "LinearFit: two points are needed, got \(points.count)")
    let n = Double(points.count)
    let mx = points.map(\.x).reduce(0, +) / n, my = points.map(\.y).reduce(0, +) / n
    let sxx = points.map { ($0.x - mx) * ($0.x - mx) }.reduce(0, +)
    let sxy = points.map { ($0.x - mx) * ($0.y - my) }.reduce(0, +)
    let syy = points.map { ($0.y - my) * ($0.y - my) }.reduce(0, +)
    slope = sxx > 0 ? sxy / sxx : 0
    intercept = my - slope * mx
    rSquared = syy > 0 && sxx > 0 ? sxy * sxy / (sxx * syy) : 1
  }
}

/// Exponent p of y ~ x^p from a straight line through the logarithms: 0 constant, 1 linear.
public func growthExponent(_ points: [(x: Double, y: Double)]) -> Double {
  LinearFit(points.filter { $0.x > 0 && $0.y > 0 }.map { (log($0.x), log($0.y)) }).slope
}

/// The middle value (mean of the two middle ones for an even count).
public func median(_ values: [Double]) -> Double {
  precondition(!values.isEmpty, "median of nothing")
  let sorted = values.sorted()
  let mid = sorted.count / 2
  return sorted.count % 2 == 1 ? sorted[mid] : (sorted[mid - 1] + sorted[mid]) / 2
}

/// The smallest value that at least this share of the values does not exceed (nearest rank): one of them, so that the
/// quantile of 1 is the largest.
public func quantile(_ share: Double, ofSorted values: [Double]) -> Double {
  precondition(!values.isEmpty && (0...1).contains(share), "quantile \(share) of \(values.count) values")
  return values[min(max(Int((share * Double(values.count)).rounded(.up)) - 1, 0), values.count - 1)]
}

/// Median absolute deviation from the median: a spread that outliers do not move.
public func medianAbsoluteDeviation(_ values: [Double]) -> Double {
  let middle = median(values)
  return median(values.map { abs($0 - middle) })
}

/// Wilcoxon's signed-rank test (Wilcoxon 1945), exact: the probability that the sum of ranks of the positive differences
/// is at least what it is, if either sign were as likely. Zeros are left out, ties share their mean rank.
public func signedRankProbability(_ differences: [Double]) -> Double {
  let values = differences.filter { $0 != 0 }.sorted { abs($0) < abs($1) }
  guard !values.isEmpty else { return 1 }
  // Ranks times two, so that mean ranks of ties are whole numbers.
  var ranks: [Int] = []
  while ranks.count < values.count {
    let first = ranks.count
    let end = values[first...].firstIndex { abs($0) != abs(values[first]) } ?? values.count
    ranks += Array(repeating: first + 1 + end, count: end - first)
  }
  let observed = zip(values, ranks).reduce(0) { $0 + ($1.0 > 0 ? $1.1 : 0) }
  // Share of the sign patterns with each sum.
  var share = [Double](repeating: 0, count: ranks.reduce(1, +))
  share[0] = 1
  for rank in ranks {
    for sum in share.indices.reversed() {
      share[sum] = 0.5 * (share[sum] + (sum >= rank ? share[sum - rank] : 0))
    }
  }
  return min(1, share[observed...].reduce(0, +))
}
