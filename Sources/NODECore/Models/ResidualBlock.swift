/// A pre-activation residual block (He et al. 2016b, fig. 4e, with group normalisation): [n, h, w, channels]
/// -> the same.
public struct ResidualBlock<Scalar: FloatingScalar>: Layer {
  public var norm1: GroupNorm<Scalar>
  /// 3 x 3 with a border of zeros: extents stay. No bias.
  public var conv1: Conv2D<Scalar>
  public var norm2: GroupNorm<Scalar>
  /// 3 x 3 with a border of zeros: extents stay. No bias.
  public var conv2: Conv2D<Scalar>

  /// - Parameter channels: of input and output, positive. Norms have as many groups as divide it, up to 32.
  public init(channels: Int = 64, key: RandomKey = RandomKey(seed: 0)) {
    let keys = key.split(2)
    norm1 = GroupNorm(channels: channels)
    conv1 = Conv2D(channels, channels, kernel: 3, padding: .zeros(1), bias: false, key: keys[0])
    norm2 = GroupNorm(channels: channels)
    conv2 = Conv2D(channels, channels, kernel: 3, padding: .zeros(1), bias: false, key: keys[1])
  }

  public func callAsFunction(_ x: Tensor<Scalar>) -> Tensor<Scalar> {
    x + conv2(relu(norm2(conv1(relu(norm1(x))))))
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {
    visit("norm1", &norm1)
    visit("conv1", &conv1)
    visit("norm2", &norm2)
    visit("conv2", &conv2)
  }
}
