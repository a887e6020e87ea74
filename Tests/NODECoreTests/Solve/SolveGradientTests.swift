import Foundation
import Testing

@testable import NODECore

/// A problem whose gradient is known to 19 digits (recomputed in 113-bit arithmetic by two independent settings):
/// `loss` of the state at the last time, `gradient` with respect to the parameters, then to the initial state.
struct GradientProblem: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let parameters: [Double]
  let start: [Double]
  let end: Double
  let loss: Double
  let gradient: [Double]
  let field: @Sendable (Tensor<Double>, Tensor<Double>) -> Tensor<Double>

  /// The final components' sum, of a solve whose parameters are the tensor `p`.
  func loss(
    _ p: Tensor<Double>, _ y0: Tensor<Double>, method: Method = .dopri5, tolerance: Double,
    sensitivity: SensitivityMethod
  ) throws -> Tensor<Double> {
    try odeint(
      from: y0, t0: 0, t1: end, method: method, rtol: tolerance, atol: tolerance, sensitivity: sensitivity
    ) { _, y in field(p, y) }.final.sum()
  }

  static let all = [
    GradientProblem(
      testDescription: "Lotka-Volterra", parameters: [1.5, 1, 3, 1], start: [1, 1], end: 10,
      loss: 1.936035845711130937,
      gradient: [
        -4.096212993658197966, -0.509408811911299175, -1.145834886429737106, -1.804327868767101297,
        -0.7779831011920119776, 0.4002822662247424426,
      ]
    ) { p, y in .stacked([p[0] * y[0] - p[1] * y[0] * y[1], p[3] * y[0] * y[1] - p[2] * y[1]]) },
    GradientProblem(
      testDescription: "van der Pol", parameters: [1], start: [2, 0], end: 10, loss: -1.975433716716388268,
      gradient: [-2.082857041121091319, -2.632595695867152751, -0.9707132394129872905]
    ) { p, y in .stacked([y[1], p[0] * (1.0 - square(y[0])) * y[1] - y[0]]) },
    GradientProblem(
      testDescription: "cubic", parameters: [-0.1, 2, -2, -0.1], start: [2, 0], end: 5,
      loss: 0.6672331087844517681,
      gradient: [
        -38.39139836407203428, -5.037745802999686791, 3.113925630689284519, -38.38908116940883774,
        -8.291678359637629532, -0.5224001044072546693,
      ]
    ) { p, y in matmul((y * y * y).reshaped(to: [1, 2]), p.reshaped(to: [2, 2])).reshaped(to: [2]) },
  ]
}

@Suite(.smallBlocks) struct SolveGradientTests {
  static let sensitivities: [SensitivityMethod] = [.exact, .exact(memory: .bytes(200)), .backsolve]

  static func numbers(_ count: Int, _ seed: Int) -> [Double] {
    (0..<count).map { sin(Double($0 * 7 + seed * 13) + 0.5) }
  }

  @Test(arguments: GradientProblem.all, sensitivities)
  func gradientsReachTheReference(problem: GradientProblem, sensitivity: SensitivityMethod) throws {
    let tolerance = 1e-12
    let (value, gradient) = try valueAndGradient(
      at: Tensor<Double>(problem.parameters), Tensor<Double>(problem.start)
    ) { p, y0 in try problem.loss(p, y0, tolerance: tolerance, sensitivity: sensitivity) }
    #expect(abs(value.scalars[0] - problem.loss) < 1e-9)
    let found = gradient.0.scalars + gradient.1.scalars
    let scale = problem.gradient.map(abs).max()!
    for (a, b) in zip(found, problem.gradient) {
      #expect(abs(a - b) < (sensitivity == .backsolve ? 1e-7 : 1e-8) * scale, "\(found)")
    }
  }

  /// The gradient of the computed map, for fixed steps of every method: the graph of the written-out steps has the same.
  @Test(arguments: Method.all) func exactIsTheGradientOfTheUnrolledSteps(method: Method) throws {
    let times = [0.0, 0.4, 1.0]
    let p = Tensor<Double>([0.7, -1.1, 0.3, 0.5], shape: [2, 2]),
      y0 = Tensor<Double>(Self.numbers(6, 1), shape: [3, 2])
    let weights = Tensor<Double>(Self.numbers(18, 2), shape: [3, 3, 2])
    let steps = 4
    func field(_ p: Tensor<Double>, _ t: Tensor<Double>, _ y: Tensor<Double>) -> Tensor<Double> {
      tanh(matmul(y, p)) * cos(t) - y * y * 0.3
    }
    let keepsNothing = SensitivityMethod.exact(memory: .bytes(200))
    for sensitivity in [.exact, .exact(memory: .bytes(200), residuals: .bytes(3000)), keepsNothing] {
      let (value, found) = try valueAndGradient(at: p, y0) { p, y0 in
        let solution = try odeint(
          from: y0, at: times, method: method, controller: .fixed(stepsPerInterval: steps),
          sensitivity: sensitivity
        ) { t, y in field(p, t, y) }
        return (solution.states * weights).sum()
      }
      let (expected, oracle) = valueAndGradient(at: p, y0) { p, y0 in
        var y = y0, rows = [y0]
        for i in 1..<times.count {
          let h = (times[i] - times[i - 1]) / Double(steps)
          for n in 0..<steps {
            let t = times[i - 1] + Double(n) * h
            var k: [Tensor<Double>] = []
            for stage in 0..<method.tableau.stepStages {
              let sum = zip(k, method.tableau.a[stage]).reduce(y) { $0 + $1.0 * (h * $1.1) }
              k.append(field(p, Tensor(t + method.tableau.c[stage] * h), sum))
            }
            y = zip(k, method.tableau.b).reduce(y) { $0 + $1.0 * (h * $1.1) }
          }
          rows.append(y)
        }
        return (Tensor.stacked(rows) * weights).sum()
      }
      #expect(abs(value.scalars[0] - expected.scalars[0]) < 1e-13)
      #expect(distance(found.0.scalars, oracle.0.scalars) < 1e-13)
      #expect(distance(found.1.scalars, oracle.1.scalars) < 1e-13)
    }
  }

  /// Adaptive steps, few states kept: integrating again gives the same bits as keeping everything.
  @Test func memoryDoesNotChangeTheGradient() throws {
    let problem = GradientProblem.all[0]
    func gradients(
      _ memory: SensitivityMethod.Memory, _ residuals: SensitivityMethod.Memory? = nil
    ) throws -> [Double] {
      let found = try gradient(at: Tensor<Double>(problem.parameters), Tensor<Double>(problem.start)) {
        p, y0 in
        try problem.loss(
          p, y0, tolerance: 1e-8, sensitivity: .exact(memory: memory, residuals: residuals))
      }
      return found.0.scalars + found.1.scalars
    }
    let kept = try gradients(.bytes(1 << 20))
    for bytes in [64, 128, 1000] { #expect(try gradients(.bytes(bytes)) == kept, "\(bytes) bytes") }
    for bytes in [0, 5000, 1 << 20] {
      #expect(try gradients(.automatic, .bytes(bytes)) == kept, "\(bytes) bytes of residuals")
      #expect(try gradients(.bytes(128), .bytes(bytes)) == kept, "\(bytes) bytes of residuals, two states")
    }
  }

  /// What the tape keeps of stages does not show in the bits, with time in the field, either.
  @Test(arguments: [Method.dopri5, .tsit5, .bosh3, .rk4]) func residualsDoNotChangeTheBits(method: Method)
    throws
  {
    let p = Tensor<Double>(Self.numbers(4, 1), shape: [2, 2]),
      y0 = Tensor<Double>(Self.numbers(6, 2), shape: [3, 2])
    let fixed = [Controller.fixed(step: 0.11), .fixed(stepsPerInterval: 7)]
    for controller in fixed + (method == .rk4 ? [] : [.automatic]) {
      let found = try [SensitivityMethod.Memory.bytes(0), .bytes(2000), .bytes(1 << 20)].map { residuals in
        let g = try gradient(at: p, y0) { p, y0 in
          try odeint(
            from: y0, at: [0, 0.4, 1.3], method: method, controller: controller,
            sensitivity: .exact(residuals: residuals)
          ) { t, y in tanh(matmul(y, p) + Tensor<Double>([0.3, -0.2]) * (1 + t)) }.states.sum()
        }
        return g.0.scalars + g.1.scalars
      }
      #expect(found[1] == found[0] && found[2] == found[0], "\(controller)")
    }
  }

  /// Equal steps between save times move with them: the map that is computed again at other times has these derivatives.
  @Test(arguments: [Method.euler, .heun, .dopri5], [1, 3]) func stepsMoveWithTheirInterval(
    method: Method, steps: Int
  ) throws {
    let y0 = Tensor<Double>(Self.numbers(3, 3), shape: [3, 1])
    for controller in [Controller.fixed(stepsPerInterval: steps), .fixed(stepsPerInterval: steps).perLane] {
      let report = try checkGradient(
        of: { times in
          let path = try odeint(from: y0, at: times, method: method, controller: controller) { t, y in
            sin(y) * cos(t * 2) - y
          }
          return (path.states * Tensor<Double>(Self.numbers(12, 4), shape: [4, 3, 1])).sum()
        }, at: Tensor<Double>([0.2, 0.5, 1.1, 1.2]), order: 2, tolerance: 1e-6)
      #expect(report.passed, "\(report)")
    }
    // y' = -y by one step of Euler in each interval: y1 = y0 (1 - (t1 - t0)), whatever the last time is.
    let slopes = try gradient(at: Tensor<Double>([0, 0.5, 1])) { times in
      try odeint(
        from: Tensor<Double>.ones([1]), at: times, method: .euler, controller: .fixed(stepsPerInterval: 1)
      ) { _, y in -y }.states[1].sum()
    }
    #expect(distance(slopes.scalars, [1, -1, 0]) < 1e-14)
  }

  @Test func backsolveConvergesToTheExactGradient() throws {
    let problem = GradientProblem.all[0]
    let errors = try [1e-4, 1e-6, 1e-8, 1e-10].map { tolerance in
      let found = try gradient(at: Tensor<Double>(problem.parameters), Tensor<Double>(problem.start)) {
        p, y0 in
        try problem.loss(p, y0, tolerance: tolerance, sensitivity: .backsolve)
      }
      return distance(found.0.scalars + found.1.scalars, problem.gradient)
    }
    for (coarse, fine) in zip(errors, errors.dropFirst()) { #expect(fine < coarse / 5, "\(errors)") }
  }

  /// y' = -y t: y(t_i) = y0 exp((t0^2 - t_i^2) / 2), so dy_i/dt_i = -y_i t_i and dy_i/dt0 = y_i t0.
  @Test(arguments: [SensitivityMethod.exact, .backsolve], [Method.dopri5, .tsit5, .bosh3])
  func timesHaveGradients(sensitivity: SensitivityMethod, method: Method) throws {
    let times = [0.3, 0.9, 1.4, 2.0], weights = [0.5, -1.0, 2.0, 1.5]
    let tolerance = method.order == 3 ? 1e-8 : 1e-11
    let found = try gradient(at: Tensor<Double>(times)) { times in
      let solution = try odeint(
        from: Tensor<Double>([1.2]), at: times, method: method, rtol: tolerance, atol: tolerance,
        sensitivity: sensitivity
      ) { t, y in -y * t }
      return (solution.states.reshaped(to: [4]) * Tensor(weights)).sum()
    }.scalars
    let y = times.map { 1.2 * exp((times[0] * times[0] - $0 * $0) / 2) }
    var expected = times.indices.map { -weights[$0] * y[$0] * times[$0] }
    expected[0] = zip(weights, y).dropFirst().reduce(0) { $0 + $1.0 * $1.1 } * times[0]
    #expect(distance(found, expected) < 3e5 * tolerance, "\(found) \(expected)")
  }

  /// Fixed steps, both ends: the derivative of the discrete map itself, by central differences.
  @Test(arguments: Method.all) func endTimesHaveTheDiscreteGradient(method: Method) throws {
    func value(_ times: Tensor<Double>) throws -> Tensor<Double> {
      try odeint(
        from: Tensor<Double>(CoupledProblem.start), at: times, method: method,
        controller: .fixed(stepsPerInterval: 5), field: CoupledProblem.traced
      ).final.sum()
    }
    let times = [0.2, 1.3]
    let found = try gradient(at: Tensor<Double>(times)) { try value($0) }.scalars
    for i in 0..<2 {
      var up = times, down = times
      up[i] += 1e-5
      down[i] -= 1e-5
      let difference = try (value(Tensor(up)).scalars[0] - value(Tensor(down)).scalars[0]) / 2e-5
      #expect(abs(found[i] - difference) < 1e-8)
    }
  }

  @Test(arguments: [SensitivityMethod.exact, .backsolve]) func anUnusedParameterHasNoGradient(
    sensitivity: SensitivityMethod
  ) throws {
    let found = try gradient(at: Tensor<Double>([0.5]), Tensor<Double>([0.7])) { used, unused in
      let solution = try odeint(from: Tensor<Double>([1, 2]), at: [0, 1], sensitivity: sensitivity) { t, y in
        -y * used + unused * 0.0
      }
      return solution.final.sum()
    }
    #expect(found.1.scalars == [0])
    #expect(found.0.scalars[0] < 0)
  }

  /// Lanes and captures per lane: the gradients of a batch are those of its members.
  @Test(arguments: [SensitivityMethod.exact, .backsolve]) func lanesKeepTheirGradients(
    sensitivity: SensitivityMethod
  ) throws {
    let y0 = Self.numbers(6, 3), rates = Self.numbers(3, 4)
    func gradients(_ y0: [Double], _ rates: [Double]) throws -> [Double] {
      let n = rates.count
      let found = try gradient(
        at: Tensor<Double>(y0, shape: [n, 2]), Tensor<Double>(rates, shape: [n, 1])
      ) { y0, rates in
        try odeint(
          from: y0, t0: 0, t1: 1, method: .rk4, controller: .fixed(stepsPerInterval: 8),
          sensitivity: sensitivity
        ) { t, y in rates * y * (1.0 - y) + sin(t) }.final.sum()
      }
      return found.0.scalars + found.1.scalars
    }
    let all = try gradients(y0, rates)
    for lane in 0..<3 {
      let one = try gradients(Array(y0[2 * lane..<2 * lane + 2]), [rates[lane]])
      #expect(distance(one, Array(all[2 * lane..<2 * lane + 2]) + [all[6 + lane]]) < 1e-14)
    }
  }

  /// Hessians of losses through solves, in every order of modes, against differences of gradients.
  @Test(arguments: [SensitivityMethod.exact, .backsolve]) func secondDerivatives(
    sensitivity: SensitivityMethod
  ) throws {
    let problem = GradientProblem.all[1]
    let x = problem.parameters + problem.start
    let tolerance = 1e-11
    func loss(_ x: Tensor<Double>) throws -> Tensor<Double> {
      let y = try problem.loss(x[0..<1], x[1..<3], tolerance: tolerance, sensitivity: sensitivity)
      return y * y
    }
    let direction = [0.6, -0.4, 0.5], h = 1e-4
    let moved = try [h, -h].map { h in
      try gradient(at: Tensor(zip(x, direction).map { $0 + h * $1 })) { try loss($0) }.scalars
    }
    let difference = zip(moved[0], moved[1]).map { ($0 - $1) / (2 * h) }
    let forwardOverReverse = try hvp(at: Tensor(x), along: Tensor(direction)) { try loss($0) }.scalars
    let reverseOverReverse = try gradient(at: Tensor(x)) { x in
      (try gradient(at: x) { try loss($0) } * Tensor(direction)).sum()
    }.scalars
    let reverseOverForward = try gradient(at: Tensor(x)) { x in
      try jvp(at: x, along: Tensor(direction)) { try loss($0) }.tangent.sum()
    }.scalars
    let scale = difference.map(abs).max()!
    // Differences of gradients that are right to the tolerance only are noisier than those of exact ones.
    let noise = sensitivity == .exact ? 1e-5 : 3e-4
    for product in [forwardOverReverse, reverseOverReverse, reverseOverForward] {
      #expect(distance(product, difference) < noise * scale, "\(product) \(difference)")
    }
    let exact = sensitivity == .exact ? 1e-10 : 1e-6
    #expect(distance(forwardOverReverse, reverseOverReverse) < exact * scale)
    #expect(distance(forwardOverReverse, reverseOverForward) < exact * scale)
  }

  @Test(arguments: [Method.dopri5, .rk4, .heun]) func exactGradientsCertify(method: Method) throws {
    let weights = Tensor<Double>(Self.numbers(20, 5), shape: [4, 5]).value.identity
    let bias = Tensor<Double>(Self.numbers(17, 6)).value.identity
    let solution = try odeint(
      from: Tensor<Double>(Self.numbers(15, 7), shape: [3, 5]), at: [0, 0.4, 1], method: method
    ) {
      t, y in
      let hidden = tanh(matmul(y, Tensor(weights), transposeB: true) + t)
      return matmul(hidden, Tensor(weights)) - y + y * Tensor(bias)[0..<5] * 0.0
    }
    let certificate = try solution.certifyGradient()
    #expect(certificate.inputs.map(\.name).prefix(2) == ["y0", "times"])
    #expect(certificate.inputs.count == 4)
    for input in certificate.inputs {
      // Adaptive interior save times: forward mode uses the field for the interpolant's slope.
      let bound = input.name == "times" ? 1e-4 : 1e-12
      #expect(input.dualityDefect < bound, "\(certificate)")
    }
    #expect(certificate.worstDifference < 1e-8, "\(certificate)")
    #expect(certificate.untouched.map(\.name).count == 1, "\(certificate)")
  }

  @Test func thePlanFollowsTheBudget() {
    func plan(_ sensitivity: SensitivityMethod, _ controller: Controller) -> SensitivityPlan {
      solve(
        from: Tensor<Double>.zeros([8]), at: [0, 1], method: .dopri5, controller: controller,
        sensitivity: sensitivity
      ) { _, y in -y }.sensitivity
    }
    // A state is 64 bytes.
    #expect(plan(.exact(memory: .bytes(800)), .automatic) == .exact(states: 12, bytes: 768, residualBytes: 0))
    #expect(plan(.exact(memory: .bytes(1)), .automatic) == .exact(states: 2, bytes: 128, residualBytes: 0))
    #expect(
      plan(.exact, .fixed(stepsPerInterval: 5)) == .exact(states: 5, bytes: 320, residualBytes: 32 << 20))
    let kept = SensitivityPlan.exact(states: 4096, bytes: 4096 * 64, residualBytes: 32 << 20)
    #expect(plan(.exact, .automatic) == kept)
    #expect("\(kept)".contains("stages in up to 33554432 bytes"))
    #expect(
      plan(.exact(memory: .bytes(800), residuals: .bytes(5000)), .automatic)
        == .exact(states: 12, bytes: 768, residualBytes: 5000))
    #expect(plan(.backsolve, .automatic) == .backsolve(rtol: nil, atol: nil))
    #expect("\(plan(.backsolve(rtol: 1e-3), .automatic))" == "backsolve, constant memory, rtol 0.001")
    #expect("\(plan(.exact(memory: .bytes(800)), .automatic))".contains("up to 12 states"))
  }
}
