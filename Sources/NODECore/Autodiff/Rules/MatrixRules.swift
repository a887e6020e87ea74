// Derivatives of factorisations and solves, in primitives, so that they nest. Sources: Giles 2008, "Collected matrix
// derivative results for forward and reverse mode algorithmic differentiation" (solve, inverse, determinant,
// eigenvalues); Murray 2016, arXiv:1602.07527 (Cholesky); Walter and Lehmann 2010, arXiv:1001.1654 (QR).

extension MatrixOperation {
  func jvp(_ x: [Value], _ y: [Value], _ t: [Value?]) -> [Value?] {
    switch self {
    case .luFactors:
      return [nil, nil]
    case .luSolve(let transposed):
      let matrix = FactoredMatrix(matrix: x[0], factors: x[1], pivots: x[2])
      let change = t[0].map { Value.matmul($0, y[0], transposeA: transposed) }
      return [rightSide(t[3], change).map { matrix.solve($0, transposed: transposed) }]
    case .luDeterminant:
      guard let t = t[0] else { return [nil, nil, nil] }
      // d log|det A| = tr(A^-1 dA).
      let inverse = FactoredMatrix(matrix: x[0], factors: x[1], pivots: x[2]).inverse(transposed: true)
      let trace = (inverse * t).sum(axes: [t.shape.rank - 2, t.shape.rank - 1])
      return [y[0] * trace, trace, nil]
    case .cholesky:
      guard let t = t[0] else { return [nil] }
      // dL = L phi(L^-1 dA L^-T), phi the lower triangle with half of the diagonal.
      let lower = Triangle(isLower: true)
      let half = y[0].triangularSolve(lower, t.symmetricPart)
      let whole = y[0].triangularSolve(lower, half.matrixTranspose)
      return [.matmul(y[0], whole.lowerWithHalfDiagonal)]
    case .triangularSolve(let triangle):
      let change = t[0].map { Value.matmul($0.part(triangle), y[0], transposeA: triangle.isTransposed) }
      return [rightSide(t[1], change).map { x[0].triangularSolve(triangle, $0) }]
    case .qr:
      guard let t = t[0] else { return [nil, nil] }
      // With C = dA R^-1, M = Q^T C and the skew S = lower(M) - lower(M)^T: dQ = C - Q (M - S), dR = (M - S) R.
      let c = y[1].triangularSolve(Triangle(isLower: false, isTransposed: true), t.matrixTranspose)
        .matrixTranspose
      let m = Value.matmul(y[0], c, transposeA: true)
      let below = m.weighted { $0 > $1 ? 1 : 0 }
      let upper = m - below + below.matrixTranspose
      return [c - .matmul(y[0], upper), .matmul(upper, y[1])]
    case .symmetricEigen:
      guard let t = t[0] else { return [nil, nil] }
      let v = y[1]
      let change = Value.matmul(v, .matmul(t.symmetricPart, v), transposeA: true)
      return [change.diagonal, .matmul(v, change.overGaps(y[0]))]
    }
  }

  func vjp(_ x: [Value], _ y: [Value], _ ct: [Value?], _ wanted: [Bool]) -> [Value?] {
    switch self {
    case .luFactors:
      return [nil]
    case .luSolve(let transposed):
      guard let ct = ct[0] else { return [nil, nil, nil, nil] }
      let matrix = FactoredMatrix(matrix: x[0], factors: x[1], pivots: x[2])
      let b = matrix.solve(ct, transposed: !transposed)
      let a = transposed ? Value.products(y[0], b, like: x[0]) : .products(b, y[0], like: x[0])
      return [wanted[0] ? -a : nil, nil, nil, wanted[3] ? b.summed(to: x[3]) : nil]
    case .luDeterminant:
      guard let trace = sum([ct[0].map { $0 * y[0] }, ct[1]]) else { return [nil, nil, nil] }
      let inverse = FactoredMatrix(matrix: x[0], factors: x[1], pivots: x[2]).inverse(transposed: true)
      let rank = inverse.shape.rank
      return [inverse * trace.spread(along: [rank - 2, rank - 1], to: inverse.shape), nil, nil]
    case .cholesky:
      guard let ct = ct[0] else { return [nil] }
      // A' = sym(L^-T phi(L^T L') L^-1).
      let back = Triangle(isLower: true, isTransposed: true)
      let inner = Value.matmul(y[0], ct, transposeA: true).lowerWithHalfDiagonal
      let half = y[0].triangularSolve(back, inner)
      return [y[0].triangularSolve(back, half.matrixTranspose).symmetricPart]
    case .triangularSolve(let triangle):
      guard let ct = ct[0] else { return [nil, nil] }
      let b = x[0].triangularSolve(triangle.transposed, ct)
      let t = triangle.isTransposed ? Value.products(y[0], b, like: x[0]) : .products(b, y[0], like: x[0])
      return [wanted[0] ? -t.part(triangle) : nil, wanted[1] ? b.summed(to: x[1]) : nil]
    case .qr:
      // A' = (Q' + Q copyltu(R R'^T - Q'^T Q)) R^-T, copyltu(M) the symmetric matrix with M's lower triangle.
      let (q, r) = (y[0], y[1])
      let fromR = ct[1].map { Value.matmul(r, $0, transposeB: true) }
      let fromQ = ct[0].map { -Value.matmul($0, q, transposeA: true) }
      guard let m = sum([fromR, fromQ]) else { return [nil] }
      let below = m.weighted { $0 > $1 ? 1 : 0 }
      let symmetric = below + below.matrixTranspose + m.weighted { $0 == $1 ? 1 : 0 }
      let whole = sum([ct[0], Value.matmul(q, symmetric)])!
      return [r.triangularSolve(Triangle(isLower: false), whole.matrixTranspose).matrixTranspose]
    case .symmetricEigen:
      // A' = sym(V (diag(w') + F o V^T V') V^T), F(i, j) = 1 / (w(j) - w(i)).
      let v = y[1]
      let fromValues = ct[0].map {
        $0.spread(along: [v.shape.rank - 2], to: v.shape).weighted { $0 == $1 ? 1 : 0 }
      }
      let fromVectors = ct[1].map { Value.matmul(v, $0, transposeA: true).overGaps(y[0]) }
      guard let inner = sum([fromValues, fromVectors]) else { return [nil] }
      return [Value.matmul(v, .matmul(inner, v, transposeB: true)).symmetricPart]
    }
  }

  /// db - dA x; a right side that the batch shares is repeated. Nil: zero.
  private func rightSide(_ tangent: Value?, _ change: Value?) -> Value? {
    guard let change else { return tangent }
    guard let tangent else { return -change }
    let extra = change.shape.rank - tangent.shape.rank
    return tangent.broadcast(to: change.shape, axes: Array(extra..<change.shape.rank)) - change
  }
}

extension Value {
  /// a b^T for right sides [b..., n, k], added up over the batch where the matrix `like` is shared by it.
  fileprivate static func products(_ a: Value, _ b: Value, like matrix: Value) -> Value {
    guard matrix.shape.rank == 2, a.shape.rank > 2 else { return .matmul(a, b, transposeB: true) }
    // One product over all right sides instead of one for each member of the batch.
    func columns(_ x: Value) -> Value {
      let n = x.shape[x.shape.rank - 2]
      return x.matrixTranspose.reshaped(to: [x.shape.count / n, n])
    }
    return .matmul(columns(a), columns(b), transposeA: true)
  }

  /// The sum over batch axes that `operand` has not.
  fileprivate func summed(to operand: Value) -> Value {
    sum(axes: Array(0..<shape.rank - operand.shape.rank))
  }

  /// The elements that a triangular system looks at.
  fileprivate func part(_ triangle: Triangle) -> Value {
    weighted { row, column in
      if row == column { return triangle.hasUnitDiagonal ? 0 : 1 }
      return (row > column) == triangle.isLower ? 1 : 0
    }
  }

  fileprivate var lowerWithHalfDiagonal: Value {
    weighted { $0 > $1 ? 1 : $0 == $1 ? 0.5 : 0 }
  }

  /// Element (i, j) over w(j) - w(i); 0 on the diagonal and between equal eigenvalues w [b..., n].
  fileprivate func overGaps(_ w: Value) -> Value {
    let rank = shape.rank
    let gaps = w.spread(along: [rank - 2], to: shape) - w.spread(along: [rank - 1], to: shape)
    let isEqual = Value.elementwise(.equal, gaps, gaps.splat(0))
    return .select(isEqual, splat(0), self / .select(isEqual, gaps.splat(1), gaps))
  }
}
