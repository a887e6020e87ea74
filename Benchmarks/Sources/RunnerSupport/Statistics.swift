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
