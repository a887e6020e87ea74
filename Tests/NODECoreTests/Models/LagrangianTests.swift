import Foundation
import NODECore
import Testing

/// Lagrangian fields against closed forms, conservation laws and differences.
@Suite struct LagrangianTests {
  static let solvers: [MassMatrixSolver] = [
    .lu, .cholesky, .shifted(epsilon: 1e-13), .damped(epsilon: 1e-9), .pseudoInverse(cutoff: 1e-10),
  ]

  private static func halves(_ y: Tensor<Double>) -> (q: Tensor<Double>, v: Tensor<Double>) {
    let n = y.shape[1] / 2
    return (y[0..., 0..<n], y[0..., n...])
  }

  private static func accelerations<L: Lagrangian>(
    _ lagrangian: L, _ solver: MassMatrixSolver, _ y: Tensor<Double>
  ) -> [Double] where L.Scalar == Double {
    let (q, v) = halves(y)
    return LagrangianField(lagrangian, solver: solver).acceleration(0, q, v).scalars
  }

  @Test(arguments: LagrangianTask.allCases, solvers)
  func theFieldOfAKnownLagrangianHasTheClosedFormsAccelerations(
    task: LagrangianTask, solver: MassMatrixSolver
  ) {
    let system = task.system(Double.self)
    let y: Tensor<Double> = task.states(50, key: RandomKey(seed: 1))
    let (q, v) = Self.halves(y)
    let expected = system.acceleration(q, v).scalars
    for (a, b) in zip(Self.accelerations(system, solver, y), expected) {
      #expect(abs(a - b) < 1e-11 * max(1, abs(b)), "\(solver): \(a) against \(b)")
    }
  }

  /// Other masses and lengths than one: nothing is hidden by squares of 1.
  @Test func aDoublePendulumOfUnequalParts() {
    let system = DoublePendulum<Double>(masses: (2, 0.7), lengths: (0.6, 1.4), gravity: 3)
    let y: Tensor<Double> = LagrangianTask.doublePendulum.states(20, key: RandomKey(seed: 2))
    let (q, v) = Self.halves(y)
    for (a, b) in zip(Self.accelerations(system, .lu, y), system.acceleration(q, v).scalars) {
      #expect(abs(a - b) < 1e-11 * max(1, abs(b)))
    }
  }

  /// The rate of a system's energy along its closed form, by the chain rule.
  @Test(arguments: LagrangianTask.allCases) func theClosedFormKeepsTheEnergy(task: LagrangianTask) {
    let system = task.system(Double.self)
    let y: Tensor<Double> = task.states(20, key: RandomKey(seed: 3))
    let (q, v) = Self.halves(y)
    let slope = Tensor.concatenated([v, system.acceleration(q, v)], axis: 1)
    let rate = jvp(at: y, along: slope) { system.energy($0) }.tangent.scalars
    #expect(rate.allSatisfy { abs($0) < 1e-10 * system.energyScale }, "\(rate)")
  }

  /// dE/dt = Q · q̇ whatever the network: Noether's theorem, to round-off and before any training.
  @Test(arguments: CoordinateEncoding.allCases) func theEnergyOfANetworkChangesByTheForcesWorkAlone(
    encoding: CoordinateEncoding
  ) {
    let network = LagrangianNetwork<Double>(3, hidden: [9, 7], encoding: encoding, key: RandomKey(seed: 4))
    let y: Tensor<Double> = .normal(shape: [6, 6], key: RandomKey(seed: 5))
    let (_, v) = Self.halves(y)
    let forces: [(any GeneralisedForce<Double>)?] = [
      nil, LinearFriction<Double>(3, coefficient: 0.7),
      ForceNetwork<Double>(3, hidden: [5], key: RandomKey(seed: 6)),
    ]
    for force in forces {
      let field = LagrangianField(network, force: force)
      let slope = field(0.3, y)
      let rate = jvp(at: y, along: slope) { field.energy($0) }.tangent.scalars
      let power =
        force.map { ($0(0.3, Self.halves(y).q, v) * v).sum(axes: 1).scalars } ?? .init(repeating: 0, count: 6)
      // The terms that cancel are of the size of momentum times acceleration.
      let sizes = abs(slope).sum(axes: 1).scalars
      for row in 0..<6 {
        #expect(abs(rate[row] - power[row]) < 1e-11 * max(1, sizes[row]), "\(rate) against \(power)")
      }
      if force is LinearFriction<Double> { #expect(power.allSatisfy { $0 < 0 }) }
    }
  }

  /// Along solved trajectories, with steps per lane: the field is rows to the compiler.
  @Test func trajectoriesWithStepsPerLaneKeepTheEnergy() throws {
    let system = DoublePendulum<Double>()
    let field = LagrangianField(system)
    let y0: Tensor<Double> = LagrangianTask.doublePendulum.starts(9, key: RandomKey(seed: 7))
    let path = try odeint(
      from: y0, at: [0, 1, 2], method: .tsit5, rtol: 1e-10, atol: 1e-10, controller: .perLane
    ) { t, y in field(t, y) }
    let oracle = try odeint(
      from: y0, at: [0, 1, 2], method: .tsit5, rtol: 1e-10, atol: 1e-10, controller: .perLane
    ) { _, y in
      let (q, v) = Self.halves(y)
      return .concatenated([v, system.acceleration(q, v)], axis: 1)
    }
    let steps = try Set(path.laneStatistics.map(\.accepted))
    #expect(steps.count > 1)
    let start = system.energy(y0).scalars
    for (now, before) in zip(system.energy(path.final).scalars, start) {
      #expect(abs(now - before) < 1e-6 * system.energyScale)
    }
    for (a, b) in zip(path.final.scalars, oracle.final.scalars) { #expect(abs(a - b) < 1e-5) }
  }

  /// Mass and transport by meeting tangents equal the Hessian of each row on its own.
  @Test func secondDerivativesAreThoseOfEachRowAlone() {
    let network = LagrangianNetwork<Double>(2, hidden: [6, 5], encoding: .circle, key: RandomKey(seed: 8))
    let y: Tensor<Double> = .normal(shape: [4, 4], key: RandomKey(seed: 9))
    let (q, v) = Self.halves(y)
    let terms = LagrangianField(network).terms(q, v)
    for row in 0..<4 {
      let all = hessian(at: y[row]) { y in
        network(y[0..<2].expandingShape(at: 0), y[2...].expandingShape(at: 0)).sum()
      }
      let slope = gradient(at: y[row]) { y in
        network(y[0..<2].expandingShape(at: 0), y[2...].expandingShape(at: 0)).sum()
      }
      expectClose(terms.mass[row], all[2..., 2...])
      expectClose(terms.transport[row], matmul(all[2..., 0..<2], v[row]))
      expectClose(terms.slope[row], slope[0..<2])
      expectClose(terms.momentum[row], slope[2...])
    }
  }

  /// What puts rows elsewhere than first is differentiated in another way, and gives the same; so does a Lagrangian of products,
  /// quotients and powers of both arguments.
  @Test func secondDerivativesOfWhateverALagrangianIsMadeOf() {
    struct Plain: Lagrangian {
      var turned: Bool
      func callAsFunction(_ q: Tensor<Double>, _ v: Tensor<Double>) -> Tensor<Double> {
        let (a, b) = turned ? (q.transposed(), v.transposed()) : (q, v)
        func part(_ x: Tensor<Double>, _ i: Int) -> Tensor<Double> { turned ? x[i] : x[0..., i] }
        let product = part(a, 0) * part(b, 1) * part(b, 1) / (1.5 + square(part(a, 1)))
        return product + pow(1.2 + square(part(b, 0)), Tensor(1.5)) + maximum(part(a, 0), part(b, 0))
          * part(b, 1)
      }
      mutating func visitParameters(_ visit: inout ParameterVisitor) {}
    }
    let y: Tensor<Double> = .normal(shape: [2, 4], key: RandomKey(seed: 10))
    let (q, v) = Self.halves(y)
    let straight = LagrangianField(Plain(turned: false)).terms(q, v)
    let turned = LagrangianField(Plain(turned: true)).terms(q, v)
    expectClose(straight.mass, turned.mass)
    expectClose(straight.transport, turned.transport)
    expectClose(straight.slope, turned.slope)
    let row = hessian(at: y[0]) { y in
      Plain(turned: false)(y[0..<2].expandingShape(at: 0), y[2...].expandingShape(at: 0)).sum()
    }
    expectClose(straight.mass[0], row[2..., 2...])
    expectClose(straight.transport[0], matmul(row[2..., 0..<2], v[0]))
  }

  /// Third derivatives: of accelerations with respect to all weights and the state, and once more.
  @Test(arguments: [MassMatrixSolver.lu, .damped(epsilon: 0.1), .pseudoInverse(cutoff: 0.01)])
  func derivativesOfAccelerations(solver: MassMatrixSolver) throws {
    let network = LagrangianNetwork<Double>(2, hidden: [5, 4], key: RandomKey(seed: 11))
    let y: Tensor<Double> = .normal(shape: [3, 4], key: RandomKey(seed: 12))
    try checkGradient(
      of: { arguments in
        let field = LagrangianField(network.replacingParameters(with: arguments[0]), solver: solver)
        let (q, v) = Self.halves(arguments[1])
        return square(field.acceleration(0, q, v)).mean()
      }, at: [network.parameterVector(Double.self), y], order: 2
    ).verify()
  }

  /// The products with the middle weight: value, gradient, a tangent for each velocity, and one along q̇.
  @Test(arguments: [1, 2, 4]) func evaluationsCostSoManyPassesMoreThanCoordinates(_ n: Int) {
    let network = LagrangianNetwork<Float>(n, hidden: [16, 16], key: RandomKey(seed: 13))
    let y = Tensor<Float>.normal(shape: [8, 2 * n], key: RandomKey(seed: 14))
    let slope = LagrangianField(network)(0, y)
    let products = Graph.order(of: [slope.value]).filter { node in
      if case .matmul = node.operation { node.operands[1].shape == [16, 16] } else { false }
    }
    #expect(products.count == n + 3)
  }

  @Test func theAuthorsStart() {
    let network = LagrangianNetwork<Double>(2, hidden: [300, 200, 100], key: RandomKey(seed: 14))
    func deviation(_ layer: Int) -> Double {
      sqrt(square(network.net.layers[layer].weight).mean()).scalars[0]
    }
    #expect(abs(deviation(0) * 300.0.squareRoot() - 2.2) < 0.2)
    #expect(abs(deviation(1) * 300.0.squareRoot() - 0.58) < 0.01)
    #expect(abs(deviation(2) * 200.0.squareRoot() - 1.16) < 0.03)
    #expect(abs(deviation(3) / 100.0.squareRoot() - 1) < 0.3)
    #expect(network.net.layers.allSatisfy { $0.bias!.scalars.allSatisfy { $0 == 0 } })
  }

  /// c |q̇|² / 2 + s² net(q, q̇ / s): with the net taken away the mass is c times one; a quiet start is near to that.
  @Test func aKineticPriorIsTheMassToStartWith() {
    let y: Tensor<Double> = LagrangianTask.doublePendulum.states(100, key: RandomKey(seed: 15))
    let (q, v) = Self.halves(y)
    var network = LagrangianNetwork<Double>(
      2, hidden: [32, 32], activation: .silu, encoding: .circle, kineticPrior: 3, speed: 5, start: .quiet,
      key: RandomKey(seed: 16))
    let parts = network(q, v) - square(v).sum(axes: 1) * 1.5
    let plain = network.net(.concatenated([sin(q), cos(q), v * 0.2], axis: 1)).reshaped(to: [100]) * 25
    expectClose(parts, plain, tolerance: 1e-10)
    let one = Tensor<Double>.identityMatrix(2) * 3
    let quiet = abs(LagrangianField(network).terms(q, v).mass - one).scalars
    #expect(quiet.allSatisfy { $0 < 0.3 } && quiet.contains { $0 > 1e-6 })
    network = network.replacingParameters(with: network.parameterVector(Double.self) * 0)
    #expect(abs(LagrangianField(network).terms(q, v).mass - one).scalars.allSatisfy { $0 == 0 })
  }

  /// Zero for the true Lagrangian, the same for every multiple of it, and the acceleration's error where the mass is one.
  @Test func theResidualOfTheEquationsOfMotion() throws {
    struct Multiple: Lagrangian {
      var factor: Double
      func callAsFunction(_ q: Tensor<Double>, _ v: Tensor<Double>) -> Tensor<Double> {
        DoublePendulum<Double>()(q, v) * factor
      }
      mutating func visitParameters(_ visit: inout ParameterVisitor) {}
    }
    struct Free: Lagrangian {
      func callAsFunction(_ q: Tensor<Double>, _ v: Tensor<Double>) -> Tensor<Double> {
        square(v).sum(axes: 1) * 0.5
      }
      mutating func visitParameters(_ visit: inout ParameterVisitor) {}
    }
    let y: Tensor<Double> = LagrangianTask.doublePendulum.states(50, key: RandomKey(seed: 17))
    let (q, v) = Self.halves(y)
    let a = DoublePendulum<Double>().acceleration(q, v)
    #expect(LagrangianField(Multiple(factor: 1)).residual(0, q, v, acceleration: a).scalars[0] < 1e-10)
    let sizes = [1, -1, 40].map {
      LagrangianField(Multiple(factor: $0)).residual(0, q, v, acceleration: a + 1).scalars[0]
    }
    #expect(sizes[0] > 0.1 && sizes.allSatisfy { abs($0 - sizes[0]) < 1e-10 * sizes[0] })
    let friction = LinearFriction<Double>(2, coefficient: 0.7)
    expectClose(friction.coefficients, .identityMatrix(2) * 0.7)
    let skewed = LinearFriction<Double>(root: Tensor([[0.7, 0.2], [-0.3, 0.4]]))
    expectClose(skewed(0, .identityMatrix(2), .identityMatrix(2)), -skewed.coefficients)
    let expected = abs(a + v * 0.7).sum(axes: 1).mean()
    expectClose(LagrangianField(Free(), force: friction).residual(0, q, v, acceleration: a), expected)
    let network = LagrangianNetwork<Double>(
      2, hidden: [5, 4], encoding: .circle, kineticPrior: 1, speed: 2, start: .quiet, key: RandomKey(seed: 18)
    )
    try checkGradient(
      of: { arguments in
        let field = LagrangianField(network.replacingParameters(with: arguments[0]))
        let (q, v) = Self.halves(arguments[1])
        return field.residual(0, q, v, acceleration: a[0..<3])
      }, at: [network.parameterVector(Double.self), y[0..<3]], order: 1
    ).verify()
  }

  private func expectClose(_ a: Tensor<Double>, _ b: Tensor<Double>, tolerance: Double = 1e-11) {
    #expect(a.shape == b.shape)
    for (x, y) in zip(a.scalars, b.scalars) {
      #expect(abs(x - y) < tolerance * max(1, abs(y)), "\(a) against \(b)")
    }
  }
}
