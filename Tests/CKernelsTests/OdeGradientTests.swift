import CKernels
import Foundation
import Testing

@Suite struct OdeGradientTests {
  /// Budgets that no machine has give a size that no machine has, and no negative one.
  @Test(arguments: [0, 1] as [Int32]) func tapesBeyondAllMemory(isPerLane: Int32) {
    var tableau = TestMethod.rk4.tableau
    withUnsafePointer(to: &tableau) { tableau in
      var ode = nk_ode()
      ode.tableau = tableau
      ode.controller = OdeProblem.adaptive(1e-6)
      ode.controller.per_lane = isPerLane
      ode.controller.max_steps = 1 << 40
      ode.dtype = .NK_F64
      (ode.lanes, ode.dim, ode.time_count) = (1 << 20, 1 << 10, 2)
      ode.checkpoints = .max
      #expect(nk_ode_tape_bytes(&ode) >= 1 << 50)
      ode.controller.adaptive = 0
      ode.controller.steps_per_interval = .max
      ode.time_count = .max
      #expect(nk_ode_tape_bytes(&ode) >= 1 << 50)
    }
  }

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

  /// Steps whose stages the tape keeps are not evaluated again, and their gradient has the same bits.
  @Test(arguments: TestMethod.all, grids) func residualsAreKept(method: TestMethod, times: [Double]) throws {
    let isAdaptive = method.embedded > 0
    for controller in [OdeProblem.fixed(stepsPerInterval: 5)]
      + (isAdaptive ? [OdeProblem.adaptive(1e-4)] : [])
    {
      var problem = OdeProblem(times: times, method: method, controller: controller)
      let found = problem.run(gradient: true), steps = found.stepTimes.count - 1
      let gradient = try #require(found.gradient), evaluated = found.gradientStatistics
      #expect(evaluated[Int(NK_STAT_RECOMPUTED)] == evaluated[Int(NK_STAT_EVALUATIONS)])
      // Five rows of three doubles, and the residuals of three blocks of two lanes.
      let step = Int64(method.weights.count * (128 + 3 * 64))
      for (kept, checkpoints, threads) in [
        (0, 1000, 1), (1, 1000, 2), (4, 1000, 1), (4, 2, 2), (steps, 1000, 2), (steps, 3, 1),
      ] {
        problem.residualBudget = step * Int64(kept)
        problem.checkpoints = Int64(checkpoints)
        problem.threads = threads
        let again = problem.run(gradient: true)
        #expect(again.gradient?.flat == gradient.flat, "\(kept) of \(steps) steps, \(checkpoints) states")
        #expect(again.states == found.states && again.statistics[1] == found.statistics[1])
        #expect(again.gradientStatistics[Int(NK_STAT_EVALUATIONS)] == evaluated[Int(NK_STAT_EVALUATIONS)])
        guard checkpoints > steps else { continue }
        let recomputed = again.gradientStatistics[Int(NK_STAT_RECOMPUTED)]
        if kept == steps { #expect(recomputed == 0) }
        if kept > 0 { #expect(recomputed < evaluated[Int(NK_STAT_RECOMPUTED)]) }
        if kept == 0 { #expect(recomputed == evaluated[Int(NK_STAT_RECOMPUTED)]) }
      }
    }
  }

  /// A first stage is evaluated once, whether its step is tried again or follows another of an FSAL method.
  @Test(arguments: [TestMethod.heun, .bosh3]) func backsolveEvaluatesFirstStagesOnce(method: TestMethod) {
    var problem = OdeProblem(
      times: [0, 9], method: method, controller: OdeProblem.adaptive(1e-5),
      sensitivity: .NK_SENSITIVITY_BACKSOLVE)
    // Without a margin of safety about every other proposal is rejected.
    for safety in [0.9, 1.0] {
      problem.controller.safety = safety
      let found = problem.run(gradient: true).gradientStatistics
      let accepted = found[Int(NK_STAT_ACCEPTED)], rejected = found[Int(NK_STAT_REJECTED)]
      #expect(accepted > 3 && (safety < 1 || rejected > 0))
      let stages = Double(method.rows.count - 1) * (accepted + rejected)
      // The way forward knows the initial step; the times' cotangents cost one for each time.
      let first = method.isFSAL ? 1 : accepted
      // The last step of an FSAL method evaluates its last stage for the error alone, as every other one does.
      #expect(found[Int(NK_STAT_EVALUATIONS)] == stages + first + 2, "\(found)")
    }
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
