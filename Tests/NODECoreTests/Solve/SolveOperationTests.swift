import Testing

@testable import NODECore

/// When two solves count as one computation: what caches of programs and common subexpressions rely on.
@Suite struct SolveOperationTests {
  static func identity(
    of operand: Double = 2, method: Method = .dopri5, rtol: Double = 1e-6, shape: Shape = [3],
    field: ((Tensor<Double>, Tensor<Double>) -> Tensor<Double>)? = nil
  ) throws -> AnyHashable {
    let solution = solve(from: Tensor<Double>.zeros(shape), at: [0, 1], method: method, rtol: rtol) { t, y in
      field?(t, y) ?? sin(y * operand) + Tensor<Double>([1, 2, 3]).sum() * t
    }
    guard case .structured(let operation) = solution.states.value.node.operation else { return 0 }
    return try #require(operation.identity)
  }

  @Test func tracingAgainGivesAnEqualOperation() throws {
    #expect(try Self.identity() == Self.identity())
    #expect(try Self.identity().hashValue == Self.identity().hashValue)
  }

  @Test func whateverDiffersMakesAnother() throws {
    let one = try Self.identity()
    #expect(try one != Self.identity(of: 3))
    #expect(try one != Self.identity(method: .tsit5))
    #expect(try one != Self.identity(rtol: 1e-5))
    #expect(try one != Self.identity(shape: [2, 3]))
    #expect(try one != Self.identity { t, y in cos(y * 2.0) + Tensor<Double>([1, 2, 3]).sum() * t })
  }

  /// Small constants are part of the body: their elements count.
  @Test func constantsInsideOfTheBodyCount() throws {
    func identity(_ numbers: [Double]) throws -> AnyHashable {
      try Self.identity { _, y in y * Tensor<Double>(numbers) }
    }
    #expect(try identity([1, 2, 3]) == identity([1, 2, 3]))
    #expect(try identity([1, 2, 3]) != identity([1, 2, 4]))
  }
}
