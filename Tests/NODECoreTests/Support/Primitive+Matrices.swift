import NODECore

extension Primitive {
  /// Linear algebra on matrices that are far from singular: own kernels and LAPACK, batches, shared operands.
  var matrixCases: [DerivativeCase] {
    // Matrices and right sides; [] is one for the whole batch.
    let pairs: [(Shape, Shape)] = [
      ([3, 3], [3, 2]), ([2, 3, 3], [2, 3, 1]), ([3, 3], [2, 3, 2]), ([2, 3, 3], [3, 2]), ([1, 1], [1, 1]),
      ([9, 9], [9, 2]), ([2, 9, 9], [2, 9, 1]),
    ]
    let squares: [Shape] = [[3, 3], [2, 2, 2, 2], [1, 1], [2, 9, 9]]
    switch self {
    case .luFactors:
      return [one("", [[3, 3], [3, 1]]) { x in FactoredMatrix(x[0].regular).solve(x[1]) }]
    case .luSolve:
      return [false, true].flatMap { transposed in
        pairs.map { a, b in
          one("\(a) \(b) transposed \(transposed)", [a, b]) { x in
            FactoredMatrix(x[0].regular).solve(x[1], transposed: transposed)
          }
        }
      }
    case .luDeterminant:
      return squares.map { a in
        one("\(a)", [a]) { x in
          let results = FactoredMatrix(x[0].regular).determinant
          return [results.value, results.logMagnitude, results.sign * results.logMagnitude]
        }
      }
    case .cholesky:
      return squares.map { a in one("\(a)", [a]) { x in Graph.one(.matrix(.cholesky), [x[0].regular]) } }
    case .triangularSolve:
      return [false, true].flatMap { isLower in
        [false, true].flatMap { isTransposed in
          pairs.enumerated().map { index, pair in
            let triangle = Triangle(
              isLower: isLower, isTransposed: isTransposed, hasUnitDiagonal: index % 2 == 1)
            return one("\(pair) \(triangle)", [pair.0, pair.1]) { x in
              Graph.one(.matrix(.triangularSolve(triangle)), [x[0].regular, x[1]])
            }
          }
        }
      }
    case .qr:
      return ([[3, 3], [2, 4, 2], [1, 1], [5, 1], [12, 9]] as [Shape]).map { a in
        one("\(a)", [a]) { x in Graph.node(.matrix(.qr), [x[0].regular]) }
      }
    case .symmetricEigen:
      return squares.map { a in
        one("\(a)", [a]) { x in
          let n = a[a.rank - 1]
          // Eigenvalues apart, so that eigenvectors are smooth; distinct elements, so that their largest one is.
          let spread = Graph.constant((0..<n * n).map { $0 % (n + 1) == 0 ? Double($0 / n * 2) : 0 }, [n, n])
          return Graph.node(
            .matrix(.symmetricEigen), [x[0] * 0.3 + spread.broadcast(to: a, axes: [a.rank - 2, a.rank - 1])])
        }
      }
    default: preconditionFailure("\(self) is no linear algebra")
    }
  }
}

extension Value {
  /// Matrices near a multiple of the identity: invertible, of full rank, with a positive definite symmetric part.
  fileprivate var regular: Value {
    let m = shape[shape.rank - 2], n = shape[shape.rank - 1]
    let diagonal = Graph.constant((0..<m * n).map { $0 / n == $0 % n ? 0.5 * Double(n + 1) : 0 }, [m, n])
    return self * 0.2 + diagonal.broadcast(to: shape, axes: [shape.rank - 2, shape.rank - 1])
  }
}
