/// What `Solution.certifyGradient` found, for every input of the solve that can have a gradient.
public struct GradientCertificate: Sendable, CustomStringConvertible {
  /// What was found for one input.
  public struct Input: Sendable, Hashable {
    /// "y0", "times", or "capture 0", ... in the order in which the field reaches them.
    public let name: String
    public let shape: Shape
    /// False: the gradient is identically zero, structurally or in every element.
    public let receivesGradient: Bool
    /// |<w, J d> - <J^T w, d>| for random w, d, relative to |w| |J d|: forward and reverse mode against each other.
    public let dualityDefect: Double
    /// The same for central differences on frozen steps instead of J d; nil for the times.
    public let differenceDefect: Double?
  }

  /// y0, the times, and the captures; those of integers are left out.
  public let inputs: [Input]

  /// The inputs that got no gradient.
  public var untouched: [Input] { inputs.filter { !$0.receivesGradient } }
  /// Of all inputs.
  public var worstDuality: Double { worst(inputs.map(\.dualityDefect)) }
  /// Of all inputs but the times.
  public var worstDifference: Double { worst(inputs.compactMap(\.differenceDefect)) }

  /// NaN, which `max` may pass over, is the worst.
  private func worst(_ defects: [Double]) -> Double {
    defects.first(where: \.isNaN) ?? defects.max() ?? 0
  }

  public var description: String {
    inputs.map { input in
      let difference = input.differenceDefect.map { ", against differences \($0)" } ?? ""
      return "\(input.name) \(input.shape): "
        + (input.receivesGradient ? "jvp against vjp \(input.dualityDefect)\(difference)" : "no gradient")
    }.joined(separator: "\n")
  }
}

extension Solution {
  /// Checks the gradient of this very solve at this very point: forward against reverse mode, reverse mode against
  /// central differences that take the solve's own steps, and which inputs got none.
  ///
  /// The differences integrate the perturbed problem beside the original in one solve whose controller sees only the
  /// original: the accepted steps are then exactly those that the gradient has frozen. Costs about six
  /// solves per input. An `.exact` gradient has duality defects of round-off size, one by `.backsolve` of the tolerance's.
  /// The times are the exception: forward mode moves a save time inside of an adaptive step along f there, reverse mode along
  /// the interpolant that was read, and the two agree to the interpolant's accuracy only.
  /// - Throws: what the solve throws.
  public func certifyGradient(seed: UInt64 = 0) throws -> GradientCertificate {
    require(inputs.timeCount > 1, "certifyGradient: one time is not integrated to")
    var draw = SplitMix(state: seed)
    let x = inputs.detached()
    let states = x.solved()[0]
    let w = draw.value(states.type)
    let gradients = x.pullback(of: [states], cotangents: [w])
    let step = inputs.y0.dtype == .float32 ? 5e-3 : 1e-5
    var found: [GradientCertificate.Input] = []
    for (index, input) in inputs.values.enumerated() where input.dtype.isFloating {
      let direction = draw.value(input.type)
      var directions = [Value?](repeating: nil, count: inputs.values.count)
      directions[index] = direction
      let tangent = inputs.tangentSolved(along: directions).tangent
      let gradient = gradients[index] ?? input.splat(0)
      var wanted = [
        inner(w, tangent), inner(gradient, direction), inner(w, w), inner(tangent, tangent),
        inner(gradient, gradient),
      ]
      if index != 1 {
        let pair = [step, -step].map { inputs.solvedBeside(moving: index, along: direction, by: $0) }
        wanted.append(inner(w, pair[0] - pair[1]))
      }
      let numbers = try evaluate(wanted).map { $0.array(of: Double.self, count: 1)[0] }
      let scale = max((numbers[2] * numbers[3]).squareRoot(), .leastNormalMagnitude)
      found.append(
        GradientCertificate.Input(
          name: index == 0 ? "y0" : index == 1 ? "times" : "capture \(index - 2)", shape: input.shape,
          receivesGradient: numbers[4] != 0, dualityDefect: abs(numbers[0] - numbers[1]) / scale,
          differenceDefect: index == 1 ? nil : abs(numbers[5] / (2 * step) - numbers[1]) / scale))
    }
    return GradientCertificate(inputs: found)
  }
}

extension SolveInputs {
  /// The states of the problem whose input `index` is moved by `step` times `direction`, on the steps of this one.
  fileprivate func solvedBeside(moving index: Int, along direction: Value, by step: Double) -> Value {
    require(index != 1, "solvedBeside: the steps follow the times")
    let layout = PairLayout(state: y0.type, isPerLane: isPerLane)
    let moved = values[index] + direction * step
    let field = instruction.field
    let pair = Graph.input("pair", layout.type)
    let slope = Graph.substitute(field.outputs, replacing: [field.parameters[1]: layout.first(pair)])[0]
    var replacing = [field.parameters[1]: layout.second(pair)]
    let movedParameter = index == 0 ? [] : [Graph.input("moved", moved.type)]
    for parameter in movedParameter { replacing[field.parameters[index]] = parameter }
    let beside = Graph.substitute(field.outputs, replacing: replacing)[0]
    var paired = instruction
    if paired.controller.errorComponents == 0 { paired.controller.errorComponents = layout.components }
    paired.field = GraphBody(
      parameters: [field.parameters[0], pair] + field.parameters[2...] + movedParameter,
      outputs: [layout.joined(slope, beside)])
    let operands =
      [layout.joined(y0, index == 0 ? moved : y0), times] + captures + (index == 0 ? [] : [moved])
    return layout.second(
      SolveInputs(instruction: paired, values: operands).solved()[0], leading: timeCount)
  }
}

private func inner(_ a: Value, _ b: Value) -> Value {
  let product = a.converted(to: .float64) * b.converted(to: .float64)
  return product.sum(axes: Array(product.shape.dimensions.indices))
}

/// Numbers in (-1, 1) (Steele, Lea, Flood 2014, SplitMix64): a certificate has to be the same every time.
private struct SplitMix {
  var state: UInt64

  mutating func next() -> Double {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    z ^= z >> 31
    return Double(Int64(bitPattern: z) >> 11) / Double(1 << 52)
  }

  mutating func value(_ type: TensorType) -> Value {
    let numbers = (0..<type.shape.count).map { _ in next() }
    let value = Graph.constant(numbers, type.shape)
    return value.converted(to: type.dtype)
  }
}
