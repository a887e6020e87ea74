import Foundation
import NODECore
import Testing

/// Ways of solving with a mass matrix, near to and at singular ones.
@Suite struct MassMatrixSolverTests {
  private func matrices(_ eigenvalues: [[Double]], seed: UInt64) -> Tensor<Double> {
    let n = eigenvalues[0].count
    let q = qr(Tensor<Double>.normal(shape: [eigenvalues.count, n, n], key: RandomKey(seed: seed))).q
    return matmul(q * Tensor(eigenvalues).expandingShape(at: 1), q, transposeB: true)
  }

  /// The bound that the documentation states, on both sides of zero and at it.
  @Test func dampingBoundsAccelerations() {
    let smallest = [-1e-2, -1e-6, 0, 1e-6, 1e-2]
    let h = matrices(smallest.map { [$0, 1, -3] }, seed: 1)
    let b = Tensor<Double>.normal(shape: [5, 3], key: RandomKey(seed: 2))
    let x = MassMatrixSolver.damped(epsilon: 1e-2)(h, b)
    let ratios = (square(x).sum(axes: 1) / square(b).sum(axes: 1)).scalars
    #expect(ratios.allSatisfy { $0 <= 50 * 50 * (1 + 1e-9) }, "\(ratios)")
    // Where nothing is near to singular it is the solution, up to ε² / h².
    let sound = matrices([[2, 1, -3]], seed: 3)
    let difference = abs(
      MassMatrixSolver.damped(epsilon: 1e-4)(sound, b[0..<1]) - MassMatrixSolver.lu(sound, b[0..<1]))
    #expect(difference.scalars.allSatisfy { $0 < 1e-7 })
  }

  /// The four conditions of Moore and Penrose, by columns of the identity.
  @Test func thePseudoInverseIsOne() {
    let h = matrices([[0, 0, 2], [0, -1, 1], [1, 1, 1], [0, 0, 0]], seed: 4)
    let columns = (0..<3).map { column in
      let unit = Tensor<Double>.identityMatrix(3)[column].broadcast(to: [4, 3])
      return MassMatrixSolver.pseudoInverse(cutoff: 1e-8)(h, unit)
    }
    let p = Tensor.stacked(columns, axis: 2)
    for (a, b) in [
      (matmul(h, matmul(p, h)), h), (matmul(p, matmul(h, p)), p), (matmul(h, p).transposed(), matmul(h, p)),
      (matmul(p, h).transposed(), matmul(p, h)),
    ] {
      #expect(zip(a.scalars, b.scalars).allSatisfy { abs($0 - $1) < 1e-10 })
    }
  }

  /// Of matrices that stay of rank 2 as their factor moves; at equal eigenvalues, where those of eigenvectors are not complete.
  @Test func derivativesOfThePseudoInverse() throws {
    let factor = qr(Tensor<Double>.normal(shape: [3, 4, 2], key: RandomKey(seed: 5))).q
    let b = Tensor<Double>.normal(shape: [3, 4], key: RandomKey(seed: 6))
    let weights = Tensor<Double>.normal(shape: [3, 4], key: RandomKey(seed: 7))
    try checkGradient(
      of: { x in
        let h = matmul(x[0], x[0], transposeB: true)
        return (MassMatrixSolver.pseudoInverse(cutoff: 1e-6)(h, x[1]) * weights).sum()
      }, at: [factor, b], order: 2
    ).verify()
  }

  /// A matrix that cannot be factored is its own row's matter.
  @Test func rowsFailAlone() {
    let h = matrices([[1, 2], [-1, 2], [3, 4]], seed: 8)
    let x = MassMatrixSolver.cholesky(h, Tensor<Double>.ones([3, 2]))
    #expect(x[1].scalars.allSatisfy { $0.isNaN })
    #expect((x[0].scalars + x[2].scalars).allSatisfy { $0.isFinite })
  }
}
