import Foundation

/// Data in the unit cube, as pixels with noise are, to the whole space: z = logit(margin + (1 - 2 margin) x) (Dinh et al. 2017,
/// section 4.1). No parameters. Data outside of the cube by more than margin / (1 - 2 margin) have no image: state and
/// density are NaN, and a continuous flow that follows throws for all rows, as any solve does from a state that is not finite.
public struct LogitFlow<Scalar: FloatingScalar>: InvertibleFlow {
  public let dimensions: Int
  /// What keeps 0 and 1 from becoming infinite.
  public let margin: Double

  /// - Parameter margin: in (0, 1/2).
  public init(_ dimensions: Int, margin: Double = 0.05) {
    require(dimensions > 0, "LogitFlow: dimensions must be positive, got \(dimensions)")
    require(
      1 - Scalar(margin) < 1 && margin < 0.5,
      "LogitFlow: the margin is in (0, 1/2) and not lost beside 1 in \(Scalar.self), got \(margin)")
    self.dimensions = dimensions
    self.margin = margin
  }

  public func toBase(_ x: Tensor<Scalar>, key: RandomKey) throws -> Transported<Scalar> {
    requireVectors("LogitFlow", x, dimensions)
    // From the nearer end each, or a small margin would be lost to rounding at the upper one.
    let share = x * (1 - 2 * margin) + margin, rest = (1 - x) * (1 - 2 * margin) + margin
    let (a, b) = (log(share), log(rest))
    // dz/dx = (1 - 2 margin) / (share (1 - share))
    return Transported(
      state: a - b, logDeterminant: (a + b).sum(axes: 1) * -1 + Double(dimensions) * slope)
  }

  public func fromBase(_ z: Tensor<Scalar>, key: RandomKey) throws -> Transported<Scalar> {
    requireVectors("LogitFlow", z, dimensions)
    let state = (sigmoid(z) - margin) * (1 / (1 - 2 * margin))
    // log share = -softplus(-z), log (1 - share) = -softplus(z)
    let logarithms = softplus(z) + softplus(-z)
    return Transported(
      state: state, logDeterminant: logarithms.sum(axes: 1) * -1 - Double(dimensions) * slope)
  }

  private var slope: Double { Foundation.log(1 - 2 * margin) }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {}
}
