import Testing

@testable import NODECore

/// What came out of a derivative is a tensor like any other as soon as the derivative is there.
@Suite struct DerivativeScopeTests {
  private func updated() -> Tensor<Double> {
    let w = Tensor<Double>([1, 2])
    return w - 0.1 * gradient(at: w) { ($0 * $0 * -10.0).sum() }
  }

  /// y' = y^2 from 3 and 6 reaches its pole before t = 2.
  @Test func solvesOfResultsThrowWhereTheyAreCalled() throws {
    let one = Tensor<Double>.ones([2])
    let derivatives: [Tensor<Double>] = [
      updated(),
      updated() + jvp(at: updated(), along: one) { $0 * 0.0 }.tangent,
      updated() + vjp(at: updated()) { $0 * 0.0 }.pullback(one),
      updated() + hvp(at: updated(), along: one) { ($0 * $0 * 0.0).sum() },
      updated() + jacobian(at: updated()) { $0 * 0.0 }.sum(axes: 1),
      updated() + valueAndGradient(at: updated()) { ($0 * 0.0).sum() }.value,
    ]
    for start in derivatives {
      #expect(throws: SolveError.self) { try odeint(from: start, t0: 0, t1: 2) { _, y in y * y } }
      let captured = start * 0.0
      #expect(throws: SolveError.self) {
        try odeint(from: Tensor<Double>([3, 6]), t0: 0, t1: 2) { _, y in y * y + captured }
      }
    }
  }

  /// The gradient's program runs the solve: it is not run alone before.
  @Test func solvesInsideOfADerivativeWaitForIt() throws {
    var inner: [Solution<Double>] = []
    let found = try gradient(at: updated()) { y0 in
      let solution = try odeint(from: y0, t0: 0, t1: 0.1) { _, y in -y }
      inner.append(solution)
      // A derivative that is over inside of one that is not.
      let nested = gradient(at: Tensor<Double>([1, 1])) { ($0 * y0).sum() }
      inner.append(try odeint(from: nested, t0: 0, t1: 0.1) { _, y in -y })
      return solution.final.sum() + inner[1].final.sum()
    }
    #expect(inner.allSatisfy { $0.states.value.node.evaluated(0) == nil })
    let decay = found.scalars[0] / 2
    #expect(abs(decay - 0.9048374180359595) < 1e-5)
    #expect(inner.allSatisfy { $0.inputs.areKnown })
  }

  @Test func compiledFunctionsCompileForResults() throws {
    let twice = compiled { (x: Tensor<Double>) in x * 2 }
    #expect(try twice(updated()).scalars == [6, 12])
    #expect(twice.signatureCount == 1)
    let inside = try gradient(at: updated()) { x in try (twice(x) * x).sum() }
    #expect(inside.scalars == [12, 24] && twice.signatureCount == 1)
  }

  @Test func derivativesOfOtherTasksDoNotMatter() async throws {
    await withTaskGroup(of: Bool.self) { group in
      for task in 0..<8 {
        group.addTask {
          for _ in 0..<20 {
            do {
              if task.isMultiple(of: 2) {
                _ = try gradient(at: updated()) { y0 in
                  let solution = try odeint(from: y0, t0: 0, t1: 2) { _, y in y * y }
                  return solution.final.sum()
                }
              } else {
                _ = try odeint(from: updated(), t0: 0, t1: 2) { _, y in y * y }
                return false
              }
            } catch {
              // Only what is not inside of a derivative is run, and throws.
              if task.isMultiple(of: 2) { return false }
            }
          }
          return true
        }
      }
      for await isRight in group { #expect(isRight) }
    }
  }
}
