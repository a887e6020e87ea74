import Foundation

/// Energies on the plane whose exponentials flows are fitted to without samples (Rezende and Mohamed 2015, table 1): U1 a ring
/// of two modes, U2 a wave, U3 and U4 waves that split.
public enum PlaneEnergy: String, Sendable, Hashable, CaseIterable {
  case u1, u2, u3, u4

  /// Whether it is a density on the square [-4, 4]² only: the waves have no end in the first component.
  public var isOnBox: Bool { self != .u1 }

  /// log of the integral of exp(-U): over the plane for U1, over the square for the others; by the midpoint rule.
  public var logNormaliser: Double {
    let side = 1200, half = isOnBox ? 4.0 : 6.0, step = 2 * half / Double(side)
    let places = (0..<side).map { (Double($0) + 0.5) * step - half }
    var sum = 0.0
    for x in places { for y in places { sum += Foundation.exp(-potential(x, y)) } }
    return Foundation.log(sum * step * step)
  }

  private func potential(_ x: Double, _ y: Double) -> Double {
    func squared(_ z: Double) -> Double { z * z }
    func bumps(_ a: Double, _ b: Double) -> Double {
      // Of two exponents, without underflow.
      -(Swift.max(a, b) + Foundation.log1p(Foundation.exp(-abs(a - b))))
    }
    let wave = Foundation.sin(Double.pi * x / 2)
    switch self {
    case .u1:
      return 0.5 * squared((Foundation.hypot(x, y) - 2) / 0.4)
        + bumps(-0.5 * squared((x - 2) / 0.6), -0.5 * squared((x + 2) / 0.6))
    case .u2: return 0.5 * squared((y - wave) / 0.4)
    case .u3:
      let dip = 3 * Foundation.exp(-0.5 * squared((x - 1) / 0.6))
      return bumps(-0.5 * squared((y - wave) / 0.35), -0.5 * squared((y - wave + dip) / 0.35))
    case .u4:
      let dip = 3 / (1 + Foundation.exp(-(x - 1) / 0.3))
      return bumps(-0.5 * squared((y - wave) / 0.4), -0.5 * squared((y - wave + dip) / 0.35))
    }
  }

  /// -U(x) for rows x [rows, 2], [rows]: not normalised.
  public func logDensity<Scalar: FloatingScalar>(_ x: Tensor<Scalar>) -> Tensor<Scalar> {
    requireVectors("PlaneEnergy", x, 2)
    let rows = x.shape[0]
    let a = x.sliced(0..<1, axis: 1), b = x.sliced(1..<2, axis: 1)
    func bump(_ z: Tensor<Scalar>, _ width: Double) -> Tensor<Scalar> { square(z * (1 / width)) * -0.5 }
    func either(_ p: Tensor<Scalar>, _ q: Tensor<Scalar>) -> Tensor<Scalar> {
      logSumExp(.concatenated([p, q], axis: 1), axis: 1)
    }
    let wave = sin(a * (Double.pi / 2))
    switch self {
    case .u1:
      let radius = sqrt(square(x).sum(axes: 1) + 1e-12)
      return bump(radius - 2, 0.4) + either(bump(a - 2, 0.6), bump(a + 2, 0.6))
    case .u2: return bump(b - wave, 0.4).reshaped(to: [rows])
    case .u3:
      let dip = exp(bump(a - 1, 0.6)) * 3
      return either(bump(b - wave, 0.35), bump(b - wave + dip, 0.35))
    case .u4:
      let dip = sigmoid((a - 1) * (1 / 0.3)) * 3
      return either(bump(b - wave, 0.4), bump(b - wave + dip, 0.35))
    }
  }

  /// A density on the whole plane with the same normaliser: for the waves that of x with 4 tanh(x / 4) distributed as
  /// exp(-U) on the square. Kullback-Leibler divergences to it are those on the square, for such maps keep them.
  public func planeLogDensity<Scalar: FloatingScalar>(_ x: Tensor<Scalar>) -> Tensor<Scalar> {
    guard isOnBox else { return logDensity(x) }
    requireVectors("PlaneEnergy", x, 2)
    // log of 1 - tanh² = 2 log 2 - 2 |z| - 2 log(1 + exp(-2 |z|)): without cancellation.
    let z = abs(x * 0.25)
    let logSlopes = (softplus(z * -2) + z) * -2 + 2 * Foundation.log(2.0)
    return logDensity(tanh(x * 0.25) * 4) + logSlopes.sum(axes: 1)
  }
}
