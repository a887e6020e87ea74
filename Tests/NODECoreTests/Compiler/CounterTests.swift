import NODECore
import Testing

/// Counters against what the shapes say.
@Suite struct CounterTests {
  private func counters(_ sensitivity: SensitivityMethod) throws -> ProgramCounters {
    let y0 = Tensor<Float>(repeating: 0.5, shape: [10, 6])
    let step = compiled { (w: Tensor<Float>) in
      try gradient(at: w) { w in
        let solution = try odeint(
          from: y0, at: [0, 1], method: .rk4, controller: .fixed(stepsPerInterval: 3),
          sensitivity: sensitivity
        ) { _, y in matmul(y, w) }
        return solution.final.sum()
      }
    }
    return try step.program(for: Tensor(repeating: 0.1, shape: [6, 6])).counters
  }

  @Test func aSolveCountsItsFieldOnce() throws {
    let product = 2 * 10 * 6 * 6
    let exact = try counters(.exact), backsolve = try counters(.backsolve)
    for counted in [exact, backsolve] {
      #expect(counted.solves == 1 && counted.solveGradients == 1)
      #expect(counted.evaluationFlops == product)
      // The weights are packed as they are and transposed.
      #expect(counted.packedBytes >= 2 * 6 * 6 * 4 && counted.packedBytes % 64 == 0)
    }
    // Cotangents of y and w; backsolve evaluates the field besides.
    #expect(exact.recomputationFlops == product && exact.productFlops == 2 * product)
    #expect(backsolve.recomputationFlops == 0 && backsolve.productFlops == 3 * product)
    #expect(
      exact.flops(forward: 12, recomputed: 12, backward: 12) == exact.flops + 12 * 4 * product)
  }

  @Test func severalSolvesDoNotShareCounts() {
    var counted = ProgramCounters()
    (counted.solves, counted.flops) = (2, 5)
    #expect(counted.flops(forward: 1, recomputed: 0, backward: 0) == nil)
    counted.solves = 0
    #expect(counted.flops(forward: 0, recomputed: 0, backward: 0) == 5)
  }

  @Test func operationsAndFlopsOfAProduct() throws {
    let product = compiled { (a: Tensor<Float>, b: Tensor<Float>) in matmul(a, b) }
    let program = try product.program(
      for: Tensor(repeating: 1, shape: [8, 4]), Tensor(repeating: 1, shape: [4, 5]))
    #expect(program.counters.flops == 2 * 8 * 4 * 5 && program.counters.flops == program.flops)
    #expect(program.counters.operations == program.operationCount && program.counters.solves == 0)
  }
}
