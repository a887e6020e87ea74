// Linear systems with batches of matrices. All leading axes are the batch; a matrix of rank 2 is shared by a batch of right
// sides and the other way round, other batch axes broadcast. Sizes to 8 run on own kernels, larger ones on LAPACK.
//
// Numerical failure is a value, of the matrix concerned alone: solutions and inverses of singular matrices are not finite.

/// The solution x of a x = b for square a [batch..., n, n], by LU factors with partial pivoting.
///
/// b is one vector a matrix, [n] or [batch..., n], where it has one axis or one axis less than a; otherwise it is k columns,
/// [batch..., n, k]. A vector for every member of a batch under one matrix a [n, n] is written as columns: [batch..., n, 1].
/// Where a is exactly singular, x is not finite. Derivatives: Giles 2008, section 2.3.1; they reuse the factors.
public func solve<S: FloatingScalar>(_ a: Tensor<S>, _ b: Tensor<S>) -> Tensor<S> {
  withColumns("solve", a, b) { FactoredMatrix($0).solve($1) }
}

/// The inverse of every matrix [batch..., n, n]; not finite where a is exactly singular. To multiply with an inverse, `solve`
/// is faster and more accurate.
public func inverse<S: FloatingScalar>(_ a: Tensor<S>) -> Tensor<S> {
  requireSquare("inverse", a.shape)
  return Tensor(FactoredMatrix(a.value).inverse())
}

/// The determinant of every matrix [batch..., n, n]: [batch...], by LU factors. It may overflow where `logAbsDeterminant`
/// does not. Its derivative, det(a) tr(a^-1 da), is not finite where a is singular.
public func determinant<S: FloatingScalar>(_ a: Tensor<S>) -> Tensor<S> {
  requireSquare("determinant", a.shape)
  return Tensor(FactoredMatrix(a.value).determinant.value)
}

/// The logarithm of the determinant's magnitude and the determinant's sign (1, -1, or 0 with a logarithm of -infinity) for
/// every matrix [batch..., n, n]: [batch...] each. The derivative of the logarithm is tr(a^-1 da), that of the sign zero.
public func logAbsDeterminant<S: FloatingScalar>(_ a: Tensor<S>) -> (sign: Tensor<S>, logarithm: Tensor<S>) {
  requireSquare("logAbsDeterminant", a.shape)
  let results = FactoredMatrix(a.value).determinant
  return (Tensor(results.sign), Tensor(results.logMagnitude))
}

/// The solution x of t x = b for triangular t [batch..., n, n], of which the other half is not looked at. b as in `solve`.
///
/// `upper`: the upper triangle instead of the lower one. `transposed`: the system of that triangle's transpose.
/// `unitDiagonal`: the diagonal is taken as ones. A zero on the diagonal makes x not finite.
public func triangularSolve<S: FloatingScalar>(
  _ t: Tensor<S>, _ b: Tensor<S>, upper: Bool = false, transposed: Bool = false, unitDiagonal: Bool = false
) -> Tensor<S> {
  let triangle = Triangle(isLower: !upper, isTransposed: transposed, hasUnitDiagonal: unitDiagonal)
  return withColumns("triangularSolve", t, b) { $0.triangularSolve(triangle, $1) }
}

/// The solution x of l l^T x = b, where l [batch..., n, n] is what `cholesky` gives. b as in `solve`.
public func choleskySolve<S: FloatingScalar>(_ l: Tensor<S>, _ b: Tensor<S>) -> Tensor<S> {
  withColumns("choleskySolve", l, b) { l, b in
    let lower = Triangle(isLower: true)
    return l.triangularSolve(lower.transposed, l.triangularSolve(lower, b))
  }
}

/// The x that minimises |a x - b| for a [batch..., m, n] with m >= n and full rank, by QR factors: [..., n] or [..., n, k]. b is
/// one vector a matrix, [m] or [batch..., m], where it has one axis or one axis less than a, else k columns. Where a column of
/// a depends on those before it exactly, x is not finite; where it does nearly, x is large.
public func leastSquares<S: FloatingScalar>(_ a: Tensor<S>, _ b: Tensor<S>) -> Tensor<S> {
  requireTall("leastSquares", a.shape)
  return withColumns("leastSquares", a, b) { a, b in
    let factors = Graph.node(.matrix(.qr), [a])
    return factors[1].triangularSolve(
      Triangle(isLower: false), .matmul(factors[0], b, transposeA: true))
  }
}

/// Calls `body` with matrices and right sides as columns, batch axes equal or one of them without; vectors stay vectors.
private func withColumns<S: FloatingScalar>(
  _ name: String, _ a: Tensor<S>, _ b: Tensor<S>, _ body: (Value, Value) -> Value
) -> Tensor<S> {
  if name != "leastSquares" { requireSquare(name, a.shape) }
  let isVector = b.rank == 1 || b.rank == a.rank - 1
  require(
    isVector
      ? b.rank >= 1 && b.shape[b.rank - 1] == a.shape[a.rank - 2]
      : b.rank >= 2 && b.shape[b.rank - 2] == a.shape[a.rank - 2],
    "\(name): the right side \(b.shape) does not fit the rows of \(a.shape); it needs shape [..., n] with one axis less "
      + "than the matrices, or [..., n, k]")
  var x = a.value, y = isVector ? b.expandingShape(at: -1).value : b.value
  let batchA = Shape(Array(x.shape.dimensions.dropLast(2))),
    batchB = Shape(Array(y.shape.dimensions.dropLast(2)))
  if batchA.rank > 0 && batchB.rank > 0 && batchA != batchB {
    guard let batch = batchA.broadcast(with: batchB) else {
      fatalError("\(name): batch axes of \(a.shape) and \(b.shape) do not broadcast together")
    }
    x = x.expanded(to: Shape(batch.dimensions + x.shape.dimensions.suffix(2)), name)
    y = y.expanded(to: Shape(batch.dimensions + y.shape.dimensions.suffix(2)), name)
  }
  let result = Tensor<S>(body(x, y))
  return isVector ? result.squeezed(axes: -1) : result
}

func requireSquare(_ name: String, _ shape: Shape) {
  require(
    shape.rank >= 2 && shape[shape.rank - 1] == shape[shape.rank - 2] && shape[shape.rank - 1] >= 1,
    "\(name): needs square matrices [..., n, n], got \(shape)")
}

func requireTall(_ name: String, _ shape: Shape) {
  require(
    shape.rank >= 2 && shape[shape.rank - 1] >= 1 && shape[shape.rank - 2] >= shape[shape.rank - 1],
    "\(name): needs matrices [..., m, n] with m >= n >= 1, got \(shape)")
}
