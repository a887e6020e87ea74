import Foundation
import NODECore
import Testing

/// Symplectic methods against what makes them so: order, reversibility, the symplectic form, energy over long times.
@Suite struct SymplecticTests {
  private typealias T = Tensor<Double>

  /// A driven pendulum with a velocity that is not linear and depends on time, so that no commutator vanishes by accident.
  private static func velocity(_ t: T, _ p: T) -> T { p + p * p * p * 0.2 + cos(t) * 0.3 }
  private static func force(_ t: T, _ q: T) -> T { -sin(q) - q * 0.1 + sin(t * 2.0) * 0.5 }

  private static func path(
    _ q: T, _ p: T, _ times: [Double], _ method: SymplecticMethod, _ steps: Int
  ) -> (q: T, p: T) {
    symplecticOdeint(
      from: (q, p), at: times, method: method, stepsPerInterval: steps, velocity: velocity, force: force)
  }

  @Test func ordersAreThoseOfTheLiterature() {
    let found = SymplecticMethod.all.map { "\($0) \($0.order) \($0.isSymmetric) \($0.forcesPerStep)" }
    #expect(
      found == [
        "symplecticEuler 1 false 1", "symplecticEulerAdjoint 1 false 1", "velocityVerlet 2 true 1",
        "positionVerlet 2 true 1", "ruth3 3 false 3", "forestRuth 4 true 3",
        "omelyan4 4 true 4", "yoshida6 6 true 7",
      ])
  }

  @Test(arguments: SymplecticMethod.all) func aMethodShowsItsOrder(method: SymplecticMethod) throws {
    let q = T([0.8]), p = T([0.4])
    let reference = try odeint(from: T([[0.8, 0.4]]), at: [0, 2], rtol: 1e-13, atol: 1e-13) { t, y in
      let q = y.sliced(0..<1, axis: 1), p = y.sliced(1..<2, axis: 1)
      return .concatenated([Self.velocity(t, p), Self.force(t, q)], axis: 1)
    }.final.scalars
    let counts =
      method.order < 3 ? [80, 160, 320, 640] : method.order < 5 ? [20, 40, 80, 160] : [10, 14, 20, 28]
    let errors = counts.map { steps in
      let path = Self.path(q, p, [0, 2], method, steps)
      return distance([path.q[1].scalars[0], path.p[1].scalars[0]], reference)
    }
    let order = -slope(counts.map { log(Double($0)) }, errors.map { log($0) })
    #expect(abs(order - Double(method.order)) <= 0.3, "\(method): \(order) from \(errors)")
  }

  /// Steps with saves between them, several in an interval, backward, and their first state.
  @Test(arguments: SymplecticMethod.all) func pathsAreMadeOfSteps(method: SymplecticMethod) {
    let q = T.normal(shape: [3, 2], key: RandomKey(seed: 1)),
      p = T.normal(shape: [3, 2], key: RandomKey(seed: 2))
    let path = Self.path(q, p, [0.5, 0.7, 1.1, 1.2], method, 4)
    #expect(path.q.shape == [4, 3, 2] && path.p.shape == [4, 3, 2])
    #expect(path.q[0].scalars == q.scalars && path.p[0].scalars == p.scalars)
    var state = (q: q, p: p)
    for (from, to) in [(0.5, 0.7), (0.7, 1.1), (1.1, 1.2)] {
      for step in 0..<4 {
        let a = from + (to - from) * Double(step) / 4, b = from + (to - from) * Double(step + 1) / 4
        let next = Self.path(state.q, state.p, [a, b], method, 1)
        state = (next.q[1], next.p[1])
      }
    }
    #expect(distance(path.q[3].scalars + path.p[3].scalars, state.q.scalars + state.p.scalars) < 1e-12)
    let back = Self.path(path.q[3], path.p[3], [1.2, 1.1, 0.7, 0.5], method, 4)
    let defect = distance(back.q[3].scalars + back.p[3].scalars, q.scalars + p.scalars)
    #expect(method.isSymmetric ? defect < 1e-12 : defect > 1e-9, "\(method): \(defect)")
    let one = Self.path(q, p, [2], method, 1)
    #expect(one.q.shape == [1, 3, 2] && one.q[0].scalars == q.scalars)
  }

  /// JᵀΩJ = Ω for the Jacobian of many steps with forces that couple.
  @Test(arguments: SymplecticMethod.all) func stepsAreSymplectic(method: SymplecticMethod) {
    let mixing = T.normal(shape: [2, 2], key: RandomKey(seed: 3))
    // Gradients of |tanh(M q)|² and of the sum of cosh(p).
    let jacobian = jacobian(at: T([0.3, -0.7, 0.5, 1.1]), mode: .forward) { x in
      let path = symplecticOdeint(
        from: (x[0..<2].reshaped(to: [1, 2]), x[2..<4].reshaped(to: [1, 2])), at: [0, 1], method: method,
        stepsPerInterval: 5, velocity: { _, p in (exp(p) - exp(-p)) * 0.5 },
        force: { _, q in -gradient(at: q) { square(tanh(matmul($0, mixing))).sum() } })
      return T.concatenated([path.q[1], path.p[1]], axis: 1).reshaped(to: [4])
    }
    #expect(symplecticityDefect(jacobian.scalars, size: 4) < 1e-12)
  }

  /// Kepler's orbit of eccentricity 0.5 over 60 turns: Verlet's energy error is as large at the end as at the beginning, that
  /// of a Runge-Kutta method of higher order grows.
  @Test func energyDoesNotDrift() throws {
    let force: (T, T) -> T = { _, q in
      let square = square(q).sum(axes: [1], keepingDimensions: true)
      return -q / (square * sqrt(square))
    }
    func energy(_ q: [Double], _ p: [Double]) -> Double {
      0.5 * (p[0] * p[0] + p[1] * p[1]) - 1 / (q[0] * q[0] + q[1] * q[1]).squareRoot()
    }
    let q = T([[0.5, 0]]), p = T([[0, 3.0.squareRoot()]])
    let times = (0...60).map { Double($0) * 2 * Double.pi }
    let path = symplecticOdeint(
      from: (q, p), at: times, stepsPerInterval: 200, velocity: { _, p in p }, force: force)
    let errors = times.indices.map { abs(energy(path.q[$0].scalars, path.p[$0].scalars) + 0.5) }
    #expect(errors[50...].max()! < 2 * errors[1...10].max()!)
    let rk = try odeint(
      from: T.concatenated([q, p], axis: 1), at: times, method: .rk4,
      controller: .fixed(stepsPerInterval: 80)
    ) { t, y in
      .concatenated([y.sliced(2..<4, axis: 1), force(t, y.sliced(0..<2, axis: 1))], axis: 1)
    }.states
    let drift = times.indices.map { index -> Double in
      let y = rk[index].scalars
      return abs(energy(Array(y[0..<2]), Array(y[2..<4])) + 0.5)
    }
    #expect(drift[60] > 4 * drift[10])
  }

  /// Derivatives of the discrete map for everything, to second order, through loops in loops.
  @Test(arguments: [(SymplecticMethod.velocityVerlet, 2), (.ruth3, 1)]) func derivativesAreThoseOfTheMap(
    method: SymplecticMethod, order: Int
  ) throws {
    let x = [T([[0.3, -0.2]]), T([[0.1, 0.5]]), T([[0.9, 0.2], [-0.4, 1.1]]), T([0, 0.4, 0.6])]
    try checkGradient(
      of: { x in
        let path = symplecticOdeint(
          from: (x[0], x[1]), at: x[3], method: method, stepsPerInterval: 2,
          velocity: { _, p in matmul(p, x[2]) },
          force: { t, q in -sin(matmul(q, x[2])) + t * 0.3 })
        return path.q + path.p * 2.0
      }, at: x, order: order
    ).verify()
  }

  @Test func aModelsPathIsThatOfItsField() throws {
    let field = HamiltonianField(
      SeparableHamiltonian(
        kinetic: QuadraticEnergy<Double>(2),
        potential: NetworkEnergy(2, hidden: [8], key: RandomKey(seed: 4))))
    let x0 = T.normal(shape: [3, 4], key: RandomKey(seed: 5))
    let times = [0.0, 0.5, 1]
    let reference = try odeint(from: x0, at: times, rtol: 1e-11, atol: 1e-11) { field($0, $1) }.states
    let path = field.symplecticPath(from: x0, at: times, method: .omelyan4, stepsPerInterval: 20)
    #expect(distance(path.scalars, reference.scalars) < 1e-7)
    let middle = field.midpointPath(from: x0, at: times, stepsPerInterval: 100)
    #expect(distance(middle.states.scalars, reference.scalars) < 1e-3 && middle.residual.scalar < 1e-12)
  }
}

@Suite struct ImplicitMidpointTests {
  private typealias T = Tensor<Double>

  /// The field of H = (1 + q²)(1 + p²) / 2, which does not separate.
  private static func field(_ t: T, _ y: T) -> T {
    let q = y.sliced(0..<1, axis: 1), p = y.sliced(1..<2, axis: 1)
    return .concatenated([(1 + q * q) * p, -q * (1 + p * p)], axis: 1)
  }

  private let start = T([[0.6, 0.3], [-0.2, 0.8]])

  @Test(arguments: [ImplicitIteration.fixedPoint(25), .newton(4)]) func showsItsOrder(
    iterations: ImplicitIteration
  ) throws {
    let reference = try odeint(from: start, at: [0, 2], rtol: 1e-13, atol: 1e-13, field: Self.field).final
      .scalars
    let counts = [20, 40, 80]
    let errors = counts.map { steps in
      let path = implicitMidpoint(
        from: start, at: [0, 2], stepsPerInterval: steps, iterations: iterations, field: Self.field)
      #expect(path.residual.scalar < 1e-13)
      return distance(path.states[1].scalars, reference)
    }
    let order = -slope(counts.map { log(Double($0)) }, errors.map { log($0) })
    #expect(abs(order - 2) < 0.1, "\(errors)")
  }

  /// Symplectic and its own inverse for a Hamiltonian that does not separate, once the equation is solved; not before.
  @Test func isSymplecticWhereItsEquationIsSolved() {
    func defect(_ iterations: ImplicitIteration) -> Double {
      let jacobian = jacobian(at: T([0.6, 0.3])) { x in
        implicitMidpoint(
          from: x.reshaped(to: [1, 2]), at: [0, 1], stepsPerInterval: 4, iterations: iterations,
          field: Self.field
        ).states[1].reshaped(to: [2])
      }
      return symplecticityDefect(jacobian.scalars, size: 2)
    }
    #expect(defect(.newton(5)) < 1e-12)
    #expect(defect(.fixedPoint(40)) < 1e-12)
    #expect(defect(.fixedPoint(1)) > 1e-4)
    let there = implicitMidpoint(
      from: start, at: [0, 1], stepsPerInterval: 4, iterations: .newton(5), field: Self.field)
    let back = implicitMidpoint(
      from: there.states[1], at: [1, 0], stepsPerInterval: 4, iterations: .newton(5), field: Self.field)
    #expect(distance(back.states[1].scalars, start.scalars) < 1e-12)
  }

  /// Quadratic invariants are kept: the angular momentum and the energy of coupled springs.
  @Test func keepsQuadraticInvariants() {
    let x0 = T([[1, 0.2, -0.3, 0.7]])
    let path = implicitMidpoint(from: x0, at: [0, 50], stepsPerInterval: 200, iterations: .newton(3)) {
      _, y in
      .concatenated([y.sliced(2..<4, axis: 1), -y.sliced(0..<2, axis: 1)], axis: 1)
    }
    func invariants(_ y: [Double]) -> [Double] {
      [y.reduce(0) { $0 + $1 * $1 }, y[0] * y[3] - y[1] * y[2]]
    }
    #expect(distance(invariants(path.states[1].scalars), invariants(x0.scalars)) < 1e-11)
  }

  @Test func anUnsolvedEquationIsReported() {
    let path = implicitMidpoint(from: start, at: [0, 4], stepsPerInterval: 1, field: Self.field)
    #expect(!(path.residual.scalar < 1e-2))
  }

  @Test(arguments: [ImplicitIteration.fixedPoint(3), .newton(2)]) func derivativesAreThoseOfTheIterations(
    iterations: ImplicitIteration
  ) throws {
    try checkGradient(
      of: { x in
        implicitMidpoint(from: x[0], at: x[1], stepsPerInterval: 2, iterations: iterations) { t, y in
          Self.field(t, y) * x[2] + t * 0.2
        }.states
      }, at: [start, T([0, 0.4, 0.7]), T(0.8)], order: 2
    ).verify()
  }
}

/// The largest element of JᵀΩJ - Ω for a Jacobian of rows, Ω = [[0, 1], [-1, 0]] in blocks.
private func symplecticityDefect(_ j: [Double], size: Int) -> Double {
  let n = size / 2
  var worst = 0.0
  for a in 0..<size {
    for b in 0..<size {
      let form = (0..<n).reduce(0.0) { sum, k in
        sum + j[k * size + a] * j[(k + n) * size + b] - j[(k + n) * size + a] * j[k * size + b]
      }
      worst = max(worst, abs(form - (b == a + n ? 1 : a == b + n ? -1 : 0)))
    }
  }
  return worst
}
