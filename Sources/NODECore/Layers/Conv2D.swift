/// Convolution of images: [n, h, w, inputs] -> [n, oh, ow, outputs].
public struct Conv2D<Scalar: FloatingScalar>: Layer {
  /// [kernel, kernel, inputs, outputs].
  public var weight: Tensor<Scalar>
  /// [outputs].
  public var bias: Tensor<Scalar>?
  /// From one window to the next; positive.
  public var stride: Int
  public var padding: Padding

  /// - Parameters:
  ///   - inputs: channels, positive.
  ///   - outputs: channels, positive.
  ///   - kernel: side of the square window, positive. Fans are channels times its area.
  ///   - stride: positive; looked at when the layer is called.
  ///   - key: two layers made with the same key start the same; give each its own.
  public init(
    _ inputs: Int, _ outputs: Int, kernel: Int, stride: Int = 1, padding: Padding = .valid, bias: Bool = true,
    weightInitializer: Initializer = .fanIn, biasInitializer: Initializer = .fanIn,
    key: RandomKey = RandomKey(seed: 0)
  ) {
    require(
      inputs > 0 && outputs > 0 && kernel > 0,
      "Conv2D: extents must be positive, got \(inputs) -> \(outputs) with kernel \(kernel)")
    let keys = key.split(2)
    let area = kernel * kernel
    weight = weightInitializer(
      [kernel, kernel, inputs, outputs], fanIn: inputs * area, fanOut: outputs * area, key: keys[0])
    self.bias =
      bias ? biasInitializer([outputs], fanIn: inputs * area, fanOut: outputs * area, key: keys[1]) : nil
    self.stride = stride
    self.padding = padding
  }

  public func callAsFunction(_ x: Tensor<Scalar>) -> Tensor<Scalar> {
    let y = conv2d(x, weight, stride: stride, padding: padding)
    return if let bias { y + bias } else { y }
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {
    visit("weight", &weight)
    visit("bias", &bias)
  }
}
