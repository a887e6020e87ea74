/// Group normalisation (Wu, He 2018) with a scale and a shift per channel: [n, spatial..., channels].
public struct GroupNorm<Scalar: FloatingScalar>: Layer {
  /// [channels].
  public var scale: Tensor<Scalar>
  /// [channels].
  public var bias: Tensor<Scalar>
  /// Of adjacent channels; as many channels in each.
  public var groups: Int
  /// Finite and not negative.
  public var epsilon: Double

  /// - Parameters:
  ///   - groups: positive, a divisor of the channels.
  ///   - channels: extent of the last axis.
  ///   - epsilon: finite and not negative; looked at when the layer is called.
  public init(groups: Int, channels: Int, epsilon: Double = 1e-5) {
    require(
      groups > 0 && channels > 0 && channels % groups == 0,
      "GroupNorm: \(channels) channels are not divisible into \(groups) groups")
    scale = .ones([channels])
    bias = .zeros([channels])
    self.groups = groups
    self.epsilon = epsilon
  }

  public func callAsFunction(_ x: Tensor<Scalar>) -> Tensor<Scalar> {
    groupNorm(x, groups: groups, epsilon: epsilon) * scale + bias
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {
    visit("scale", &scale)
    visit("bias", &bias)
  }
}
