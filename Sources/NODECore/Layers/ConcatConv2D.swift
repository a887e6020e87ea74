/// Convolution of images to which the time t is appended as one more, constant channel: the layer of the
/// ODE-Nets of Chen et al. (2018; the authors' odenet_mnist.py). [n, h, w, inputs] -> [n, oh, ow, outputs].
///
/// The time channel is the first, as there. It is never made: by linearity in the channels,
///
///     conv([t, x], W) = conv(x, W[:, :, 1:, :]) + t conv(1, W[:, :, :1, :]),
///
/// and the second convolution depends on neither t nor x, so that a solve hoists it and computes it once. (It
/// is not a mere number per output: near the border the padding's zeros are no t.)
public struct ConcatConv2D<Scalar: FloatingScalar>: Module {
  /// [kernel, kernel, 1 + inputs, outputs].
  public var weight: Tensor<Scalar>
  /// [outputs].
  public var bias: Tensor<Scalar>
  /// From one window to the next; positive.
  public var stride: Int
  /// Of the images and of the time's channel alike: beyond the border both are zero.
  public var padding: Padding

  /// - Parameters:
  ///   - inputs: channels of the images, the time's not counted. The fan-in counts it.
  ///   - outputs: positive.
  ///   - kernel: side of the square window, positive.
  ///   - stride: positive; looked at when the layer is called.
  public init(
    _ inputs: Int, _ outputs: Int, kernel: Int, stride: Int = 1, padding: Padding = .valid,
    weightInitializer: Initializer = .fanIn, biasInitializer: Initializer = .fanIn,
    key: RandomKey = RandomKey(seed: 0)
  ) {
    let conv = Conv2D<Scalar>(
      inputs + 1, outputs, kernel: kernel, weightInitializer: weightInitializer,
      biasInitializer: biasInitializer, key: key)
    weight = conv.weight
    bias = conv.bias!
    self.stride = stride
    self.padding = padding
  }

  /// - Parameter t: scalar, or [n, 1, 1, 1]: one for each image.
  public func callAsFunction(_ t: Tensor<Scalar>, _ x: Tensor<Scalar>) -> Tensor<Scalar> {
    require(
      x.rank == 4 && x.shape[3] + 1 == weight.shape[2],
      "ConcatConv2D: input \(x.shape) for a weight \(weight.shape), whose first channel is the time's")
    let ofTime = weight.sliced(0..<1, axis: 2), ofState = weight.sliced(1..<weight.shape[2], axis: 2)
    let response = conv2d(.ones([1, x.shape[1], x.shape[2], 1]), ofTime, stride: stride, padding: padding)
    return conv2d(x, ofState, stride: stride, padding: padding) + (t * response + bias)
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {
    visit("weight", &weight)
    visit("bias", &bias)
  }
}
