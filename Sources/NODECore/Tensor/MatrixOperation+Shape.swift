// Shape and element-type rules of linear algebra on batches of matrices.

extension MatrixOperation {
  func resultTypes(_ check: OperandCheck) -> [TensorType] {
    switch self {
    case .luFactors:
      let (batch, n) = square(check, operands: 1)
      return [check.operands[0], TensorType(.int32, Shape(batch + [n]))]
    case .luSolve:
      let (batch, n) = factored(check, operands: 4)
      return [rightSide(check, batch, n)]
    case .luDeterminant:
      let (batch, _) = factored(check, operands: 3)
      return Array(repeating: TensorType(check.operands[0].dtype, Shape(batch)), count: 3)
    case .cholesky:
      _ = square(check, operands: 1)
      return [check.operands[0]]
    case .triangularSolve:
      let (batch, n) = square(check, operands: 2)
      return [rightSide(check, batch, n)]
    case .qr:
      check.count(1)
      check.floating()
      let a = check.operands[0].shape
      check(a.rank >= 2 && a[a.rank - 1] >= 1, "needs matrices [..., m, n] with a column")
      let m = a[a.rank - 2], n = a[a.rank - 1]
      check(m >= n, "\(m) rows are fewer than \(n) columns")
      let r = Shape(a.dimensions.dropLast(2) + [n, n])
      return [check.operands[0], TensorType(check.operands[0].dtype, r)]
    case .symmetricEigen:
      let (batch, n) = square(check, operands: 1)
      return [TensorType(check.operands[0].dtype, Shape(batch + [n])), check.operands[0]]
    }
  }

  /// Batch axes and extent of the square matrices that the first operand is.
  private func square(_ check: OperandCheck, operands: Int) -> (batch: [Int], n: Int) {
    check.count(operands)
    let a = check.operands[0]
    check(a.dtype.isFloating, "integers have no arithmetic; convert them first")
    check(
      a.shape.rank >= 2 && a.shape[a.shape.rank - 1] == a.shape[a.shape.rank - 2]
        && a.shape[a.shape.rank - 1] >= 1, "needs square matrices [..., n, n]")
    return (Array(a.shape.dimensions.dropLast(2)), a.shape[a.shape.rank - 1])
  }

  /// The same of a matrix with its factors and pivots.
  private func factored(_ check: OperandCheck, operands: Int) -> (batch: [Int], n: Int) {
    let (batch, n) = square(check, operands: operands)
    check(
      check.operands[1] == check.operands[0]
        && check.operands[2] == TensorType(.int32, Shape(batch + [n])),
      "needs the matrix, its factors and pivots")
    return (batch, n)
  }

  /// The type of the solution.
  private func rightSide(_ check: OperandCheck, _ batch: [Int], _ n: Int) -> TensorType {
    let b = check.operands[check.operands.count - 1], rank = b.shape.rank
    check(b.dtype == check.operands[0].dtype, "element types differ")
    check(rank >= 2 && b.shape[rank - 2] == n, "the right side needs \(n) rows: [..., \(n), k]")
    let other = Array(b.shape.dimensions.dropLast(2))
    check(batch.isEmpty || other.isEmpty || batch == other, "batch axes differ")
    return TensorType(b.dtype, Shape((batch.isEmpty ? other : batch) + [n, b.shape[rank - 1]]))
  }
}
