import AllocationCounter
import NODECore
import Testing

@testable import ProgramFuzzing

/// The public functions of linear algebra: shapes, batches and what they compute. Residuals of the kernels are tested with them.
@Suite struct LinearAlgebraTests {
  /// Random matrices near 3 times the identity.
  private func matrices(_ shape: Shape, seed: UInt64 = 1) -> Tensor<Double> {
    let n = shape[shape.rank - 1]
    return Tensor.uniform(shape: shape, key: RandomKey(seed: seed)) + Tensor.identityMatrix(n) * 3
  }

  private func expectClose(
    _ a: Tensor<Double>, _ b: Tensor<Double>, _ bound: Double = 1e-12,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(a.shape == b.shape, sourceLocation: sourceLocation)
    #expect(difference(a.scalars, b.scalars) < bound, sourceLocation: sourceLocation)
  }

  /// Matrices, right side, and the columns that the right side is.
  @Test(arguments: [1, 2, 5, 8, 9, 17])
  func rightSidesOfEveryForm(_ n: Int) {
    let forms: [(a: Shape, b: Shape, isVector: Bool)] = [
      ([n, n], [n], true), ([n, n], [n, 2], false), ([4, n, n], [4, n], true),
      ([4, n, n], [4, n, 2], false),
      ([n, n], [4, n, 1], false), ([4, n, n], [n], true), ([2, 3, n, n], [2, 3, n], true),
      ([2, 1, n, n], [2, 3, n, 2], false),
    ]
    for form in forms {
      let a = matrices(form.a), b = Tensor<Double>.uniform(shape: form.b, key: RandomKey(seed: 2))
      func product(_ x: Tensor<Double>) -> Tensor<Double> {
        form.isVector ? matmul(a, x.expandingShape(at: -1)).squeezed(axes: -1) : matmul(a, x)
      }
      func check(_ x: Tensor<Double>) {
        let residual = product(x)
        expectClose(residual, b.broadcast(to: residual.shape))
      }
      check(solve(a, b))
      // The same through QR factors.
      check(leastSquares(a, b))
      let triangle = a * Tensor(lower(n))
      let y = triangularSolve(a, b)
      expectClose(
        form.isVector ? matmul(triangle, y.expandingShape(at: -1)).squeezed(axes: -1) : matmul(triangle, y),
        b.broadcast(to: y.shape))
    }
  }

  private func lower(_ n: Int) -> [[Double]] { (0..<n).map { i in (0..<n).map { $0 <= i ? 1 : 0 } } }

  @Test(arguments: [1, 3, 8, 12])
  func inversesAndDeterminants(_ n: Int) {
    let a = matrices([4, n, n]), one = Tensor<Double>.identityMatrix(n)
    expectClose(matmul(inverse(a), a), one.broadcast(to: [4, n, n]))
    let (sign, logarithm) = logAbsDeterminant(a)
    expectClose(determinant(a), sign * exp(logarithm))
    expectClose(determinant(matmul(a, a)), determinant(a) * determinant(a), 1e-10)
    let spd = matmul(a, a, transposeB: true)
    expectClose(logDeterminant(spd), logarithm * 2, 1e-11)
    let l = cholesky(spd), b = Tensor<Double>.uniform(shape: [4, n], key: RandomKey(seed: 3))
    expectClose(choleskySolve(l, b), solve(spd, b), 1e-10)
    let (values, vectors) = symmetricEigen(spd)
    expectClose(matmul(spd, vectors), vectors * values.expandingShape(at: 1), 1e-10)
    // Exchanged rows change the sign.
    if n > 1 { expectClose(logAbsDeterminant(a.reversed(axes: 1)).sign, sign * (n / 2 % 2 == 0 ? 1 : -1)) }
  }

  @Test func leastSquaresIsOrthogonalToTheColumns() {
    for (m, n) in [(5, 2), (40, 3), (60, 12)] {
      let a = Tensor<Double>.uniform(shape: [3, m, n], key: RandomKey(seed: 4))
      let b = Tensor<Double>.uniform(shape: [3, m, 2], key: RandomKey(seed: 5))
      let residual = matmul(a, leastSquares(a, b)) - b
      expectClose(matmul(a, residual, transposeA: true), .zeros([3, n, 2]), 1e-11)
    }
  }

  @Test func floatsWork() {
    let a = matrices([5, 4, 4]).converted(to: Float.self)
    let b = Tensor<Float>.uniform(shape: [5, 4], key: RandomKey(seed: 6))
    let x = solve(a, b)
    let residual = matmul(a, x.expandingShape(at: -1)).squeezed(axes: -1) - b
    #expect(residual.scalars.allSatisfy { abs($0) < 1e-6 })
    let gradient = gradient(at: a) { logAbsDeterminant($0).logarithm.sum() }
    let expected = inverse(a).transposed()
    #expect(zip(gradient.scalars, expected.scalars).allSatisfy { abs($0 - $1) < 1e-6 })
  }

  /// Third derivatives, through rules that were differentiated twice.
  @Test func derivativesOfThirdOrder() throws {
    let primitives: [Primitive] = [
      .luSolve, .luDeterminant, .cholesky, .triangularSolve, .qr, .symmetricEigen,
    ]
    for primitive in primitives {
      let check = primitive.cases[0]
      let report = try check.check(order: 3, tolerance: 1e-7)
      #expect(report.passed, "\(check): \(report)")
    }
  }

  /// Functions that treat equal eigenvalues alike do not see which eigenvectors were chosen; terms of eigenvectors between
  /// equal eigenvalues are left out, not infinite.
  @Test func repeatedEigenvaluesHaveFiniteDerivatives() {
    let a = Tensor<Double>([[2, 0, 0], [0, 2, 0], [0, 0, 5]])
    let squares = gradient(at: a) { x in
      let w = symmetricEigen(x).values
      return (w * w).sum()
    }
    expectClose(squares, a * 2)
    // a -> a through its factors: the derivative is the symmetric part of the weights, but for the left-out pair.
    let weights = Tensor<Double>([[0.3, -1, 2], [0.5, 0.7, 1], [-2, 4, 0.1]])
    let rebuilt = gradient(at: a) { x in
      let (w, v) = symmetricEigen(x)
      return (matmul(v * w, v, transposeB: true) * weights).sum()
    }
    expectClose(rebuilt, Tensor([[0.3, 0, 0], [0, 0.7, 2.5], [0, 2.5, 0.1]]))
  }

  @Test func matricesWithoutAFactorGiveNaN() {
    let a = Tensor<Double>(
      [[[4, 2], [2, 5]], [[1, 2], [2, 1]], [[9, 0], [0, 1]]].flatMap { $0.flatMap { $0 } }, shape: [3, 2, 2])
    let l = cholesky(a).scalars
    #expect(l[..<4] == [2, 0, 1, 2] && l[4..<8].allSatisfy(\.isNaN) && l[8...] == [3, 0, 0, 1])
    #expect(logDeterminant(a).scalars.map(\.isNaN) == [false, true, false])
    let singular = Tensor<Double>([[1, 2], [2, 4]])
    #expect(solve(singular, Tensor<Double>([1, 1])).scalars.allSatisfy { !$0.isFinite })
    #expect(determinant(singular).scalar == 0)
    #expect(logAbsDeterminant(singular).logarithm.scalar == -.infinity)
  }

  @Test(
    .enabled(if: allocation_count() >= 0, "allocations are not counted here"),
    .disabled(
      if: isUnoptimised, "without optimisation closures and generic code keep their variables on the heap"),
    arguments: [4, 17])
  func aRunAllocatesNothingAfterTheFirst(_ n: Int) throws {
    let a = Graph.input("a", TensorType(.float64, [12, n, n])),
      b = Graph.input("b", TensorType(.float64, [12, n, 2]))
    let spd =
      Value.matmul(a, a, transposeB: true)
      + Value.identityMatrix(n, .float64).broadcast(to: a.shape, axes: [1, 2])
    let eigen = Graph.node(.matrix(.symmetricEigen), [spd]), qr = Graph.node(.matrix(.qr), [a])
    let outputs =
      [FactoredMatrix(a).solve(b), Graph.one(.matrix(.cholesky), [spd])] + eigen + qr
    let program = try Program.compile(inputs: [a, b], outputs: outputs)
    let inputs = [a, b].map { Storage(spreadOut($0.shape).elements) }
    let results = program.outputTypes.map { type in Storage(byteCount: type.byteCount) { _ in } }
    let (read, written) = (inputs.map { UnsafeRawPointer($0.pointer) }, results.map(\.pointer))
    try withExtendedLifetime((inputs, results)) {
      for threads in [1, 2] {
        try withThreads(threads) {
          for _ in 0..<3 { try program.run(inputs: read, outputs: written) }
          let before = allocation_count()
          for _ in 0..<20 { try program.run(inputs: read, outputs: written) }
          #expect(allocation_count() == before, "\(threads) threads")
        }
      }
    }
  }
}

extension Value {
  /// The elements of a constant in Double.
  fileprivate var elements: [Double] {
    guard case .constant(let storage) = node.operation else { return [] }
    return storage.array(of: Double.self, count: shape.count)
  }
}
