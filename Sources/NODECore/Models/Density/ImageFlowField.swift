/// A field on images for flows: convolutions of 3 x 3 with the time as a channel (FFJORD's convolutional fields, without their
/// changes of size), softplus between them. States are rows of height x width x channels components.
public struct ImageFlowField<Scalar: FloatingScalar>: RowTimedField {
  /// Of one image: [height, width, channels].
  public let image: [Int]
  /// Channels -> hidden channels -> channels, 3 x 3 with a border of zeros: extents stay.
  public var layers: [ConcatConv2D<Scalar>]
  /// Between the layers.
  public var activation: Activation

  /// - Parameter hidden: channels of the hidden layers; at least one.
  public init(
    height: Int, width: Int, channels: Int = 1, hidden: [Int], activation: Activation = .softplus,
    key: RandomKey = RandomKey(seed: 0)
  ) {
    require(
      height > 0 && width > 0 && channels > 0 && !hidden.isEmpty && hidden.allSatisfy { $0 > 0 },
      "ImageFlowField: extents must be positive and hidden layers given, got \(height) x \(width) x \(channels), \(hidden)"
    )
    image = [height, width, channels]
    let sizes = [channels] + hidden + [channels]
    layers = zip(zip(sizes, sizes.dropFirst()), key.split(sizes.count - 1)).map {
      ConcatConv2D($0.0, $0.1, kernel: 3, padding: .zeros(1), key: $1)
    }
    self.activation = activation
  }

  public func callAsFunction(_ t: Tensor<Scalar>, _ y: Tensor<Scalar>) -> Tensor<Scalar> {
    requireVectors("ImageFlowField", y, image.reduce(1, *))
    require(
      t.count == 1 || t.shape == [y.shape[0], 1],
      "ImageFlowField: the time must be a scalar or one for each row, got \(t.shape) for \(y.shape)")
    let t = t.count == 1 ? t.reshaped(to: []) : t.reshaped(to: [y.shape[0], 1, 1, 1])
    var h = y.reshaped(to: Shape([y.shape[0]] + image))
    for (index, layer) in layers.enumerated() {
      h = layer(t, h)
      if index + 1 < layers.count { h = activation(h) }
    }
    return h.reshaped(to: y.shape)
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) { visit("layers", &layers) }
}
