/// The Euclidean norm of all gradients as one vector. Squares are taken of shares of the largest magnitude, so it overflows
/// only where the norm itself is above the largest number. Its derivative is taken as 0 where all gradients are zero.
public func globalNorm<S: FloatingScalar>(_ gradients: [Tensor<S>]) -> Tensor<S> {
  GlobalNorm(gradients).value
}

/// The gradients scaled down together so that their global norm is at most `maximum`, and the norm before (Pascanu,
/// Mikolov, Bengio 2013, algorithm 1).
/// - Parameter maximum: positive and finite, in the element type too.
public func clippedByGlobalNorm<S: FloatingScalar>(
  _ gradients: [Tensor<S>], maximum: Double
) -> (gradients: [Tensor<S>], norm: Tensor<S>) {
  requireNorm(maximum, S.self, "clippedByGlobalNorm: the maximum")
  let norm = GlobalNorm(gradients)
  return (gradients.map { norm.clipped($0, maximum: maximum) }, norm.value)
}

extension Module {
  /// A gradient, as `valueAndGradient(of:)` gives it, scaled down so that the norm over all its parameters is at most
  /// `maximum`, and the norm before.
  /// - Parameter maximum: positive and finite, in the element type too.
  public func clippedByGlobalNorm<S: FloatingScalar>(maximum: Double, _ type: S.Type = Float.self) -> (
    gradient: Self, norm: Tensor<S>
  ) {
    parameterLayout.requireDType(S.dtype, "clippedByGlobalNorm")
    let (gradients, norm) = NODECore.clippedByGlobalNorm(
      parameterValues.map { Tensor<S>($0) }, maximum: maximum)
    return (replacingParameters(gradients.map(\.value)), norm)
  }
}

/// Stops where a bound of a norm is not positive and finite as a number of this type: Float has neither 1e300 nor 1e-60.
func requireNorm<S: FloatingScalar>(_ maximum: Double, _ type: S.Type, _ name: String) {
  require(
    S(maximum).isFinite && S(maximum) > 0, "\(name) must be positive and finite in \(type), got \(maximum)")
}

/// A norm as the product of the largest magnitude and the norm of the shares of it, neither of which overflows.
struct GlobalNorm<S: FloatingScalar> {
  let value: Tensor<S>
  /// The largest magnitude; 1 where that is 0 or not finite. A constant to derivatives: neither the norm nor what is
  /// clipped depends on it, but for rounding.
  private let scale: Tensor<S>
  /// The norm over `scale`; 1 where the norm is 0.
  private let ratio: Tensor<S>

  init(_ gradients: [Tensor<S>]) {
    // Nothing has no largest element.
    let gradients = gradients.filter { $0.count > 0 }
    let largest = gradients.reduce(Tensor(S(0))) { maximum($0, abs(stopGradient($1)).max()) }
    let isUsable = (largest .> 0) * (largest .<= Tensor(S.greatestFiniteMagnitude))
    let scale = `where`(isUsable, largest, 1)
    let sum = gradients.reduce(Tensor(S(0))) { $0 + square($1 / scale).sum() }
    // The root of 1 instead of that of 0, whose derivative is infinite. A sum that is NaN stays NaN.
    let isZero = sum .== 0
    ratio = sqrt(`where`(isZero, 1, sum))
    value = `where`(isZero, 0, scale * ratio)
    self.scale = scale
  }

  /// A gradient, or a piece of one, scaled down where the norm of the whole is above `maximum`; all NaN where that is NaN.
  func clipped(_ gradient: Tensor<S>, maximum: Double) -> Tensor<S> {
    let bound = Tensor(S(maximum))
    return `where`(value .<= bound, gradient, (gradient / scale) * (bound / ratio))
  }
}
