// Broadcasting: the only place where shapes are made equal. The rule is NumPy's: aligned at the last axis, extents equal
// or 1. It becomes explicit `.broadcast` nodes, whose transpose (a sum) is then the only derivative rule about it.

extension Value {
  /// This value repeated up to `shape`, aligned at the last axis.
  func expanded(to shape: Shape, _ operation: String) -> Value {
    if self.shape == shape { return self }
    require(
      self.shape.broadcast(with: shape) == shape,
      "\(operation): shape \(self.shape) does not broadcast to \(shape)")
    let new = shape.rank - self.shape.rank
    return broadcast(to: shape, axes: Array(new..<shape.rank))
  }
}

extension Graph {
  /// An elementwise operation on operands that are broadcast to their common shape first.
  static func broadcasting(_ operation: Elementwise, _ operands: Value...) -> Value {
    var shape = operands[0].shape
    for operand in operands.dropFirst() {
      guard let common = shape.broadcast(with: operand.shape) else {
        let shapes = operands.map(\.shape.description).joined(separator: " and ")
        fatalError("\(operation.name): shapes \(shapes) do not broadcast together")
      }
      shape = common
    }
    return one(.elementwise(operation), operands.map { $0.expanded(to: shape, operation.name) })
  }
}

extension Tensor {
  /// This tensor repeated up to `shape` by the broadcasting rule: aligned at the last axis, extents equal or 1.
  public func broadcast(to shape: Shape) -> Tensor { Tensor(value.expanded(to: shape, "broadcast")) }
}

/// An elementwise operation with broadcasting.
func apply<Scalar>(_ operation: Elementwise, _ x: Tensor<Scalar>) -> Tensor<Scalar> {
  Tensor(x.value.map(operation))
}

func apply<Scalar>(_ operation: Elementwise, _ a: Tensor<Scalar>, _ b: Tensor<Scalar>) -> Tensor<Scalar> {
  Tensor(Graph.broadcasting(operation, a.value, b.value))
}

/// An elementwise operation of a tensor and a number.
func apply<Scalar>(_ operation: Elementwise, _ a: Tensor<Scalar>, _ b: Double) -> Tensor<Scalar> {
  Tensor(.elementwise(operation, a.value, a.value.splat(b)))
}

func apply<Scalar>(_ operation: Elementwise, _ a: Double, _ b: Tensor<Scalar>) -> Tensor<Scalar> {
  Tensor(.elementwise(operation, b.value.splat(a), b.value))
}
