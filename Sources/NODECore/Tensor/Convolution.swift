extension Convolution {
  /// [images, h, w, cin].
  package func inputShape(_ images: Int) -> Shape { [images, height, width, inputChannels] }
  /// [images, oh, ow, cout].
  package func outputShape(_ images: Int) -> Shape { [images, outputHeight, outputWidth, outputChannels] }
  /// [kh, kw, cin, cout].
  package var filterShape: Shape { [kernelHeight, kernelWidth, inputChannels, outputChannels] }

  /// Whether the filter fits at least once and every extent makes sense. To be asked before anything is computed of them.
  package var isValid: Bool {
    let positive = [height, width, inputChannels, kernelHeight, kernelWidth, stride, outputChannels]
    let pads = [padTop, padLeft, padBottom, padRight]
    // The kernels count in 32 bits.
    guard positive.allSatisfy({ 1...Int(Int32.max) ~= $0 }), pads.allSatisfy({ 0...Int(Int32.max) ~= $0 }),
      height + padTop + padBottom >= kernelHeight, width + padLeft + padRight >= kernelWidth
    else { return false }
    return outputHeight <= Int32.max && outputWidth <= Int32.max
  }
}

/// How an image is extended before a convolution.
public enum Padding: Sendable, Hashable {
  /// No border: output extent (input - kernel) / stride + 1.
  case valid
  /// Zeros such that the output extent is the input's divided by the stride, rounded up; where the border is odd the
  /// extra row or column is at the bottom or right.
  case same
  /// This many zeros on every side.
  case zeros(Int)

  /// Zeros before and after an axis.
  func amounts(extent: Int, kernel: Int, stride: Int) -> (low: Int, high: Int) {
    switch self {
    case .valid: return (0, 0)
    case .zeros(let border): return (border, border)
    case .same:
      // From the first window's start to the last one's: no further than the extent, whatever the stride.
      let reach = max(extent.dividedUp(by: stride) - 1, 0) * stride
      let total = max(reach + kernel - extent, 0)
      return (total / 2, total - total / 2)
    }
  }
}
