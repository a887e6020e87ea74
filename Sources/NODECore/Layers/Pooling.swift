/// The largest element of each window: [n, h, w, c] -> [n, oh, ow, c]. No padding.
public struct MaxPool2D<Scalar: FloatingScalar>: Layer {
  /// Side of the square window, and the distance from one to the next; positive.
  public var size: Int, stride: Int

  /// - Parameter stride: the window's size unless given.
  public init(size: Int, stride: Int? = nil) {
    self.size = size
    self.stride = stride ?? size
  }

  public func callAsFunction(_ x: Tensor<Scalar>) -> Tensor<Scalar> {
    maxPool2d(x, size: size, stride: stride)
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {}
}

/// The mean of each window: [n, h, w, c] -> [n, oh, ow, c]. No padding.
public struct AveragePool2D<Scalar: FloatingScalar>: Layer {
  /// Side of the square window, and the distance from one to the next; positive.
  public var size: Int, stride: Int

  /// - Parameter stride: the window's size unless given.
  public init(size: Int, stride: Int? = nil) {
    self.size = size
    self.stride = stride ?? size
  }

  public func callAsFunction(_ x: Tensor<Scalar>) -> Tensor<Scalar> {
    averagePool2d(x, size: size, stride: stride)
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {}
}

/// The mean over the image: [n, h, w, c] -> [n, c].
public struct GlobalAveragePool2D<Scalar: FloatingScalar>: Layer {
  public init() {}

  public func callAsFunction(_ x: Tensor<Scalar>) -> Tensor<Scalar> { x.mean(axes: 1, 2) }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {}
}

/// All axes but the first become one: [n, ...] -> [n, features].
public struct Flatten<Scalar: FloatingScalar>: Layer {
  public init() {}

  public func callAsFunction(_ x: Tensor<Scalar>) -> Tensor<Scalar> {
    x.reshaped(to: [x.shape[0], x.count / max(x.shape[0], 1)])
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {}
}
