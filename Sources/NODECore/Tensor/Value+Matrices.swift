// Linear algebra on untyped values: matrices with their factors, triangles, diagonals.

/// A matrix [b..., n, n] with its LU factors, computed once for all that reads them: solves with it and with its transpose,
/// its determinant, and the derivatives of those.
package struct FactoredMatrix {
  let matrix: Value, factors: Value, pivots: Value

  package init(_ matrix: Value) {
    let results = Graph.node(.matrix(.luFactors), [matrix])
    (self.matrix, factors, pivots) = (matrix, results[0], results[1])
  }

  init(matrix: Value, factors: Value, pivots: Value) {
    (self.matrix, self.factors, self.pivots) = (matrix, factors, pivots)
  }

  /// x [b..., n, k] with matrix x = b (its transpose x = b). A right side of rank 2 is shared by the batch, and so is a
  /// matrix of rank 2.
  package func solve(_ b: Value, transposed: Bool = false) -> Value {
    Graph.one(.matrix(.luSolve(transposed: transposed)), [matrix, factors, pivots, b])
  }

  /// The inverse (of the transpose).
  package func inverse(transposed: Bool = false) -> Value {
    solve(.identityMatrix(matrix.shape[matrix.shape.rank - 1], matrix.dtype), transposed: transposed)
  }

  /// Determinant, log of its magnitude, its sign; [b...] each.
  package var determinant: (value: Value, logMagnitude: Value, sign: Value) {
    let results = Graph.node(.matrix(.luDeterminant), [matrix, factors, pivots])
    return (results[0], results[1], results[2])
  }
}

extension Value {
  package static func identityMatrix(_ n: Int, _ dtype: DType) -> Value {
    Graph.constant("identityMatrix", dtype, Shape([n, n], for: "identityMatrix")) {
      $0 % (n + 1) == 0 ? 1 : 0
    }
  }

  private static func table(_ numbers: [Double], _ n: Int, _ dtype: DType) -> Value {
    dtype == .float32 ? Graph.constant(numbers.map { Float($0) }, [n, n]) : Graph.constant(numbers, [n, n])
  }

  /// The last two axes exchanged.
  package var matrixTranspose: Value {
    let rank = shape.rank
    return permuted(to: Array(0..<rank - 2) + [rank - 1, rank - 2])
  }

  /// (x + x^T) / 2.
  package var symmetricPart: Value { (self + matrixTranspose) * 0.5 }

  /// Elements of square matrices times a weight for each row and column; zero, whatever the element, where that is 0.
  func weighted(_ weight: (Int, Int) -> Double) -> Value {
    let rank = shape.rank, n = shape[rank - 1]
    let all = (0..<n * n).map { weight($0 / n, $0 % n) }
    let table = Value.table(all, n, dtype).broadcast(to: shape, axes: [rank - 2, rank - 1])
    let scaled = all.allSatisfy { $0 == 0 || $0 == 1 } ? self : self * table
    return .select(table, scaled, splat(0))
  }

  /// [b..., n, n] -> [b..., n].
  package var diagonal: Value {
    let batch = Array(shape.dimensions.dropLast(2)), n = shape[shape.rank - 1]
    let flat = reshaped(to: Shape(batch + [n * n]))
    return flat.sliced(
      start: Array(repeating: 0, count: batch.count + 1), limit: batch + [n * n],
      step: Array(repeating: 1, count: batch.count) + [n + 1])
  }

  func triangularSolve(_ triangle: Triangle, _ b: Value) -> Value {
    Graph.one(.matrix(.triangularSolve(triangle)), [self, b])
  }
}
