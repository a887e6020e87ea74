import Foundation

/// The normal distribution restricted to a range, by inversion of its distribution function (PyTorch's trunc_normal_).
struct TruncatedNormal {
  let mean: Double, deviation: Double, range: ClosedRange<Double>
  /// The distribution function at both ends. Where the range is above the mean everything is mirrored: the lower tail
  /// keeps its digits.
  private let low: Double, high: Double, isMirrored: Bool

  /// The mean and the ends are finite, the deviation is finite and positive, and the range is not so far from the mean that
  /// the distribution function has no digits there.
  init(mean: Double, deviation: Double, range: ClosedRange<Double>) {
    let name = "Initializer.truncatedNormal"
    requireSetting(name, "the mean", mean, .finite)
    requireSetting(name, "the standard deviation", deviation, .positive)
    require(
      range.lowerBound.isFinite && range.upperBound.isFinite, "\(name): the range \(range) is not finite")
    (self.mean, self.deviation, self.range) = (mean, deviation, range)
    let ends = [(range.lowerBound - mean) / deviation, (range.upperBound - mean) / deviation]
    isMirrored = ends[0] > 0
    low = Self.distribution(isMirrored ? -ends[1] : ends[0])
    high = Self.distribution(isMirrored ? -ends[0] : ends[1])
    // Below 1e-308 doubles lose their digits one by one; well above it both the function and its inverse have all of theirs.
    require(
      high > 1e-280,
      "\(name): the range \(range) begins too far from the mean \(mean), at standard deviation \(deviation)")
  }

  /// The number below which a share `uniform`, in [0, 1), of the distribution lies; mirrored distributions count from
  /// above.
  func callAsFunction(_ uniform: Double) -> Double {
    let x = Self.quantile(low + uniform * (high - low))
    let y = mean + deviation * (isMirrored ? -x : x)
    return min(max(y, range.lowerBound), range.upperBound)
  }

  private static func distribution(_ x: Double) -> Double { Foundation.erfc(-x * 0.5.squareRoot()) / 2 }

  /// The inverse of the distribution function: Abramowitz and Stegun 26.2.23, off by 4.5e-4, then Halley's method twice.
  private static func quantile(_ p: Double) -> Double {
    if p > 0.5 { return -quantile(1 - p) }
    guard p > 0 else { return -.infinity }
    let t = (-2 * Foundation.log(p)).squareRoot()
    let top = 2.515517 + t * (0.802853 + t * 0.010328)
    let bottom = 1 + t * (1.432788 + t * (0.189269 + t * 0.001308))
    var x = top / bottom - t
    for _ in 0..<2 {
      let density = Foundation.exp(-x * x / 2) / (2 * Double.pi).squareRoot()
      let step = (distribution(x) - p) / density
      x -= step / (1 + x * step / 2)
    }
    return x
  }
}
