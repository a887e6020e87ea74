import CKernels
import Foundation
import Testing

@Suite struct OdeGradientTests {
  static let grids: [[Double]] = [[0, 0.6, 1.3], [0.5, -0.2, -0.25, -0.9], [1, 2]]

  static func expectExact(_ problem: OdeProblem, sourceLocation: SourceLocation = #_sourceLocation) throws {
    let found = problem.run(gradient: true)
    #expect(found.status == .NK_SUCCESS, sourceLocation: sourceLocation)
    let expected = problem.differences(found.stepTimes), gradient = try #require(found.gradient)
    for ((name, a), (_, b)) in zip(gradient.all, expected.all) {
      let difference = largestDifference(a, b)
      #expect(difference < 2e-8, "\(name) of \(problem.method.name)", sourceLocation: sourceLocation)
    }
  }

  /// Every operand's cotangent against differences of the discrete map with frozen steps.
  @Test(arguments: TestMethod.all, grids) func exactWithFixedSteps(method: TestMethod, times: [Double]) throws
  {
    for controller in [OdeProblem.fixed(stepsPerInterval: 3), OdeProblem.fixed(step: 0.17)] {
      try Self.expectExact(OdeProblem(times: times, method: method, controller: controller))
    }
  }

  @Test(arguments: [TestMethod.heun, .bosh3], grids) func exactWithAdaptiveSteps(
    method: TestMethod, times: [Double]
  ) throws {
    try Self.expectExact(OdeProblem(times: times, method: method, controller: OdeProblem.adaptive(1e-3)))
  }

  /// Bits depend neither on the threads nor on how many states the tape keeps.
  @Test func exactBitsAreFixed() throws {
    for controller in [OdeProblem.fixed(stepsPerInterval: 70), OdeProblem.adaptive(1e-7)] {
      var problem = OdeProblem(method: .bosh3, controller: controller)
      let found = problem.run(gradient: true)
      let gradient = try #require(found.gradient)
      #expect(found.stepTimes.count > 60)
      #expect(found.statistics[Int(NK_STAT_CHECKPOINTS)] == Double(found.stepTimes.count - 1))
      for checkpoints in [1, 2, 3, 7, 16, 50] {
        problem.checkpoints = Int64(checkpoints)
        for threads in [1, 2] {
          problem.threads = threads
          let again = problem.run(gradient: true)
          #expect(again.statistics[Int(NK_STAT_CHECKPOINTS)] <= Double(checkpoints))
          #expect(again.gradient?.flat == gradient.flat, "\(checkpoints) checkpoints, \(threads) threads")
        }
      }
    }
  }

  /// The gradient's memory depends on the checkpoints, not on the steps that a solve takes.
  @Test func recomputationIsCounted() {
    var problem = OdeProblem(method: .rk4, controller: OdeProblem.fixed(stepsPerInterval: 32))
    let all = problem.run(gradient: true).gradientStatistics
    #expect(all[Int(NK_STAT_EVALUATIONS)] == 4 * 64 && all[Int(NK_STAT_RECOMPUTED)] == 4 * 64)
    problem.checkpoints = 8
    let some = problem.run(gradient: true).gradientStatistics
    #expect(some[Int(NK_STAT_EVALUATIONS)] == 4 * 64)
    #expect(some[Int(NK_STAT_RECOMPUTED)] == Double(4 * (64 + 64 - 8)))
  }

  @Test(arguments: [TestMethod.heun, .bosh3], grids) func backsolveConverges(
    method: TestMethod, times: [Double]
  ) throws {
    // The continuous gradient, to the accuracy of a fine discrete one.
    let fine = OdeProblem(times: times, method: .rk4, controller: OdeProblem.fixed(stepsPerInterval: 200))
    let expected = try #require(fine.run(gradient: true).gradient)
    var errors: [Double] = []
    for tolerance in [1e-3, 1e-5, 1e-7] {
      var problem = OdeProblem(
        times: times, method: method, controller: OdeProblem.adaptive(tolerance),
        sensitivity: .NK_SENSITIVITY_BACKSOLVE)
      let found = problem.run(gradient: true), gradient = try #require(found.gradient)
      #expect(found.status == .NK_SUCCESS)
      errors.append(largestDifference(gradient.flat, expected.flat))
      problem.threads = 2
      #expect(problem.run(gradient: true).gradient?.flat == gradient.flat)
    }
    #expect(errors[0] < 0.1 && errors[1] < errors[0] && errors[2] < errors[1] && errors[2] < 1e-4)
  }

  @Test func backsolveWithFixedStepsHasTheMethodsOrder() throws {
    for times in Self.grids {
      let fine = OdeProblem(times: times, controller: OdeProblem.fixed(stepsPerInterval: 200))
      let expected = try #require(fine.run(gradient: true).gradient)
      func error(_ steps: Int64) throws -> Double {
        let problem = OdeProblem(
          times: times, controller: OdeProblem.fixed(stepsPerInterval: steps),
          sensitivity: .NK_SENSITIVITY_BACKSOLVE)
        return largestDifference(try #require(problem.run(gradient: true).gradient).flat, expected.flat)
      }
      let coarse = try error(8), halved = try error(16)
      #expect(coarse < 1e-3 && log2(coarse / halved) > 3.5, "\(coarse) \(halved)")
    }
  }
}
