/// The Euclidean norm of all gradients as one vector.
public func globalNorm<S: FloatingScalar>(_ gradients: [Tensor<S>]) -> Tensor<S> {
  sqrt(gradients.reduce(Tensor(S(0))) { $0 + square($1).sum() })
}

/// The gradients scaled down together so that their global norm is at most `maximum`, and the norm before (Pascanu,
/// Mikolov, Bengio 2013, algorithm 1).
public func clippedByGlobalNorm<S: FloatingScalar>(
  _ gradients: [Tensor<S>], maximum: Double
) -> (gradients: [Tensor<S>], norm: Tensor<S>) {
  require(maximum > 0, "clippedByGlobalNorm: the maximum must be positive, got \(maximum)")
  let norm = globalNorm(gradients)
  return (gradients.map { clipped($0, norm: norm, maximum: maximum) }, norm)
}

extension Module {
  /// A gradient, as `valueAndGradient(of:)` gives it, scaled down so that the norm over all its parameters is at most
  /// `maximum`, and the norm before.
  public func clippedByGlobalNorm<S: FloatingScalar>(maximum: Double, _ type: S.Type = Float.self) -> (
    gradient: Self, norm: Tensor<S>
  ) {
    parameterLayout.requireDType(S.dtype, "clippedByGlobalNorm")
    let (gradients, norm) = NODECore.clippedByGlobalNorm(
      parameterValues.map { Tensor<S>($0) }, maximum: maximum)
    return (replacingParameters(gradients.map(\.value)), norm)
  }
}

/// A gradient, or a piece of one, scaled down where the norm of the whole is above `maximum`.
package func clipped<S: FloatingScalar>(_ gradient: Tensor<S>, norm: Tensor<S>, maximum: Double) -> Tensor<S>
{
  gradient * minimum(Tensor(S(1)), Tensor(S(maximum)) / norm)
}
