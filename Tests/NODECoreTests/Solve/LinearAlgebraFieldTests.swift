import Foundation
import NODECore
import Testing

@testable import ProgramFuzzing

/// Linear algebra inside of vector fields: a system for each lane at each evaluation.
@Suite struct LinearAlgebraFieldTests {
  static let lanes = 7

  /// y' = -A(y)^-1 y with A(y) = y y^T + B + 2 for the captured B.
  private func solution(_ y0: Tensor<Double>, _ b: Tensor<Double>) throws -> Tensor<Double> {
    let n = y0.shape[1]
    return try odeint(
      from: y0, at: [0, 1], method: .tsit5, controller: .fixed(stepsPerInterval: 12)
    ) { _, y in
      let column = y.expandingShape(at: -1)
      let a = matmul(column, column, transposeB: true) + b + Tensor.identityMatrix(n) * 2
      return -solve(a, y)
    }.final
  }

  @Test(arguments: [2, 4, 9])
  func gradientsOfSystemsInTheField(_ n: Int) throws {
    let y0 = Tensor<Double>.uniform(shape: [Self.lanes, n], key: RandomKey(seed: 1))
    let b = Tensor<Double>.uniform(shape: [n, n], key: RandomKey(seed: 2)) * 0.3
    func loss(_ x: [Tensor<Double>]) throws -> Tensor<Double> {
      let final = try solution(x[0], x[1])
      return (final * final).sum()
    }
    try checkGradient(of: loss, at: [y0, b], order: n == 2 ? 2 : 1).verify()
  }

  /// A lane's bits are those that it has alone, with any number of threads.
  @Test(arguments: [3, 9])
  func lanesAreIndependent(_ n: Int) throws {
    let y0 = Tensor<Double>.uniform(shape: [40, n], key: RandomKey(seed: 3))
    let b = Tensor<Double>.uniform(shape: [n, n], key: RandomKey(seed: 4)) * 0.3
    let whole = try solution(y0, b).scalars
    #expect(try withThreads(2) { try solution(y0 * 1, b).scalars } == whole)
    for lane in [0, 13, 39] {
      let alone = try solution(Tensor(Array(y0.scalars[lane * n..<(lane + 1) * n]), shape: [1, n]), b).scalars
      // One lane may run as a whole tensor: its sums are the same, in the same order.
      #expect(alone == Array(whole[lane * n..<(lane + 1) * n]), "lane \(lane)")
    }
  }

  /// The double pendulum with unit masses and lengths, from its Lagrangian alone: q'' = (d2L/dv2)^-1 (dL/dq - d2L/dvdq v),
  /// one Hessian and one system for each lane.
  @Test func aLagrangianField() throws {
    @Sendable func lagrangian(_ q: Tensor<Double>, _ v: Tensor<Double>) -> Tensor<Double> {
      let (q1, q2, v1, v2) = (q[0..., 0], q[0..., 1], v[0..., 0], v[0..., 1])
      return v1 * v1 + v2 * v2 * 0.5 + v1 * v2 * cos(q1 - q2) + (cos(q1) * 2 + cos(q2)) * 9.81
    }
    @Sendable func acceleration(_ q: Tensor<Double>, _ v: Tensor<Double>) -> Tensor<Double> {
      func momentum(_ q: Tensor<Double>, _ v: Tensor<Double>) -> Tensor<Double> {
        gradient(at: v) { lagrangian(q, $0).sum() }
      }
      let mass = Tensor.stacked(
        (0..<2).map { axis in
          let direction = Tensor<Double>(axis == 0 ? [1, 0] : [0, 1]).broadcast(to: v.shape)
          return jvp(at: v, along: direction) { momentum(q, $0) }.tangent
        }, axis: 2)
      let drift = jvp(at: q, along: v) { momentum($0, v) }.tangent
      return solve(mass, gradient(at: q) { lagrangian($0, v).sum() } - drift)
    }
    let lanes = 5
    let q = Tensor<Double>.uniform(shape: [lanes, 2], key: RandomKey(seed: 5)) * 2
    let v = Tensor<Double>.uniform(shape: [lanes, 2], key: RandomKey(seed: 6)) * 3
    let found = acceleration(q, v).scalars
    for lane in 0..<lanes {
      // Equations of motion in closed form (Murray, Li and Sastry, with point masses).
      let (a, b) = (q.scalars[2 * lane], q.scalars[2 * lane + 1])
      let (va, vb) = (v.scalars[2 * lane], v.scalars[2 * lane + 1])
      let (c, s, g) = (cos(a - b), sin(a - b), 9.81)
      let right = (-vb * vb * s - 2 * g * sin(a), va * va * s - g * sin(b))
      let determinant = 2 - c * c
      #expect(abs(found[2 * lane] - (right.0 - c * right.1) / determinant) < 1e-11)
      #expect(abs(found[2 * lane + 1] - (2 * right.1 - c * right.0) / determinant) < 1e-11)
    }
    // Energy is kept by an accurate solve of all lanes.
    let state = Tensor.concatenated([q, v], axis: 1)
    let path = try odeint(from: state, at: [0, 1], rtol: 1e-10, atol: 1e-10) { _, y in
      let q = y.sliced(0..<2, axis: 1), v = y.sliced(2..<4, axis: 1)
      return Tensor.concatenated([v, acceleration(q, v)], axis: 1)
    }
    func energy(_ y: Tensor<Double>) -> [Double] {
      let q = y.sliced(0..<2, axis: 1), v = y.sliced(2..<4, axis: 1)
      let potential = (cos(q[0..., 0]) * 2 + cos(q[0..., 1])) * 9.81
      return (lagrangian(q, v) - potential * 2).scalars
    }
    #expect(difference(energy(path.final), energy(state)) < 1e-7)
  }
}
