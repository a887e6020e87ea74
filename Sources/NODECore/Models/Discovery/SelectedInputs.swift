/// A layer that sees only some components of its input, [..., n] -> [..., inputs.count] -> the layer's output: what is known about
/// which variables an unknown depends on.
public struct SelectedInputs<Inner: Layer>: Layer {
  public typealias Scalar = Inner.Scalar
  /// Indices along the last axis, in the order in which `inner` sees them.
  public let inputs: [Int]
  /// [..., inputs.count] -> the output.
  public var inner: Inner

  /// - Parameters:
  ///   - inputs: indices along the last axis; at least one, none negative.
  ///   - inner: [..., inputs.count] -> the output.
  public init(_ inputs: [Int], _ inner: Inner) {
    require(
      !inputs.isEmpty && inputs.allSatisfy { $0 >= 0 },
      "SelectedInputs: no components or negative ones: \(inputs)")
    self.inputs = inputs
    self.inner = inner
  }

  public func callAsFunction(_ x: Tensor<Scalar>) -> Tensor<Scalar> {
    require(
      x.rank > 0 && inputs.max()! < x.shape[x.rank - 1],
      "SelectedInputs: components \(inputs) of an input \(x.shape)")
    return inner(
      Tensor.concatenated(inputs.map { x.sliced($0..<$0 + 1, axis: x.rank - 1) }, axis: x.rank - 1))
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) { visit("inner", &inner) }
}
