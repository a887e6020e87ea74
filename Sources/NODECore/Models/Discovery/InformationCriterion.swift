import Foundation

/// What a fit is worth, its residuals against its parameters: smaller is better. Residuals are taken as independent and normal
/// with one unknown deviation, which counts as a parameter too; constants that all fits share are left out.
public enum InformationCriterion: String, Sendable, Hashable, CaseIterable {
  /// n log(rss / n) + 2 k (Akaike 1974).
  case aic
  /// Akaike's, with the correction 2 k (k + 1) / (n - k - 1) for few observations (Hurvich, Tsai 1989).
  case aicc
  /// n log(rss / n) + k log n (Schwarz 1978).
  case bic
  /// Schwarz's plus 2 log of the number of ways to choose the terms from all candidates (Chen, Chen 2008, Biometrika 95:759, gamma = 1):
  /// among many candidates one that fits the noise is always found, so a term must be worth more the more there are.
  case extendedBIC

  /// The criterion for a sum of squared residuals; infinite where there are too few observations to tell.
  /// - Parameters:
  ///   - rss: the sum of squared residuals; not negative.
  ///   - n: observations, of all components together; positive.
  ///   - parameters: fitted coefficients, not negative; k is one more.
  ///   - candidates: what they were chosen from, at least as many; only the extended criterion looks at it. nil: nothing was chosen.
  public func score(
    residuals rss: Double, observations n: Double, parameters: Int, candidates: Int? = nil
  ) -> Double {
    require(
      rss >= 0 && n > 0 && parameters >= 0,
      "InformationCriterion: \(rss) from \(n) observations with \(parameters) parameters")
    let candidates = candidates ?? parameters
    require(
      candidates >= parameters, "InformationCriterion: \(parameters) parameters of \(candidates) candidates")
    let k = Double(parameters + 1)
    // Residuals of round-off are as good as none, but not infinitely better than each other.
    let fit = n * Foundation.log(max(rss / n, .leastNormalMagnitude))
    switch self {
    case .aic: return fit + 2 * k
    case .aicc: return n > k + 1 ? fit + 2 * k + 2 * k * (k + 1) / (n - k - 1) : .infinity
    case .bic: return fit + k * Foundation.log(n)
    case .extendedBIC:
      // log C(candidates, parameters).
      let ways = (0..<parameters).reduce(0.0) {
        $0 + Foundation.log(Double(candidates - $1)) - Foundation.log(Double($1 + 1))
      }
      return fit + k * Foundation.log(n) + 2 * ways
    }
  }
}
