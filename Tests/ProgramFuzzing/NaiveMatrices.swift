import Foundation
import NODECore

/// A matrix in Double, by the textbook.
struct NaiveMatrix {
  let rows: Int, columns: Int
  var elements: [Double]

  init(_ rows: Int, _ columns: Int, _ elements: [Double]) {
    precondition(elements.count == rows * columns)
    (self.rows, self.columns, self.elements) = (rows, columns, elements)
  }

  init(_ rows: Int, _ columns: Int, element: (Int, Int) -> Double) {
    self.init(rows, columns, (0..<rows * columns).map { element($0 / columns, $0 % columns) })
  }

  subscript(i: Int, j: Int) -> Double {
    get { elements[i * columns + j] }
    set { elements[i * columns + j] = newValue }
  }

  var transposed: NaiveMatrix { NaiveMatrix(columns, rows) { self[$1, $0] } }
  var symmetricPart: NaiveMatrix { NaiveMatrix(rows, rows) { (self[$0, $1] + self[$1, $0]) / 2 } }

  static func * (a: NaiveMatrix, b: NaiveMatrix) -> NaiveMatrix {
    NaiveMatrix(a.rows, b.columns) { i, j in (0..<a.columns).reduce(0) { $0 + a[i, $1] * b[$1, j] } }
  }

  static func - (a: NaiveMatrix, b: NaiveMatrix) -> NaiveMatrix {
    NaiveMatrix(a.rows, a.columns, zip(a.elements, b.elements).map(-))
  }

  /// The largest magnitude; NaN where there is one.
  var norm: Double { elements.reduce(0) { $1.isNaN || $1.magnitude > $0 ? $1.magnitude : $0 } }

  /// Gauss-Jordan elimination with row exchanges: the solution, and the determinant.
  func solve(_ b: NaiveMatrix) -> (x: NaiveMatrix, determinant: Double) {
    var a = self, x = b, determinant = 1.0
    for k in 0..<rows {
      let pivot = (k..<rows).max { a[$0, k].magnitude < a[$1, k].magnitude }!
      if pivot != k {
        determinant = -determinant
        for j in 0..<columns { (a[k, j], a[pivot, j]) = (a[pivot, j], a[k, j]) }
        for j in 0..<x.columns { (x[k, j], x[pivot, j]) = (x[pivot, j], x[k, j]) }
      }
      determinant *= a[k, k]
      for i in 0..<rows where i != k {
        let factor = a[i, k] / a[k, k]
        for j in k..<columns { a[i, j] -= factor * a[k, j] }
        for j in 0..<x.columns { x[i, j] -= factor * x[k, j] }
      }
    }
    return (NaiveMatrix(rows, x.columns) { x[$0, $1] / a[$0, $0] }, determinant)
  }

  /// Of a symmetric positive definite matrix.
  var cholesky: NaiveMatrix {
    var l = NaiveMatrix(rows, rows) { _, _ in 0 }
    for i in 0..<rows {
      for j in 0...i {
        let rest = self[i, j] - (0..<j).reduce(0) { $0 + l[i, $1] * l[j, $1] }
        l[i, j] = i == j ? rest.squareRoot() : rest / l[j, j]
      }
    }
    return l
  }

  /// Gram-Schmidt, twice.
  var qr: (q: NaiveMatrix, r: NaiveMatrix) {
    var q = self, r = NaiveMatrix(columns, columns) { _, _ in 0 }
    for j in 0..<columns {
      for _ in 0..<2 {
        for k in 0..<j {
          let product = (0..<rows).reduce(0) { $0 + q[$1, k] * q[$1, j] }
          r[k, j] += product
          for i in 0..<rows { q[i, j] -= product * q[i, k] }
        }
      }
      r[j, j] = (0..<rows).reduce(0) { $0 + q[$1, j] * q[$1, j] }.squareRoot()
      for i in 0..<rows { q[i, j] /= r[j, j] }
    }
    return (q, r)
  }

  /// Jacobi's method: ascending eigenvalues, eigenvectors in columns with a positive largest component.
  var eigen: (values: [Double], vectors: NaiveMatrix) {
    var a = self, v = NaiveMatrix(rows, rows) { $0 == $1 ? 1 : 0 }
    for _ in 0..<60 {
      for p in 0..<rows {
        for q in p + 1..<max(rows, p + 1) where a[p, q] != 0 {
          let angle = 0.5 * atan2(2 * a[p, q], a[q, q] - a[p, p])
          let rotation = NaiveMatrix(rows, rows) { i, j in
            if i == j { return i == p || i == q ? cos(angle) : 1 }
            return (i, j) == (p, q) ? sin(angle) : (i, j) == (q, p) ? -sin(angle) : 0
          }
          a = rotation.transposed * a * rotation
          (a[p, q], a[q, p]) = (0, 0)
          v = v * rotation
        }
      }
    }
    let order = (0..<rows).sorted { a[$0, $0] < a[$1, $1] }
    let signs = order.map { column in
      (0..<rows).map { v[$0, column] }.max { $0.magnitude < $1.magnitude }! < 0 ? -1.0 : 1
    }
    return (order.map { a[$0, $0] }, NaiveMatrix(rows, rows) { v[$0, order[$1]] * signs[$1] })
  }

  func part(_ triangle: Triangle) -> NaiveMatrix {
    let kept = NaiveMatrix(rows, rows) { i, j in
      if i == j { return triangle.hasUnitDiagonal ? 1 : self[i, j] }
      return (i > j) == triangle.isLower ? self[i, j] : 0
    }
    return triangle.isTransposed ? kept.transposed : kept
  }
}

/// Linear algebra on batches, for the interpreter. Solves and determinants are those of the matrix itself, not of its factors.
enum NaiveMatrices {
  static func evaluate(
    _ operation: MatrixOperation, _ x: [[Double]], _ types: [TensorType], _ results: [TensorType]
  ) -> [[Double]] {
    let a = types[0].shape, b = types[types.count - 1].shape
    let isShared = operation.hasRightSide && a.rank == 2, sharesRight = operation.hasRightSide && b.rank == 2
    let batch = (isShared ? b : a).dimensions.dropLast(2).reduce(1, *)
    func matrix(_ operand: Int, _ shape: Shape, _ index: Int) -> NaiveMatrix {
      let rows = shape[shape.rank - 2], columns = shape[shape.rank - 1]
      return NaiveMatrix(
        rows, columns, Array(x[operand][index * rows * columns..<(index + 1) * rows * columns]))
    }
    var collected: [[Double]] = results.map { _ in [] }
    for index in 0..<batch {
      let m = matrix(0, a, isShared ? 0 : index)
      let right = operation.hasRightSide ? matrix(x.count - 1, b, sharesRight ? 0 : index) : m
      for (place, piece) in one(operation, m, right).enumerated() { collected[place] += piece }
    }
    return collected
  }

  private static func one(_ operation: MatrixOperation, _ a: NaiveMatrix, _ b: NaiveMatrix) -> [[Double]] {
    switch operation {
    case .luFactors:
      // Nothing here reads them.
      return [a.elements, Array(repeating: 0, count: a.rows)]
    case .luSolve(let transposed): return [(transposed ? a.transposed : a).solve(b).x.elements]
    case .luDeterminant:
      let determinant = a.solve(a).determinant
      return [[determinant], [log(determinant.magnitude)], [determinant < 0 ? -1 : determinant > 0 ? 1 : 0]]
    case .cholesky: return [a.symmetricPart.cholesky.elements]
    case .triangularSolve(let triangle): return [a.part(triangle).solve(b).x.elements]
    case .qr: return [a.qr.q.elements, a.qr.r.elements]
    case .symmetricEigen:
      let eigen = a.symmetricPart.eigen
      return [eigen.values, eigen.vectors.elements]
    }
  }
}
