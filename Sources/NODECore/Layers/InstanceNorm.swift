/// Instance normalisation (Ulyanov, Vedaldi, Lempitsky 2016): every channel of every sample over its spatial axes,
/// [n, spatial..., channels]. The variance is divided by n.
public struct InstanceNorm<Scalar: FloatingScalar>: Layer {
  /// [channels].
  public var scale: Tensor<Scalar>?
  /// [channels].
  public var bias: Tensor<Scalar>?
  /// Extent of the last axis; positive.
  public var channels: Int
  /// Finite and not negative.
  public var epsilon: Double

  /// - Parameter affine: with a scale and a shift per channel.
  public init(channels: Int, affine: Bool = true, epsilon: Double = 1e-5) {
    require(channels > 0, "InstanceNorm: the number of channels must be positive, got \(channels)")
    scale = affine ? .ones([channels]) : nil
    bias = affine ? .zeros([channels]) : nil
    self.channels = channels
    self.epsilon = epsilon
  }

  public func callAsFunction(_ x: Tensor<Scalar>) -> Tensor<Scalar> {
    require(
      x.rank >= 3 && x.shape[x.rank - 1] == channels,
      "InstanceNorm: input \(x.shape); [n, spatial..., \(channels)] is needed")
    let y = groupNorm(x, groups: channels, epsilon: epsilon)
    guard let scale, let bias else { return y }
    return y * scale + bias
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {
    visit("scale", &scale)
    visit("bias", &bias)
  }
}
