import Foundation
import Testing

@testable import NODECore
@testable import ProgramFuzzing

/// The derivative rules of solves as graph transformations: what they build, written out in primitives, against what
/// differentiating the written-out solve gives. No kernel runs here.
@Suite struct SolveRulesTests {
  /// A non-autonomous, nonlinear field of three captures of which one has no effect.
  static func problem(_ method: Method, times: [Double], sensitivity: SensitivityMethod = .exact) -> (
    solution: Solution<Double>, inputs: [Value]
  ) {
    let y0 = Tensor<Double>([0.4, -0.3, 0.8, 0.1], shape: [2, 2]).value.identity
    let a = Tensor<Double>([0.7, -1.1]).value.identity
    let b = Tensor<Double>(0.6).value.identity
    let unused = Tensor<Double>([1, 2, 3]).value.identity
    let times = Tensor<Double>(times).value.identity
    let solution = solve(
      from: Tensor<Double>(y0), at: Tensor<Double>(times), method: method,
      controller: .fixed(stepsPerInterval: 2), sensitivity: sensitivity
    ) { t, y in
      let mixed = y * sin(y.reversed(axes: 1) * Tensor(a)) - exp(Tensor(b) * t) * y * y * Tensor(a)
      return mixed + Tensor(unused).sum() * 0.0 * t
    }
    return (solution, [y0, times, a, b, unused])
  }

  static func numbers(_ seed: Int, _ type: TensorType) -> Value {
    Graph.constant((0..<type.shape.count).map { sin(Double($0 * 7 + seed * 13) + 0.5) }, type.shape)
  }

  /// Largest difference, relative to the larger vector.
  static func difference(_ a: [Double], _ b: [Double]) -> Double {
    let scale = (a + b).map(abs).max() ?? 0
    return zip(a, b).map { abs($0 - $1) }.max()! / max(scale, 1e-300)
  }

  static func expect(
    _ rule: [Value?], _ oracle: [Value?], like values: [Value], _ comment: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    for (index, value) in values.enumerated() {
      let a = Unrolling.expanded([rule[index] ?? value.splat(0)])[0], b = oracle[index] ?? value.splat(0)
      let difference = difference(interpreted(a), interpreted(b))
      #expect(difference < 1e-12, "\(comment), value \(index): \(difference)", sourceLocation: sourceLocation)
    }
  }

  @Test(arguments: [Method.euler, .heun, .rk4]) func firstDerivatives(method: Method) {
    for times in [[0, 0.7], [0.2, -0.1, -0.9]] {
      let (solution, inputs) = Self.problem(method, times: times)
      let states = solution.states.value, unrolled = Unrolling.expanded([states])[0]
      let w = Self.numbers(1, states.type)
      Self.expect(
        pullback(of: [states], cotangents: [w], to: inputs),
        pullback(of: [unrolled], cotangents: [w], to: inputs), like: inputs, "vjp \(times)")
      for (index, input) in inputs.enumerated() {
        var tangents = [Value?](repeating: nil, count: inputs.count)
        tangents[index] = Self.numbers(2, input.type)
        Self.expect(
          pushforward(of: [states], inputs: inputs, tangents: tangents),
          pushforward(of: [unrolled], inputs: inputs, tangents: tangents), like: [states],
          "jvp along \(index) \(times)")
      }
    }
  }

  /// jvp and vjp of the gradient node, with respect to its cotangent and to everything else.
  @Test(arguments: [Method.midpoint]) func secondDerivatives(method: Method) {
    for times in [[0, 0.7], [0.2, -0.1, -0.9]] {
      let (solution, inputs) = Self.problem(method, times: times)
      let states = solution.states.value, unrolled = Unrolling.expanded([states])[0]
      let w = Self.numbers(1, states.type).identity
      let all = inputs + [w]
      func gradient(_ states: Value) -> [Value] {
        zip(inputs, pullback(of: [states], cotangents: [w], to: inputs)).map { $1 ?? $0.splat(0) }
      }
      let rule = gradient(states), oracle = gradient(unrolled)
      let cotangents = inputs.enumerated().map { Self.numbers(3 + $0, $1.type) }
      Self.expect(
        pullback(of: rule, cotangents: cotangents, to: all),
        pullback(of: oracle, cotangents: cotangents, to: all),
        like: all, "vjp of the gradient \(times)")
      for (index, input) in all.enumerated() {
        var tangents = [Value?](repeating: nil, count: all.count)
        tangents[index] = Self.numbers(9, input.type)
        Self.expect(
          pushforward(of: rule, inputs: all, tangents: tangents),
          pushforward(of: oracle, inputs: all, tangents: tangents), like: inputs,
          "jvp of the gradient along \(index) \(times)")
      }
      // Reverse over forward, as a Hessian-vector product may also be had.
      var tangents = [Value?](repeating: nil, count: inputs.count)
      for index in inputs.indices { tangents[index] = Self.numbers(20 + index, inputs[index].type) }
      func moved(_ states: Value) -> [Value?] {
        let tangent = pushforward(of: [states], inputs: inputs, tangents: tangents)
        return pullback(of: [tangent[0]!], cotangents: [w], to: inputs)
      }
      Self.expect(moved(states), moved(unrolled), like: inputs, "vjp of the jvp \(times)")
    }
  }

  @Test func thirdDerivativesAreSolvesToo() {
    let (solution, inputs) = Self.problem(.euler, times: [0, 0.5])
    func third(_ states: Value) -> [Value?] {
      var value = states.sum(axes: [0, 1, 2])
      for order in 0..<3 {
        let direction = Self.numbers(order, inputs[0].type)
        let gradient = pullback(of: [value], cotangents: [value.splat(1)], to: [inputs[0]])[0]!
        value = (gradient * direction).sum(axes: [0, 1])
      }
      return [value]
    }
    let states = solution.states.value
    Self.expect(third(states), third(Unrolling.expanded([states])[0]), like: [inputs[3]], "third derivative")
  }

  @Test func anEffectlessCaptureGetsExactlyNothing() {
    let (solution, inputs) = Self.problem(.rk4, times: [0, 1])
    let states = solution.states.value
    let gradient = pullback(of: [states], cotangents: [states.splat(1)], to: [inputs[4]])[0]
    // 0 * sum(unused) is a number of the graph, so there is a gradient; it is zero to the last bit.
    let value = Unrolling.expanded([gradient!])[0]
    #expect(interpreted(value).allSatisfy { $0 == 0 })
    let stranger = Tensor<Double>([1.0]).value.identity
    #expect(pullback(of: [states], cotangents: [states.splat(1)], to: [stranger])[0] == nil)
  }

  @Test func oneTimeIsTheIdentity() {
    let (solution, inputs) = Self.problem(.rk4, times: [3])
    let states = solution.states.value
    #expect(states.shape == [1, 2, 2])
    let w = Self.numbers(1, states.type)
    let gradients = pullback(of: [states], cotangents: [w], to: inputs)
    #expect(interpreted(gradients[0]!) == interpreted(w))
    #expect(gradients[1] == nil && gradients[2] == nil)
    let v = Self.numbers(2, inputs[0].type)
    let moved = pushforward(of: [states], inputs: [inputs[0]], tangents: [v])[0]!
    #expect(interpreted(moved) == interpreted(v))
  }

  /// The tangent solve has twice the state, controls the error of its first half, and keeps the settings.
  @Test(arguments: [SensitivityMethod.exact, .backsolve]) func tangentSolvesTakeTheStepsOfThePrimal(
    sensitivity: SensitivityMethod
  ) throws {
    let y0 = Tensor<Float>([1, 2, 3]).value.identity
    let solution = solve(
      from: Tensor<Float>(y0), at: [0, 1, 2], rtol: 1e-3, atol: 1e-5, sensitivity: sensitivity
    ) {
      t, y in -y * y
    }
    let tangent = pushforward(of: [solution.states.value], inputs: [y0], tangents: [y0.splat(1)])[0]!
    let solves = Graph.order(of: [tangent]).compactMap { node -> SolveInstruction? in
      guard case .structured(let operation) = node.operation else { return nil }
      return (operation as? SolveOperation)?.solve
    }
    let augmented = try #require(solves.last)
    #expect(augmented.controller.errorComponents == 3)
    #expect(augmented.controller.rtol == 1e-3 && augmented.controller.atol == 1e-5)
    #expect(augmented.field.parameters[1].shape == [2, 3])
    #expect(augmented.sensitivity == solution.inputs.instruction.sensitivity)
    // Twice augmented, the first third still leads.
    let second = pushforward(of: [tangent], inputs: [y0], tangents: [y0.splat(1)])[0]!
    let twice = Graph.order(of: [second]).compactMap { node -> SolveInstruction? in
      guard case .structured(let operation) = node.operation else { return nil }
      return (operation as? SolveOperation)?.solve
    }
    #expect(twice.contains { $0.field.parameters[1].shape.count == 12 && $0.controller.errorComponents == 3 })
  }
}
