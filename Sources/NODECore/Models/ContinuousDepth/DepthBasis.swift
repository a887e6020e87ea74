import Foundation

/// Functions of the depth that weights are sums over (Massaroli et al. 2020, "Dissecting neural ODEs",
/// section 3: the Galerkin approach). A value: a family, a number of functions, and the interval on which
/// they are what they are.
public struct DepthBasis: Sendable, Hashable, CustomStringConvertible {
  /// Functions of s, the depth mapped from the interval to [0, 1].
  public enum Family: String, Sendable, Hashable, CaseIterable {
    /// 1, then cos(k pi s) and sin(k pi s), k = 1, 2, ...; s runs from 0 to 1. The period is twice the
    /// interval, so that both ends of it are free of each other. An odd number of functions.
    case fourier
    /// T_0, T_1, ... on the interval mapped to [-1, 1].
    case chebyshev
    /// P_0, P_1, ... on the interval mapped to [-1, 1], not normalised: all are 1 at its end.
    case legendre
    /// Piecewise linear between equidistant knots, the ends among them; they add up to 1. Their kinks lie
    /// inside of the steps of a solver, which then takes more of them.
    case hats
    /// exp(-d² / 2), d the distance to equidistant centres, the ends among them, in units of the distance
    /// between two.
    case gaussians
  }

  public let family: Family
  /// Functions.
  public let count: Int
  /// Of the depth; of positive length.
  public let interval: ClosedRange<Double>

  /// - Parameters:
  ///   - count: at least one; odd for `.fourier`, at least two for `.hats` and `.gaussians`.
  ///   - interval: the depth, of positive length; outside of it the functions go on as their formulas do.
  public init(_ family: Family, count: Int, on interval: ClosedRange<Double> = 0...1) {
    let least = family == .hats || family == .gaussians ? 2 : 1
    require(count >= least, "DepthBasis: \(family.rawValue) needs at least \(least) functions, got \(count)")
    require(
      family != .fourier || count % 2 == 1,
      "DepthBasis: fourier has a constant and pairs, so an odd number of functions, got \(count)")
    let length = interval.upperBound - interval.lowerBound
    require(length > 0 && length.isFinite, "DepthBasis: the interval \(interval) must have a positive length")
    self.family = family
    self.count = count
    self.interval = interval
  }

  /// The functions at t, which is a scalar: [1, count].
  public func callAsFunction<Scalar: FloatingScalar>(_ t: Tensor<Scalar>) -> Tensor<Scalar> {
    require(t.count == 1, "DepthBasis: one depth for all rows, got \(t.shape)")
    let s =
      (t.reshaped(to: [1, 1]) - interval.lowerBound) * (1 / (interval.upperBound - interval.lowerBound))
    switch family {
    case .fourier:
      guard count > 1 else { return .ones([1, 1]) }
      let angles = s * Tensor<Scalar>((1...count / 2).map { Scalar(Double($0) * .pi) })
      return .concatenated([.ones([1, 1]), cos(angles), sin(angles)], axis: 1)
    case .chebyshev: return polynomials(s) { k, x, now, before in x * now * 2 - before }
    case .legendre:
      return polynomials(s) { k, x, now, before in
        x * now * (Double(2 * k + 1) / Double(k + 1)) - before * (Double(k) / Double(k + 1))
      }
    case .hats: return relu(1.0 - abs(distances(s)))
    case .gaussians: return exp(square(distances(s)) * -0.5)
    }
  }

  /// From the centres, in units of the distance between two: [1, count].
  private func distances<Scalar: FloatingScalar>(_ s: Tensor<Scalar>) -> Tensor<Scalar> {
    s * Double(count - 1) - Tensor<Scalar>((0..<count).map { Scalar(Double($0)) })
  }

  /// Polynomials with values 1 and x, the others by a recurrence over three terms.
  private func polynomials<Scalar: FloatingScalar>(
    _ s: Tensor<Scalar>,
    _ next: (Int, Tensor<Scalar>, Tensor<Scalar>, Tensor<Scalar>) -> Tensor<Scalar>
  ) -> Tensor<Scalar> {
    let x = s * 2 - 1
    var all: [Tensor<Scalar>] = [.ones([1, 1]), x]
    while all.count < count { all.append(next(all.count - 1, x, all[all.count - 1], all[all.count - 2])) }
    return .concatenated(Array(all.prefix(count)), axis: 1)
  }

  public var description: String { "\(family.rawValue)(\(count))" }
}
