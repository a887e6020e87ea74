import Foundation

/// Local polynomial regression: states and their derivatives out of noisy observations, without any model (Fan and Gijbels 1996,
/// "Local polynomial modelling and its applications", section 3.1; for differential equations Liang and Wu 2008). A network
/// can be fitted to the derivatives first, and to the observations by solves after that.
///
/// At each time a polynomial in s - t is fitted to the observations, weighted by a kernel of (s - t) / bandwidth; its value and
/// slope at t are the estimates. The problems are solved as one batch of dense ones: memory and time grow as the number of observations
/// times that of wanted times. The error of a state by degree p is of order bandwidth^(p + 1), that of a derivative
/// bandwidth^p (odd powers cancel on symmetric neighbourhoods where the degree leaves them).
public struct LocalPolynomial: Sendable, Hashable {
  /// The weight of an observation, u being its distance in bandwidths.
  public enum Kernel: Sendable, Hashable, CaseIterable {
    /// exp(-u^2 / 2).
    case gaussian
    /// 3/4 (1 - u^2) within 1.
    case epanechnikov
    /// 1 - |u| within 1.
    case triangular
    /// (1 - |u|^3)^3 within 1.
    case tricube

    func weight(_ u: Double) -> Double {
      let size = abs(u)
      if self == .gaussian { return Foundation.exp(-u * u / 2) }
      guard size < 1 else { return 0 }
      switch self {
      case .gaussian: return Foundation.exp(-u * u / 2)
      case .epanechnikov: return 0.75 * (1 - u * u)
      case .triangular: return 1 - size
      case .tricube: return Foundation.pow(1 - size * size * size, 3)
      }
    }
  }

  /// Of the polynomial; at least 1.
  public var degree: Int
  public var kernel: Kernel
  /// In units of time, positive; nil: chosen by leave-one-out cross-validation of the states. Without noise that is the smallest there is,
  /// and what is left is the polynomial's bias: degree 5 for derivatives that a regression is to be made of.
  public var bandwidth: Double?

  /// - Parameters:
  ///   - degree: at least 1.
  ///   - bandwidth: in units of time, finite and positive; nil: chosen by leave-one-out cross-validation.
  public init(degree: Int = 2, kernel: Kernel = .gaussian, bandwidth: Double? = nil) {
    require(degree >= 1, "LocalPolynomial: the degree must be at least 1, got \(degree)")
    require(
      bandwidth.map { $0 > 0 && $0.isFinite } ?? true,
      "LocalPolynomial: the bandwidth must be positive, got \(bandwidth ?? 0)")
    self.degree = degree
    self.kernel = kernel
    self.bandwidth = bandwidth
  }

  /// Estimates at some times.
  public struct Estimate: Sendable {
    /// Those that were wanted.
    public let times: [Double]
    /// In units of time: the given one, or the one that was chosen.
    public let bandwidth: Double
    /// [times, components] each.
    public let states: Tensor<Double>, derivatives: Tensor<Double>
  }

  /// - Parameters:
  ///   - observations: [times, components].
  ///   - times: when they were made, increasing, more than `degree`.
  ///   - wanted: where estimates are wanted; nil: at the same times.
  /// - Precondition: every wanted time has more than `degree` observations within the kernel's reach.
  public func callAsFunction(
    _ observations: Tensor<Double>, at times: [Double], wanted: [Double]? = nil
  ) -> Estimate {
    require(degree >= 1, "LocalPolynomial: the degree must be at least 1, got \(degree)")
    require(
      observations.rank == 2 && observations.shape[0] == times.count && times.count > degree,
      "LocalPolynomial: \(times.count) times and observations \(observations.shape); [times, components] with more than "
        + "\(degree) times are needed")
    require(
      zip(times, times.dropFirst()).allSatisfy { $0 < $1 },
      "LocalPolynomial: times must increase, got \(times)")
    if let place = observations.scalars.firstIndex(where: { !$0.isFinite }) {
      fatalError(
        "LocalPolynomial: the observation at time \(times[place / observations.shape[1]]) has "
          + "\(observations.scalars[place]) in column \(place % observations.shape[1])")
    }
    let h = bandwidth ?? crossValidated(observations, times)
    let wanted = wanted ?? times
    guard let (matrices, roots) = problems(times, wanted, h) else {
      fatalError(
        "LocalPolynomial: a wanted time has no more than \(degree) observations within bandwidth \(h)")
    }
    let fitted = leastSquares(matrices, roots * observations.expandingShape(at: 0))
    func row(_ power: Int) -> Tensor<Double> {
      fitted.sliced(power..<power + 1, axis: 1).reshaped(to: [wanted.count, observations.shape[1]])
    }
    return Estimate(times: wanted, bandwidth: h, states: row(0), derivatives: row(1) * (1 / h))
  }

  /// One weighted problem for every wanted time: matrices [wanted, times, degree + 1], to be fitted to the observations times the
  /// weights' roots [wanted, times, 1]. nil where the kernel reaches too few observations.
  private func problems(
    _ times: [Double], _ wanted: [Double], _ h: Double
  ) -> (matrices: Tensor<Double>, roots: Tensor<Double>)? {
    var design: [Double] = [], roots: [Double] = []
    for t in wanted {
      var near = 0
      for s in times {
        let u = (s - t) / h, root = kernel.weight(u).squareRoot()
        near += root > 1e-6 ? 1 : 0
        roots.append(root)
        // Powers of u, not of s - t: columns of one size.
        var power = root
        for _ in 0...degree {
          design.append(power)
          power *= u
        }
      }
      if near <= degree { return nil }
    }
    return (
      Tensor(design, shape: [wanted.count, times.count, degree + 1]),
      Tensor(roots, shape: [wanted.count, times.count, 1])
    )
  }

  /// The bandwidth whose estimates, each made without the observation it is compared with, miss the least. An estimate is linear in the
  /// observations, so leaving one out is a division: (y_i - s_i) / (1 - L_ii), L_ii being the estimate from a one at time i alone.
  private func crossValidated(_ observations: Tensor<Double>, _ times: [Double]) -> Double {
    let n = times.count, components = observations.shape[1], span = times[n - 1] - times[0]
    // Components count alike, whatever their units.
    let y = observations.scalars
    let scales = (0..<components).map { c in
      let column = (0..<n).map { y[$0 * components + c] }, mean = column.reduce(0, +) / Double(n)
      return max(column.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }, .leastNormalMagnitude)
    }
    let ones = Tensor<Double>.identityMatrix(n).expandingShape(at: 2)
    var best = (score: Double.infinity, bandwidth: span)
    for factor in stride(from: 0.0, through: 1, by: 0.05) {
      // From the mean spacing to the whole span.
      let h = span * Foundation.pow(1 / Double(n - 1), 1 - factor)
      guard let (matrices, roots) = problems(times, times, h) else { continue }
      let all = Tensor.concatenated(
        [
          roots * observations.expandingShape(at: 0) + Tensor<Double>.zeros([n, n, components]), roots * ones,
        ],
        axis: 2)
      let fitted = leastSquares(matrices, all).sliced(0..<1, axis: 1).scalars
      var score = 0.0
      for i in 0..<n {
        let row = fitted[i * (components + 1)..<(i + 1) * (components + 1)], own = 1 - row.last!
        // Interpolation: the observation is its own estimate, and what misses it is round-off over round-off.
        guard own > 1e-8 else {
          score = .infinity
          break
        }
        for (c, scale) in scales.enumerated() {
          let error = (y[i * components + c] - row[row.startIndex + c]) / own
          score += error * error / scale
        }
      }
      if score < best.score { best = (score, h) }
    }
    return best.bandwidth
  }
}
