import NODECore

@testable import ProgramFuzzing

/// A function of values, at a point where it is smooth, whose derivatives the tests check.
struct DerivativeCase: Sendable, CustomStringConvertible {
  let description: String
  let arguments: [Value]
  let function: @Sendable ([Value]) -> [Value]

  init(_ description: String, _ arguments: [Value], _ function: @escaping @Sendable ([Value]) -> [Value]) {
    self.description = description
    self.arguments = arguments
    self.function = function
  }

  /// Derivatives to `order`, both modes in every combination, against finite differences and each other.
  func check(order: Int = 2, tolerance: Double = 1e-8) throws -> GradientReport {
    try DerivativeCheck.run(
      function, at: arguments, order: order, modes: [.forward, .reverse], tolerance: tolerance, seed: 7
    ) { values in
      var interpreter = Interpreter()
      interpreter.structured = { operation, x in
        precondition(operation is Cube)
        return [x[0].map { $0 * $0 * $0 }]
      }
      return interpreter.evaluate(values)
    }
  }
}

/// Distinct numbers of both signs, 0.2 to 1.8 in magnitude, the distance to every integer and to each other at least 0.01 as
/// long as there are few: none of the primitives has a kink there.
func spreadOut(_ shape: Shape, seed: UInt64 = 1, positive: Bool = false) -> Value {
  var stream = RandomStream(key: RandomKey(seed: seed))
  let elements = (0..<shape.count).map { index -> Double in
    let word = stream.nextWord()
    let fraction = 0.1 + 0.8 * (Double((index * 37 + Int(seed) * 11) % 101) + 0.5) / 101
    let magnitude = word & 2 == 0 ? fraction + 0.1 : fraction + 1
    let kept = (magnitude - magnitude.rounded()).magnitude < 0.02 ? magnitude + 0.05 : magnitude
    return positive || word & 1 == 0 ? kept : -kept
  }
  return Graph.constant(elements, shape)
}

extension Value {
  static func data(_ elements: [Double], _ shape: Shape) -> Value { Graph.constant(elements, shape) }
  static func labels(_ elements: [Int32], _ shape: Shape) -> Value { Graph.constant(elements, shape) }
}
