import NODECore
import Testing

@testable import ProgramFuzzing

@Suite struct PrimitiveDerivativeTests {
  @Test(arguments: Primitive.allCases)
  func derivativesToSecondOrder(_ primitive: Primitive) throws {
    if primitive == .input || primitive == .constant {
      let leaf = spreadOut([2])
      #expect(pullback(of: [leaf], cotangents: [leaf], to: [spreadOut([2])])[0] == nil)
      return
    }
    #expect(!primitive.cases.isEmpty)
    for check in primitive.cases {
      let nodes = Graph.order(of: check.function(check.arguments.map(\.identity)))
      #expect(
        nodes.contains { Primitive($0.operation) == primitive }, "\(check): does not contain the primitive")
      let report = try check.check(tolerance: primitive == .convert ? 1e-3 : 1e-8)
      #expect(report.passed, "\(check): \(report)")
    }
  }

  @Test func wrongRulesAreFound() throws {
    let wrong = DerivativeCase("wrong cube", [spreadOut([3])]) {
      Graph.node(.structured(Cube(reverseScale: 1.001)), $0)
    }
    let report = try wrong.check()
    #expect(!report.passed)
    #expect(throws: GradientMismatch.self) { try report.verify() }
  }

  @Test func fusedOperationsEqualTheirDefinitions() {
    let primitives: [Primitive] = [
      .groupNorm, .groupNormGradient, .softmaxCrossEntropy, .softmaxCrossEntropyGradient, .pool2d,
      .pool2dGradient,
    ]
    for check in primitives.flatMap(\.cases) {
      let outputs = check.function(check.arguments)
      for node in Graph.order(of: outputs) {
        guard case .fused(let operation) = node.operation else { continue }
        let results = node.types.indices.map { Value(node, $0) }
        var interpreter = Interpreter()
        let values = interpreter.evaluate(results + operation.definition(node.operands))
        for index in results.indices {
          #expect(isClose(values[index], values[results.count + index]), "\(check), result \(index)")
        }
        // First-order rules use kernels of their own: equal to the derivative of the definition.
        let copies = node.operands.map(\.identity)
        let cotangents = results.enumerated().map { spreadOut($1.shape, seed: UInt64($0 + 5)) }
        let direct = pullback(of: Graph.node(node.operation, copies), cotangents: cotangents, to: copies)
        let defined = pullback(of: operation.definition(copies), cotangents: cotangents, to: copies)
        for (a, b) in zip(direct, defined) {
          #expect((a == nil) == (b == nil))
          guard let a, let b else { continue }
          let pair = interpreter.evaluate([a, b])
          #expect(isClose(pair[0], pair[1]), "\(check): gradients")
        }
      }
    }
  }

  @Test func labelsThatAreNoClassGiveNaNInTheirRowOnly() {
    let logits = spreadOut([3, 4])
    let labels = Value.labels([1, 4, -1], [3])
    let fused = Graph.one(.fused(.softmaxCrossEntropy), [logits, labels])
    let defined = FusedOperation.softmaxCrossEntropy.definition([logits, labels])[0]
    var interpreter = Interpreter()
    for values in interpreter.evaluate([fused, defined]) {
      #expect(values.map(\.isNaN) == [false, true, true])
    }
  }

  private func isClose(_ a: [Double], _ b: [Double]) -> Bool {
    zip(a, b).allSatisfy { ($0 - $1).magnitude <= 1e-12 * max(1, $0.magnitude) }
  }
}
