/// The matrix product of a [batch..., m, k] and b [batch..., k, n]: [batch..., m, n]. With `transposeA` a is given as
/// [batch..., k, m], with `transposeB` b as [batch..., n, k]. A plain matrix is shared by the other operand's batch; batch
/// axes of both broadcast. A vector on the left is a row, on the right a column, and its axis is dropped.
public func matmul<S: FloatingScalar>(
  _ a: Tensor<S>, _ b: Tensor<S>, transposeA: Bool = false, transposeB: Bool = false
) -> Tensor<S> {
  require(a.rank >= 1 && b.rank >= 1, "matmul: operands need an axis, got \(a.shape) and \(b.shape)")
  if a.rank == 1 {
    require(!transposeA, "matmul: a vector has no transpose, got \(a.shape)")
    let result = matmul(a.expandingShape(at: 0), b, transposeB: transposeB)
    return result.squeezed(axes: b.rank == 1 ? -1 : -2)
  }
  if b.rank == 1 {
    require(!transposeB, "matmul: a vector has no transpose, got \(b.shape)")
    return matmul(a, b.expandingShape(at: 1), transposeA: transposeA).squeezed(axes: -1)
  }
  var x = a.value, y = b.value
  let batchA = Shape(Array(a.shape.dimensions.dropLast(2))),
    batchB = Shape(Array(b.shape.dimensions.dropLast(2)))
  if a.rank > 2 && b.rank > 2 && batchA != batchB, let batch = batchA.broadcast(with: batchB) {
    x = x.expanded(to: Shape(batch.dimensions + a.shape.dimensions.suffix(2)), "matmul")
    y = y.expanded(to: Shape(batch.dimensions + b.shape.dimensions.suffix(2)), "matmul")
  }
  return Tensor(.matmul(x, y, transposeA: transposeA, transposeB: transposeB))
}

/// The sum of the products of all elements of two tensors of one shape; rank 0.
public func dot<S: FloatingScalar>(_ a: Tensor<S>, _ b: Tensor<S>) -> Tensor<S> {
  require(a.shape == b.shape, "dot: shapes \(a.shape) and \(b.shape) differ")
  return (a * b).sum()
}
