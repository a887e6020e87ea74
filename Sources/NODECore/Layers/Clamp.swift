/// Numbers limited to a range, elementwise: PyTorch's Hardtanh. The derivative outside of the range is zero.
public struct Clamp<Scalar: FloatingScalar>: Layer {
  /// The ends are rounded to the element type.
  public var range: ClosedRange<Double>

  /// - Parameter range: by default Hardtanh's.
  public init(_ range: ClosedRange<Double> = -1...1) { self.range = range }

  public func callAsFunction(_ x: Tensor<Scalar>) -> Tensor<Scalar> {
    clamp(x, Tensor(Scalar(range.lowerBound)), Tensor(Scalar(range.upperBound)))
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {}
}
