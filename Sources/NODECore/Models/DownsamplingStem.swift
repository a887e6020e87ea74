/// The first layers of the MNIST networks of Chen et al. 2018 (the authors' odenet_mnist.py, "conv"): [n, 28,
/// 28, 1] -> [n, 6, 6, 64].
public struct DownsamplingStem<Scalar: FloatingScalar>: Layer {
  /// 3 x 3, no border: 28 -> 26.
  public var conv1: Conv2D<Scalar>
  public var norm1: GroupNorm<Scalar>
  /// 4 x 4 with stride 2 and a border of zeros: 26 -> 13.
  public var conv2: Conv2D<Scalar>
  public var norm2: GroupNorm<Scalar>
  /// 4 x 4 with stride 2 and a border of zeros: 13 -> 6.
  public var conv3: Conv2D<Scalar>

  /// - Parameters:
  ///   - inputs: channels of the images, positive.
  ///   - channels: of every convolution's output, positive. Norms have as many groups as divide it, up to 32.
  public init(inputs: Int = 1, channels: Int = 64, key: RandomKey = RandomKey(seed: 0)) {
    let keys = key.split(3)
    conv1 = Conv2D(inputs, channels, kernel: 3, key: keys[0])
    norm1 = GroupNorm(channels: channels)
    conv2 = Conv2D(channels, channels, kernel: 4, stride: 2, padding: .zeros(1), key: keys[1])
    norm2 = GroupNorm(channels: channels)
    conv3 = Conv2D(channels, channels, kernel: 4, stride: 2, padding: .zeros(1), key: keys[2])
  }

  public func callAsFunction(_ x: Tensor<Scalar>) -> Tensor<Scalar> {
    conv3(relu(norm2(conv2(relu(norm1(conv1(x)))))))
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {
    visit("conv1", &conv1)
    visit("norm1", &norm1)
    visit("conv2", &conv2)
    visit("norm2", &norm2)
    visit("conv3", &conv3)
  }
}

extension GroupNorm {
  /// As many groups as divide the channels, up to 32.
  init(channels: Int) {
    require(channels > 0, "GroupNorm: the channels must be positive, got \(channels)")
    self.init(groups: (1...min(32, channels)).last { channels % $0 == 0 }!, channels: channels)
  }
}
