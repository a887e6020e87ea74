import Foundation
import Testing

@testable import NODECore

@Suite struct SolveAccuracyTests {
  static let adaptive = Method.all.filter(\.isAdaptive)

  /// The kernels' fixed steps show the order of the table on a non-autonomous nonlinear problem.
  @Test(arguments: Method.all) func fixedStepsShowTheOrder(method: Method) throws {
    let reference = CoupledProblem.reference(2, steps: 4000)
    let counts = method.order < 3 ? [80, 160, 320, 640] : [20, 40, 80, 160]
    let errors = try counts.map { count in
      let solution = try odeint(
        from: Tensor<Double>(CoupledProblem.start), at: [0, 2], method: method,
        controller: .fixed(stepsPerInterval: count), field: CoupledProblem.traced)
      return distance(solution.final.scalars, reference)
    }
    let order = -slope(counts.map { log(Double($0)) }, errors.map { log($0) })
    #expect(abs(order - Double(method.order)) <= 0.2, "\(method): \(order) from \(errors)")
  }

  /// And they are the steps of the table: equal to the plain interpreter's but for rounding.
  @Test(arguments: Method.all) func fixedStepsAreTheTables(method: Method) throws {
    let times = [0.3, 1.1, 1.2]
    let solution = try odeint(
      from: Tensor<Double>(CoupledProblem.start), at: times, method: method,
      controller: .fixed(stepsPerInterval: 3), field: CoupledProblem.traced)
    let rk = RungeKuttaInterpreter(tableau: method.tableau, field: CoupledProblem.field)
    var state = CoupledProblem.start
    for i in 1..<times.count {
      state = rk.integrate(from: times[i - 1], to: times[i], state, steps: 3)
      #expect(distance(solution.states[i].scalars, state) < 1e-14)
    }
    #expect(try solution.statistics.accepted == 6)
    #expect(try solution.statistics.rejected == 0)
  }

  /// Save times inside of fixed steps are read from the dense output, with its order (local: one power of h more).
  @Test(arguments: Method.all) func savesInsideOfStepsShowTheInterpolantsOrder(method: Method) throws {
    let steps = [0.2, 0.1, 0.05, 0.025]
    let errors = try steps.map { h in
      let solution = try odeint(
        from: Tensor<Double>(CoupledProblem.start), at: [0, 0.3 * h, h], method: method,
        controller: .fixed(step: h), field: CoupledProblem.traced)
      return distance(solution.states[1].scalars, CoupledProblem.reference(0.3 * h, steps: 200))
    }
    let order = slope(steps.map { log($0) }, errors.map { log($0) }) - 1
    #expect(abs(order - Double(method.tableau.denseOrder)) <= 0.35, "\(method): \(order) from \(errors)")
  }

  @Test(arguments: ReferenceProblem.all, [Method.bosh3, .dopri5, .tsit5])
  func adaptiveStepsReachTheReference(problem: ReferenceProblem, method: Method) throws {
    let tolerance = method.order == 3 ? 1e-7 : 1e-10
    let solution = try odeint(
      from: problem.y0, t0: 0, t1: problem.end, method: method, rtol: tolerance, atol: tolerance,
      field: problem.field)
    let error = problem.error(solution.final.scalars)
    #expect(error < problem.amplification * tolerance, "\(error / tolerance) times the tolerance")
    let statistics = try solution.statistics
    #expect(statistics.status == .success && statistics.reached == problem.end)
  }

  /// And back again: the reference is where the way back starts.
  @Test(arguments: ["B4", "B5", "rigid body", "D1", "Lotka-Volterra"]) func backwardInTime(name: String)
    throws
  {
    let problem = try #require(ReferenceProblem.all.first { $0.name == name })
    let solution = try odeint(
      from: Tensor<Double>(problem.reference), t0: problem.end, t1: 0, method: .tsit5, rtol: 1e-10,
      atol: 1e-10,
      field: problem.field)
    let error = zip(solution.final.scalars, problem.start).map { abs($0 - $1) }.max()!
    #expect(error < problem.amplification * 1e-9)
    #expect(try solution.statistics.lastStep < 0)
  }

  @Test(arguments: adaptive, [Controller.Law.integral, .proportionalIntegral])
  func errorFallsWithTheTolerance(method: Method, law: Controller.Law) throws {
    let problem = ReferenceProblem.all.first { $0.name == "rigid body" }!
    let tolerances = method.order < 3 ? [1e-3, 1e-4, 1e-5] : [1e-4, 1e-6, 1e-8]
    let errors = try tolerances.map { tolerance in
      let solution = try odeint(
        from: problem.y0, t0: 0, t1: problem.end, method: method,
        controller: .adaptive(rtol: tolerance, atol: tolerance, law: law), field: problem.field)
      return problem.error(solution.final.scalars)
    }
    for (tolerance, error) in zip(tolerances, errors) { #expect(error < 1e3 * tolerance) }
    // Tolerance proportionality: a power law with an exponent near order / (embedded order + 1).
    let exponent = slope(tolerances.map { log($0) }, errors.map { log($0) })
    #expect(exponent > 0.6 && exponent < 1.5, "\(exponent) from \(errors)")
  }

  /// Saves at both ends and between: the ends exactly, the others to the interpolant's accuracy, whatever steps are taken.
  @Test(arguments: adaptive) func savedStatesDoNotMoveTheSteps(method: Method) throws {
    let tolerance = method.order < 3 ? 1e-5 : 1e-8
    let times = (0...20).map { 2 * Double($0) / 20 }
    let many = try odeint(
      from: Tensor<Double>(CoupledProblem.start), at: times, method: method, rtol: tolerance, atol: tolerance,
      field: CoupledProblem.traced)
    let ends = try odeint(
      from: Tensor<Double>(CoupledProblem.start), t0: 0, t1: 2, method: method, rtol: tolerance,
      atol: tolerance,
      field: CoupledProblem.traced)
    #expect(many.states[0].scalars == CoupledProblem.start)
    #expect(many.final.scalars == ends.final.scalars)
    #expect(try many.statistics.accepted == ends.statistics.accepted)
    for (i, t) in times.enumerated() where i > 0 {
      #expect(
        distance(many.states[i].scalars, CoupledProblem.reference(t, steps: 400)) < 300 * tolerance,
        "at t = \(t)")
    }
  }

  /// Time reaches the field with its sign, and the last time is hit exactly.
  @Test func timeMirrorsToTheBit() throws {
    let forward = try odeint(from: Tensor<Double>([1, 0.5]), t0: 0, t1: 1.5, rtol: 1e-6, atol: 1e-9) { t, y in
      y * sin(t) - y * y
    }
    let backward = try odeint(from: Tensor<Double>([1, 0.5]), t0: 0, t1: -1.5, rtol: 1e-6, atol: 1e-9) {
      t, y in
      -(y * sin(-t) - y * y)
    }
    #expect(forward.final.scalars == backward.final.scalars)
    #expect(try forward.statistics.reached == 1.5)
    #expect(try backward.statistics.reached == -1.5)
  }

  /// An equilibrium line: any method stays on it to rounding.
  @Test(arguments: Method.all) func constantSlope(method: Method) throws {
    let times = (0..<10).map { 1 + 7 * Double($0) / 9 }
    for times in [times, times.reversed()] {
      let solution = try odeint(from: Tensor<Double>([0.2 * times[0] + 3]), at: times, method: method) {
        t, y in
        let gap = y - (0.2 * t + 3.0)
        return 0.2 + gap * gap * gap * gap * gap
      }
      for (t, y) in zip(times, solution.states.scalars) { #expect(abs(y - (0.2 * t + 3)) < 1e-12) }
    }
  }

  @Test func singlePrecisionReachesItsTolerance() throws {
    let solution = try odeint(from: Tensor<Float>([1, 0, 0.9]), t0: 0, t1: 20, rtol: 1e-5, atol: 1e-5) {
      _, y in
      .stacked([-2.0 * y[1] * y[2], 1.25 * y[0] * y[2], -0.5 * y[0] * y[1]])
    }
    let reference = [6.062038539648122218e-1, 6.287472104501779704e-1, 8.073851485756025755e-1]
    #expect(distance(solution.final.scalars.map(Double.init), reference) < 1e-3)
  }

  @Test func oneTimeGivesTheInitialState() throws {
    let y0 = Tensor<Double>([1, 2, 3, 4], shape: [2, 2])
    let solution = try odeint(from: y0, at: [5]) { _, y in y * y }
    #expect(solution.states.shape == [1, 2, 2])
    #expect(solution.states.scalars == [1, 2, 3, 4])
    #expect(try solution.statistics.accepted == 0)
  }

  @Test func aScalarStateIsAState() throws {
    let solution = try odeint(from: Tensor<Double>(1.0), at: [0, 1, 2], rtol: 1e-10, atol: 1e-10) { _, y in -y
    }
    #expect(solution.states.shape == [3])
    for (y, exact) in zip(solution.states.scalars, [1, exp(-1.0), exp(-2.0)]) {
      #expect(abs(y - exact) < 1e-9)
    }
  }

  @Test func evaluationsAreCounted() throws {
    for method in Method.all {
      let solution = try odeint(
        from: Tensor<Double>([1.0]), at: [0, 1], method: method, controller: .fixed(stepsPerInterval: 10)
      ) { t, y in -y * t }
      // An FSAL method pays for its first stage, but nobody needs the last stage of the last step.
      let expected = method.tableau.evaluationsPerStep * 10
      #expect(try solution.statistics.evaluations == expected, "\(method)")
    }
  }

  /// The whole way there and back: what a coarse tolerance does not give, a fine one does.
  @Test func reconstruction() throws {
    func error(_ tolerance: Double) throws -> Double {
      try odeint(
        from: Tensor<Double>([1, 1]), t0: 0, t1: 10, method: .dopri5, rtol: tolerance, atol: tolerance,
        field: ReferenceProblem.lotkaVolterra
      ).reconstructionError()
    }
    let coarse = try error(1e-2), fine = try error(1e-9)
    #expect(fine < 1e-6)
    #expect(coarse > 1e-3)
  }

  /// So many steps between save times are as many on the way back.
  @Test func reconstructionOfStepsPerInterval() throws {
    let times = (0...100).map { 0.1 * Double($0) }
    for controller in [
      Controller.automatic, .fixed(stepsPerInterval: 2), .fixed(stepsPerInterval: 1).perLane,
      .fixed(step: 0.1),
    ] {
      let error = try odeint(
        from: Tensor<Double>([1]), at: times, method: .rk4, controller: controller
      ) { _, y in -y }.reconstructionError()
      #expect(error < 1e-4, "\(controller)")
    }
  }

  /// From zero the error is relative to where the solve went.
  @Test func reconstructionFromZero() throws {
    let error = try odeint(from: Tensor<Double>([0]), at: [0, 1, 2], rtol: 1e-4, atol: 1e-4) { t, y in
      cos(t) + y
    }
    .reconstructionError()
    #expect(error > 0 && error < 1e-2)
  }

  /// Gains that would keep a rejected step as it is, where a quick change follows a long rest.
  @Test(arguments: [false, true])
  func rejectedStepsShrinkWhateverTheGains(isPerLane: Bool) throws {
    let controller = Controller.adaptive(law: .gains(i: 1, p: -0.5), safety: 1, maxSteps: 2000)
    let solution = try odeint(
      from: Tensor<Double>([[0.0]]), t0: 0, t1: 10, controller: isPerLane ? controller.perLane : controller
    ) { t, y in tanh((t - 5.0) * 200.0) - y }
    #expect(try solution.statistics.rejected < 100)
    // y' = -1 - y up to 5, then 1 - y.
    let expected = 1 - (2 - exp(-5.0)) * exp(-5.0)
    #expect(abs(solution.final.scalars[0] - expected) < 1e-3)
  }
}

extension CoupledProblem {
  @Sendable static func traced(_ t: Tensor<Double>, _ y: Tensor<Double>) -> Tensor<Double> {
    .stacked([y[0] * cos(t), y[0] * y[1] * y[1] * sin(t) - y[1]])
  }
}
