/// The vector field of the MNIST ODE-Net (Chen et al. 2018; the authors' odenet_mnist.py, ODEfunc):
/// norm, relu, conv, norm, relu, conv, norm on [n, h, w, channels], with the time as a channel of both
/// convolutions.
public struct ConvolutionalField<Scalar: FloatingScalar>: VectorField {
  public var norm1: GroupNorm<Scalar>
  /// 3 x 3 with a border of zeros: extents stay.
  public var conv1: ConcatConv2D<Scalar>
  public var norm2: GroupNorm<Scalar>
  /// 3 x 3 with a border of zeros: extents stay.
  public var conv2: ConcatConv2D<Scalar>
  public var norm3: GroupNorm<Scalar>

  /// - Parameter channels: of the state, positive. Norms have as many groups as divide it, up to 32.
  public init(channels: Int = 64, key: RandomKey = RandomKey(seed: 0)) {
    let keys = key.split(2)
    norm1 = GroupNorm(channels: channels)
    conv1 = ConcatConv2D(channels, channels, kernel: 3, padding: .zeros(1), key: keys[0])
    norm2 = GroupNorm(channels: channels)
    conv2 = ConcatConv2D(channels, channels, kernel: 3, padding: .zeros(1), key: keys[1])
    norm3 = GroupNorm(channels: channels)
  }

  public func callAsFunction(_ t: Tensor<Scalar>, _ y: Tensor<Scalar>) -> Tensor<Scalar> {
    norm3(conv2(t, relu(norm2(conv1(t, relu(norm1(y)))))))
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {
    visit("norm1", &norm1)
    visit("conv1", &conv1)
    visit("norm2", &norm2)
    visit("conv2", &conv2)
    visit("norm3", &norm3)
  }
}
