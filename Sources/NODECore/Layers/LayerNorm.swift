/// Layer normalisation (Ba, Kiros, Hinton 2016) over the last axis, with a scale and a shift per feature:
/// [..., features] -> [..., features]. The variance is divided by n.
public struct LayerNorm<Scalar: FloatingScalar>: Layer {
  /// [features].
  public var scale: Tensor<Scalar>
  /// [features].
  public var bias: Tensor<Scalar>
  /// Finite and not negative.
  public var epsilon: Double

  /// - Parameters:
  ///   - features: extent of the last axis, positive.
  ///   - epsilon: finite and not negative; looked at when the layer is called.
  public init(_ features: Int, epsilon: Double = 1e-5) {
    require(features > 0, "LayerNorm: the number of features must be positive, got \(features)")
    scale = .ones([features])
    bias = .zeros([features])
    self.epsilon = epsilon
  }

  public func callAsFunction(_ x: Tensor<Scalar>) -> Tensor<Scalar> {
    let features = scale.shape[0]
    require(
      x.rank >= 1 && x.shape[x.rank - 1] == features, "LayerNorm: input \(x.shape) for \(features) features")
    // Rows of one group without positions: the kernel of group normalisation.
    let rows = x.reshaped(to: [x.count / features, features])
    return groupNorm(rows, groups: 1, epsilon: epsilon).reshaped(to: x.shape) * scale + bias
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {
    visit("scale", &scale)
    visit("bias", &bias)
  }
}
