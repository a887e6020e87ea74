import CKernels
import Foundation
import Testing

@Suite struct OdeSolveTests {
  @Test(arguments: TestMethod.all, [[0, 0.6, 1.3], [0.5, -0.2, -0.9], [1, 2]])
  func fixedStepsAreTheTableau(method: TestMethod, times: [Double]) {
    for controller in [OdeProblem.fixed(stepsPerInterval: 3), OdeProblem.fixed(step: 0.17)] {
      var problem = OdeProblem(times: times, method: method, controller: controller)
      let found = problem.run()
      #expect(found.status == .NK_SUCCESS)
      #expect(found.stepTimes.first == times.first && found.stepTimes.last == times.last)
      let expected = problem.states(problem.values, stepTimes: found.stepTimes)
      #expect(largestDifference(found.states, expected) < 1e-13)
      // Bits do not depend on threads, nor on how many lanes a block has.
      problem.threads = 2
      #expect(problem.run().states == found.states)
      problem.blockLanes = 5
      #expect(problem.run().states == found.states)
    }
  }

  /// Blocks of whole tiles are cut evenly: no lane twice, none left out, whatever their number.
  @Test(arguments: [(61, 36), (256, 36), (25, 12), (145, 48), (47, 24)])
  func evenBlocksHaveEveryLaneOnce(lanes: Int, blockLanes: Int64) {
    for controller in [OdeProblem.fixed(stepsPerInterval: 3), OdeProblem.adaptive(1e-4)] {
      for sensitivity in [nk_sensitivity.NK_SENSITIVITY_EXACT, .NK_SENSITIVITY_BACKSOLVE] {
        var problem = OdeProblem(
          lanes: lanes, times: [0, 0.6, 1.3], method: .bosh3, controller: controller, sensitivity: sensitivity
        )
        problem.residualBudget = 1 << 20
        problem.blockLanes = Int64(lanes)
        let whole = problem.run(gradient: true)
        problem.blockLanes = blockLanes
        for threads in [1, 2] {
          problem.threads = threads
          let cut = problem.run(gradient: true)
          // Adaptive: the norm is a sum over blocks.
          let tolerance = controller.adaptive == 0 ? 0 : 1e-12
          #expect(largestDifference(cut.states, whole.states) <= tolerance)
          #expect(largestDifference(cut.gradient!.flat, whole.gradient!.flat) < 1e-11)
        }
      }
    }
  }

  @Test(arguments: [TestMethod.heun, .bosh3], [[0, 0.6, 0.61, 1.3], [0.5, -0.2, -0.9]])
  func adaptiveStepsAreTheTableau(method: TestMethod, times: [Double]) {
    for (i, p) in [(1.0, 0.0), (0.3, 0.4)] {
      var problem = OdeProblem(
        times: times, method: method, controller: OdeProblem.adaptive(1e-4, i: i, p: p))
      let found = problem.run()
      #expect(found.status == .NK_SUCCESS)
      #expect(found.stepTimes.last == times.last && found.stepTimes.count > 3)
      let expected = problem.states(problem.values, stepTimes: found.stepTimes)
      #expect(largestDifference(found.states, expected) < 1e-13)
      problem.threads = 2
      let again = problem.run()
      #expect(again.states == found.states && again.statistics == found.statistics)
      problem.controller.rtol = 1e-8
      problem.controller.atol = 1e-8
      let fine = problem.run()
      #expect(fine.stepTimes.count > found.stepTimes.count)
      #expect(largestDifference(found.states, fine.states) < 1e-3)
    }
  }

  /// y' = -y: evaluations as a user counts them, and the exponential to the tolerance.
  @Test func decay() {
    var problem = OdeProblem(
      field: .power(scale: -1, power: 1), times: [0, 0.5, 2], method: .bosh3,
      controller: OdeProblem.adaptive(1e-7))
    let found = problem.run()
    #expect(found.status == .NK_SUCCESS)
    #expect(found.statistics[Int(NK_STAT_REACHED)] == 2)
    for (row, t) in problem.times.enumerated() {
      for (i, y) in problem.values.y0.enumerated() where y > 0 {
        #expect(abs(found.states[row * 15 + i] - y * exp(-t)) < 1e-5)
      }
    }
    let accepted = found.statistics[Int(NK_STAT_ACCEPTED)], rejected = found.statistics[Int(NK_STAT_REJECTED)]
    #expect(found.statistics[Int(NK_STAT_EVALUATIONS)] == 2 + 3 * (accepted + rejected))
    problem.method = .rk4
    problem.controller = OdeProblem.fixed(stepsPerInterval: 8)
    #expect(problem.run().statistics[Int(NK_STAT_EVALUATIONS)] == 4 * 16)
  }

  @Test func oneTimeIsTheIdentity() throws {
    for controller in [OdeProblem.fixed(stepsPerInterval: 3), OdeProblem.adaptive(1e-5)] {
      for sensitivity in [nk_sensitivity.NK_SENSITIVITY_EXACT, .NK_SENSITIVITY_BACKSOLVE] {
        let problem = OdeProblem(
          times: [0.3], method: .bosh3, controller: controller, sensitivity: sensitivity)
        let found = problem.run(gradient: true)
        #expect(found.states == problem.values.y0)
        let gradient = try #require(found.gradient)
        #expect(gradient.y0 == problem.weights)
        #expect((gradient.a + gradient.b + gradient.w + gradient.times).allSatisfy { $0 == 0 })
      }
    }
  }

  // MARK: Failure

  static func failing(_ field: OdeProblem.Field, _ controller: nk_controller, y0: [Double])
    -> OdeProblem.Outcome
  {
    let problem = OdeProblem(
      field: field, lanes: y0.count, dim: 1, times: [0, 0.5, 3], method: .bosh3, controller: controller)
    var values = problem.values
    values.y0 = y0
    return problem.run(values)
  }

  /// y' = y^2 from 1 leaves at t = 1.
  @Test func blowUp() {
    let found = Self.failing(.power(scale: 1, power: 2), OdeProblem.adaptive(1e-4), y0: [0.1, 0.1, 1, 0.1])
    #expect([.NK_STEP_UNDERFLOW, .NK_NON_FINITE_FIELD].contains(found.status))
    #expect(found.diagnosis.status == found.status)
    #expect(abs(found.diagnosis.t - 1) < 1e-2)
    #expect(found.diagnosis.lane == 2 && found.diagnosis.component == 0)
    #expect(found.diagnosis.steps > 10)
    #expect(found.statistics[Int(NK_STAT_STATUS)] == Double(found.status.rawValue))
    #expect(found.statistics[Int(NK_STAT_REACHED)] == found.diagnosis.t)
    // The save time before is there, the one after holds the last good state.
    #expect(abs(found.states[4 + 2] - 2) < 1e-2)
    #expect(found.states[8 + 2] > 100 && found.states[8 + 2].isFinite)
  }

  @Test func stepBudget() {
    var controller = OdeProblem.adaptive(1e-9)
    controller.max_steps = 20
    let found = Self.failing(.power(scale: -1, power: 2), controller, y0: [1, 2])
    #expect(found.status == .NK_MAX_STEPS)
    #expect(found.diagnosis.steps == 20)
    var fixed = OdeProblem.fixed(step: 0.01)
    fixed.max_steps = 299
    #expect(Self.failing(.power(scale: -1, power: 2), fixed, y0: [1, 2]).status == .NK_MAX_STEPS)
    fixed.max_steps = 300
    #expect(Self.failing(.power(scale: -1, power: 2), fixed, y0: [1, 2]).status == .NK_SUCCESS)
  }

  @Test func smallestStep() {
    var controller = OdeProblem.adaptive(1e-10)
    controller.min_step = 0.1
    let found = Self.failing(.power(scale: -10, power: 2), controller, y0: [1, 2])
    #expect(found.status == .NK_STEP_UNDERFLOW)
    #expect(abs(found.diagnosis.h) < 0.1 && found.diagnosis.error_ratio > 1)
  }

  /// The square root's slope is not a number for negative states.
  @Test func fieldsAndStatesThatAreNotFinite() {
    let root = OdeProblem.Field.power(scale: 1, power: 0.5)
    let fixed = OdeProblem.fixed(stepsPerInterval: 2)
    for controller in [OdeProblem.adaptive(1e-5), fixed] {
      let found = Self.failing(root, controller, y0: [1, -1, 1])
      #expect(found.status == .NK_NON_FINITE_FIELD)
      #expect(found.diagnosis.lane == 1 && found.diagnosis.component == 0 && found.diagnosis.t == 0)
      // Lanes of other blocks may have gone on where steps are fixed.
      #expect(found.states[6..<8] == [1, -1])
      let state = Self.failing(root, controller, y0: [1, 1, .nan])
      #expect(state.status == .NK_NON_FINITE_STATE)
      #expect(state.diagnosis.lane == 2)
    }
    // A stage beyond the domain only rejects the step: y' = -sqrt(y) cannot reach zero with these steps, but tries.
    var controller = OdeProblem.adaptive(1e-3)
    controller.first_step = 2.5
    let problem = OdeProblem(
      field: .power(scale: -1, power: 0.5), lanes: 1, dim: 1, times: [0, 1.5], method: .heun,
      controller: controller)
    var values = problem.values
    values.y0 = [1]
    let found = problem.run(values)
    #expect(found.status == .NK_SUCCESS && found.statistics[Int(NK_STAT_REJECTED)] > 0)
    #expect(abs(found.states[1] - 0.0625) < 1e-2)
  }

  @Test func timesThatDoNotAscendAreRefused() {
    for times in [[0, 1, 1], [0, 1, 0.5], [0, .nan, 1], [2, 1, 3]] {
      #expect(OdeProblem(times: times).run().status == .NK_TIMES_NOT_MONOTONE)
    }
  }
}
