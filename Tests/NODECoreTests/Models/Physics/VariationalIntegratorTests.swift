import Foundation
import NODECore
import Testing

/// What holds for any weights: the properties are the integrator's, so networks here are untrained.
@Suite struct VariationalIntegratorTests {
  /// A space and a form, and what is the same in all of them.
  struct Kind: Sendable, CustomTestStringConvertible {
    var space: ConfigurationSpace, form: VariationalForm
    var testDescription: String { "\(form) on a \(space)" }

    static let all = ConfigurationSpace.allCases.flatMap { space in
      VariationalForm.allCases.map { Kind(space: space, form: $0) }
    }

    /// An untrained network of two coordinates with unequal masses.
    func map(stepSize: Double = 0.2) -> VariationalIntegrator<PeriodicPotential<MLP<Double>>> {
      let net = MLP<Double>(4, 12, 1, activation: .tanh, key: RandomKey(seed: 3))
      var map = VariationalIntegrator(
        potential: PeriodicPotential(net), coordinates: 2, space: space,
        form: form, stepSize: stepSize, learnsMass: true)
      map.logInverseMass = Tensor([0.4, -0.7])
      return map
    }

    /// The same form with a law that is known, and one coordinate.
    func known(_ law: @escaping @Sendable (Tensor<Double>) -> Tensor<Double>, h: Double)
      -> VariationalIntegrator<Law>
    {
      VariationalIntegrator(
        potential: Law(energy: law), coordinates: 1, space: space,
        form: form, stepSize: h)
    }
  }

  struct Law: Layer {
    var energy: @Sendable (Tensor<Double>) -> Tensor<Double>
    func callAsFunction(_ q: Tensor<Double>) -> Tensor<Double> { energy(q) }
    mutating func visitParameters(_ visit: inout ParameterVisitor) {}
  }

  private let phase = Tensor<Double>([[0.3, -1.2, 0.9, 0.4], [2.5, 0.1, -0.6, 1.1], [-0.8, 3, 0.2, -1.3]])

  private func distance(_ a: Tensor<Double>, _ b: Tensor<Double>) -> Double { abs(a - b).max().scalar }

  @Test(arguments: Kind.all) func pathsAreStationary(kind: Kind) {
    // D2 L(q0, q1) + D1 L(q1, q2) = 0, the Lagrangian differentiated by the library.
    let map = kind.map(), path = map.phases(from: phase, steps: 6)
    for time in 1...5 {
      let q = (time - 1...time + 1).map { path[$0][.all, 0..<2] }
      let residual = gradient(at: q[1]) { q1 in
        (map.discreteLagrangian(q[0], q1) + map.discreteLagrangian(q1, q[2])).sum()
      }
      #expect(abs(residual).max().scalar < 1e-12, "time \(time)")
    }
  }

  @Test(arguments: Kind.all) func stepsAreSymplectic(kind: Kind) {
    let map = kind.map()
    func velocities(_ momenta: Tensor<Double>) -> Tensor<Double> { momenta * exp(map.logInverseMass!) }
    // In positions and momenta, over several steps.
    let steps: (Tensor<Double>) -> Tensor<Double> = { y in
      let start = Tensor.concatenated([y[.all, 0..<2], velocities(y[.all, 2..<4])], axis: 1)
      let end = map.phases(from: start, steps: 5)[5]
      return .concatenated([end[.all, 0..<2], map.momenta(ofVelocities: end[.all, 2..<4])], axis: 1)
    }
    let defect = symplecticityDefect(of: steps, at: phase)
    #expect(defect.max().scalar < 1e-12, "\(defect)")
    // A residual network of the same inputs is not.
    let net = MLP<Double>(4, 12, 4, activation: .tanh, key: RandomKey(seed: 3))
    #expect(symplecticityDefect(of: { ResidualMap(net, stepSize: 0.2)($0) }, at: phase).min().scalar > 1e-3)
  }

  @Test(arguments: Kind.all) func stepsReadTheSameBackward(kind: Kind) {
    let map = kind.map()
    let state = map.state(ofPhase: phase)
    var there = map.rollout(from: state, steps: 40)[40]
    switch kind.form {
    case .velocities:
      var back = map
      back.stepSize = -map.stepSize
      there = back.rollout(from: there, steps: 40)[40]
    case .positions:
      // Present and previous positions in turned roles.
      there =
        map.rollout(from: .concatenated([there[.all, 2..<4], there[.all, 0..<2]], axis: 1), steps: 40)[40]
      there = .concatenated([there[.all, 2..<4], there[.all, 0..<2]], axis: 1)
    }
    #expect(distance(there, state) < 1e-12)
  }

  @Test(arguments: Kind.all) func aRolloutIsItsSteps(kind: Kind) {
    let map = kind.map()
    var state = map.state(ofPhase: phase)
    let path = map.rollout(from: state, steps: 5)
    #expect(path.shape == [6, 3, 4])
    for time in 0...5 {
      #expect(distance(path[time], state) < 1e-13)
      state = map(state)
    }
    #expect(distance(map.phase(ofState: map.state(ofPhase: phase)), phase) < 1e-13)
    #expect(map.rollout(from: state, steps: 0).shape == [1, 3, 4])
  }

  @Test func theFormsMakeTheSamePositions() {
    for space in [ConfigurationSpace.line, .circle] {
      let paths = [VariationalForm.positions, .velocities].map {
        Kind(space: space, form: $0).map().phases(from: phase, steps: 50)
      }
      #expect(distance(paths[0], paths[1]) < 1e-11)
    }
  }

  @Test(arguments: Kind.all) func aTurnMoreChangesNothing(kind: Kind) {
    let map = kind.map(), turn = Tensor<Double>([2 * .pi, -4 * .pi, 0, 0])
    let difference = map.phases(from: phase + turn, steps: 30) - map.phases(from: phase, steps: 30)
    #expect(distance(difference, turn.broadcast(to: difference.shape)) < 1e-12)
  }

  @Test(arguments: Kind.all) func theMomentumOfASymmetryIsKept(kind: Kind) throws {
    // The potential sees the difference of the coordinates only.
    struct Relative: Layer {
      var net = MLP<Double>(1, 10, 1, activation: .tanh, key: RandomKey(seed: 5))
      func callAsFunction(_ q: Tensor<Double>) -> Tensor<Double> { net(sin(q[.all, 0..<1] - q[.all, 1..<2])) }
      mutating func visitParameters(_ visit: inout ParameterVisitor) { visit("net", &net) }
    }
    var map = VariationalIntegrator(
      potential: Relative(), coordinates: 2, space: kind.space,
      form: kind.form, stepSize: 0.2, learnsMass: true)
    map.logInverseMass = Tensor([0.4, -0.7])
    let phases = map.phases(from: phase, steps: 60)
    let momentum = Invariant<Double>("momentum") { [map] y in
      map.momenta(ofVelocities: y[.all, 2..<4]).sum(axes: 1)
    }
    let report = try TrajectoryReport(
      times: (0...60).map { 0.2 * Double($0) }, states: phases,
      [momentum, Invariant("of one of them") { $0[.all, 2] }])
    #expect(report["momentum"]!.largestDrift < 1e-12, "\(report)")
    #expect(report["of one of them"]!.largestDrift > 1e-2, "\(report)")
  }

  @Test(arguments: Kind.all) func theOrderIsTwo(kind: Kind) throws {
    let law: @Sendable (Tensor<Double>) -> Tensor<Double> = { -cos($0) }
    let start = Tensor<Double>([[1.5, 0.3], [-0.4, 1.1]])
    let exact = try odeint(from: start, t0: 0, t1: 2, method: .dopri5, rtol: 1e-12, atol: 1e-12) { _, y in
      .concatenated([y[.all, 1..<2], -sin(y[.all, 0..<1])], axis: 1)
    }.final
    let errors = [40, 80, 160].map { steps in
      distance(kind.known(law, h: 2 / Double(steps)).phases(from: start, steps: steps)[steps], exact)
    }
    for (coarse, fine) in zip(errors, errors.dropFirst()) {
      #expect(abs(log2(coarse / fine) - 2) < 0.02, "\(errors)")
    }
  }

  @Test(arguments: Kind.all) func energyStaysBoundedForLong(kind: Kind) throws {
    let map = kind.known({ -cos($0) }, h: 0.1)
    let energy = Invariant<Double>("energy") { y in 0.5 * square(y[.all, 1]) - cos(y[.all, 0]) }
    let phases = map.phases(from: Tensor<Double>([[1, 0.5]]), steps: 5000)
    let report = try TrajectoryReport(times: (0...5000).map { 0.1 * Double($0) }, states: phases, [energy])
    let drift = report["energy"]!.drifts[0]
    // It oscillates with h², and the line through it is flat: over 500 units of time less than a tenth of that.
    #expect(drift.largest < 2e-3 && abs(drift.slope) * 500 < 0.1 * drift.largest, "\(report)")
  }
}
