/// Dense linear algebra on every matrix of a batch, leading axes being the batch; see nk_matrix for the conventions.
///
/// Numerical failure is a value: results of a matrix that is singular, not positive definite or not finite are not
/// finite, those of its neighbours do not change.
package enum MatrixOperation: Sendable, Hashable {
  /// a [b..., n, n] -> factors [b..., n, n] and pivots int32 [b..., n] of a P = L U. Not differentiable: what reads the
  /// factors takes `a` too, and is differentiated as a function of `a`.
  case luFactors
  /// a, factors, pivots, right side [b..., n, k] -> a^-1 times the right side (its transpose's inverse). The kernel does
  /// without `a`.
  case luSolve(transposed: Bool)
  /// a, factors, pivots -> determinant [b...], log|determinant|, sign. The kernel does without `a`.
  case luDeterminant
  /// a [b..., n, n] -> lower L of the symmetric part L L^T.
  case cholesky
  /// t [b..., n, n], right side [b..., n, k] -> x [b..., n, k].
  case triangularSolve(Triangle)
  /// a [b..., m, n], m >= n -> Q [b..., m, n], R [b..., n, n] with a diagonal that is not negative.
  case qr
  /// a [b..., n, n] -> ascending eigenvalues [b..., n] and eigenvectors, in columns, of the symmetric part.
  case symmetricEigen

  /// The last operand is a right side; either of it and the matrix may be one for the whole batch.
  package var hasRightSide: Bool {
    switch self {
    case .luSolve, .triangularSolve: true
    case .luFactors, .luDeterminant, .cholesky, .qr, .symmetricEigen: false
    }
  }

  /// Operands that the kernel reads: the factored matrix itself is not among them.
  package var kernelOperands: Int {
    switch self {
    case .luSolve: 3
    case .luDeterminant, .triangularSolve: 2
    case .luFactors, .cholesky, .qr, .symmetricEigen: 1
    }
  }
}

/// Which half of a square matrix a triangular system has, and in which form. The other half is not looked at.
package struct Triangle: Sendable, Hashable {
  package var isLower: Bool
  /// The system of the transposed triangle.
  package var isTransposed: Bool
  /// The diagonal is taken as ones and not looked at.
  package var hasUnitDiagonal: Bool

  package init(isLower: Bool, isTransposed: Bool = false, hasUnitDiagonal: Bool = false) {
    self.isLower = isLower
    self.isTransposed = isTransposed
    self.hasUnitDiagonal = hasUnitDiagonal
  }

  package var transposed: Triangle {
    Triangle(isLower: isLower, isTransposed: !isTransposed, hasUnitDiagonal: hasUnitDiagonal)
  }
}

/// One instruction of it: buffers in the order of nk_program.h, extents of one lane.
package struct MatrixCall: Sendable, Hashable {
  package var operation: MatrixOperation
  package var inputs: [BufferID]
  package var outputs: [BufferID]
  package var matricesPerLane: Int
  /// The matrix is [m, n] (square but for `qr`), the right side [n, k].
  package var m: Int, n: Int, k: Int
  /// One matrix, one right side, for the whole batch.
  package var sharesMatrix: Bool, sharesRightSide: Bool

  package init(
    _ operation: MatrixOperation, inputs: [BufferID], outputs: [BufferID], matricesPerLane: Int, m: Int,
    n: Int, k: Int, sharesMatrix: Bool, sharesRightSide: Bool
  ) {
    self.operation = operation
    self.inputs = inputs
    self.outputs = outputs
    self.matricesPerLane = matricesPerLane
    self.m = m
    self.n = n
    self.k = k
    self.sharesMatrix = sharesMatrix
    self.sharesRightSide = sharesRightSide
  }

  /// One operand or result: its elements for one matrix, and whether they are pivots.
  struct Piece {
    var name: String, buffer: BufferID, elements: Int
    var isPivots = false
    var isShared = false
  }

  /// Operands, then results, in the order of `inputs` and `outputs`.
  var pieces: (inputs: [Piece], outputs: [Piece]) {
    func matrix(_ name: String, _ buffer: BufferID) -> Piece {
      Piece(name: name, buffer: buffer, elements: m * n)
    }
    func square(_ name: String, _ buffer: BufferID) -> Piece {
      Piece(name: name, buffer: buffer, elements: n * n, isShared: sharesMatrix)
    }
    func pivots(_ buffer: BufferID) -> Piece {
      Piece(name: "pivots", buffer: buffer, elements: n, isPivots: true, isShared: sharesMatrix)
    }
    func right(_ name: String, _ buffer: BufferID, isShared: Bool) -> Piece {
      Piece(name: name, buffer: buffer, elements: n * k, isShared: isShared)
    }
    func number(_ name: String, _ buffer: BufferID, _ elements: Int = 1) -> Piece {
      Piece(name: name, buffer: buffer, elements: elements)
    }
    let (x, y) = (inputs, outputs)
    switch operation {
    case .luFactors: return ([matrix("a", x[0])], [matrix("factors", y[0]), pivots(y[1])])
    case .luSolve:
      return (
        [square("factors", x[0]), pivots(x[1]), right("right side", x[2], isShared: sharesRightSide)],
        [right("output", y[0], isShared: false)]
      )
    case .luDeterminant:
      return (
        [square("factors", x[0]), pivots(x[1])],
        [number("determinant", y[0]), number("log", y[1]), number("sign", y[2])]
      )
    case .cholesky: return ([matrix("a", x[0])], [matrix("output", y[0])])
    case .triangularSolve:
      return (
        [square("triangle", x[0]), right("right side", x[1], isShared: sharesRightSide)],
        [right("output", y[0], isShared: false)]
      )
    case .qr: return ([matrix("a", x[0])], [matrix("q", y[0]), square("r", y[1])])
    case .symmetricEigen:
      return ([matrix("a", x[0])], [number("values", y[0], n), matrix("vectors", y[1])])
    }
  }

  /// Multiplications and additions for one lane, leading terms (Golub and Van Loan, Matrix Computations).
  var flopsPerLane: Int {
    let one: Int
    switch operation {
    case .luFactors: one = max(2 * n * n * n / 3, 1)
    case .luSolve: one = 2 * n * n * k
    case .luDeterminant: one = 2 * n
    case .cholesky: one = max(n * n * n / 3, 1)
    case .triangularSolve: one = n * n * k
    case .qr: one = 4 * m * n * n - 4 * n * n * n / 3
    case .symmetricEigen: one = 9 * n * n * n
    }
    return matricesPerLane * one
  }
}
