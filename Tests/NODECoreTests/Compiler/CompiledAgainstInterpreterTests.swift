import NODECore
import Testing

@testable import ProgramFuzzing

/// Compiled programs give what the plain definitions of the primitives give: values and gradients of every case of the
/// derivative tests, and every elementwise operation.
@Suite(.smallBlocks) struct CompiledAgainstInterpreterTests {
  @Test(arguments: Primitive.allCases)
  func valuesAndGradients(_ primitive: Primitive) throws {
    if primitive == .structured { return }  // Cube has no lowering.
    for check in primitive.cases {
      let copies = check.arguments.map(\.identity)
      let outputs = check.function(copies)
      let cotangents = outputs.enumerated().map { spreadOut($1.shape, seed: UInt64($0 + 9)) }
      let gradients = pullback(of: outputs, cotangents: cotangents, to: copies).compactMap { $0 }
      try compare(outputs + gradients, "\(check)")
    }
  }

  @Test(arguments: Elementwise.all)
  func elementwise(_ operation: Elementwise) throws {
    let operands = (0..<operation.arity).map { spreadOut([37], seed: UInt64($0 + 1), positive: $0 == 0) }
    try compare([Graph.one(.elementwise(operation), operands)], operation.name)
  }

  private func compare(_ values: [Value], _ name: String) throws {
    var interpreter = Interpreter()
    let expected = interpreter.evaluate(values)
    let computed = try evaluate(values)
    for ((value, oracle), storage) in zip(zip(values, expected), computed) {
      let actual = storage.array(of: Double.self, count: value.shape.count)
      for (a, b) in zip(actual, oracle) {
        #expect((a - b).magnitude <= 1e-13 * max(1, b.magnitude), "\(name): \(a) instead of \(b)")
      }
    }
  }
}
