import AllocationCounter
import Foundation
import Testing

@testable import NODECore

@Suite(.smallBlocks) struct SolveFailureTests {
  @Test func statusIsAValueAndOdeintThrowsIt() throws {
    let blowUp = solve(from: Tensor<Double>([1.0]), at: [0, 2], maxSteps: 500) { _, y in y * y }
    let status = try blowUp.status
    #expect(status != .success)
    let error = #expect(throws: SolveError.self) {
      try odeint(from: Tensor<Double>([1.0]), at: [0, 2], maxSteps: 500) { _, y in y * y }
    }
    #expect(error?.status == status)
    // The pole is at t = 1.
    #expect(error.map { abs($0.time - 1) < 1e-3 } == true)
  }

  @Test func aBudgetOfStepsRunsOut() {
    let error = #expect(throws: SolveError.self) {
      try odeint(
        from: Tensor<Double>([1, 1]), at: [0, 100], maxSteps: 20, field: ReferenceProblem.lotkaVolterra)
    }
    #expect(error?.status == .maxSteps)
    #expect(error?.steps == 20)
    #expect(error.map { "\($0)".contains("raise maxSteps") && "\($0)".contains("at t = ") } == true)
  }

  @Test func aFieldThatIsNeverFiniteIsNamed() {
    let error = #expect(throws: SolveError.self) {
      try odeint(from: Tensor<Double>([1, -1]), at: [0, 1]) { _, y in sqrt(y) }
    }
    #expect(error?.status == .nonFiniteField)
    #expect(error.map { "\($0)".contains("not finite") } == true)
  }

  /// A stage that is not finite rejects the step first: sqrt(1 - t) ends at t = 1, and only there.
  @Test func aFieldThatStopsBeingFiniteFailsWhereItDoes() {
    let error = #expect(throws: SolveError.self) {
      try odeint(from: Tensor<Double>([1.0]), at: [0, 2]) { t, y in sqrt(1.0 - t) * y }
    }
    #expect(error.map { $0.status == .nonFiniteField || $0.status == .stepUnderflow } == true)
    #expect(error.map { $0.time > 0.9 && $0.time <= 1 } == true)
    #expect(error.map { $0.rejected > 0 } == true)
  }

  @Test func aStartThatIsNotFiniteIsAStatus() throws {
    for bad in [Double.nan, .infinity] {
      let solution = solve(from: Tensor<Double>([1, bad]), at: [0, 1]) { _, y in -y }
      let status = try solution.status
      #expect(status == .nonFiniteState || status == .nonFiniteField)
    }
  }

  /// The error ratio is that of a rejected step, also where accepted ones follow.
  @Test(arguments: 3..<30) func theErrorRatioIsThatOfARejectedStep(maxSteps: Int) {
    let error = #expect(throws: SolveError.self) {
      try odeint(
        from: Tensor<Double>([1, 1]), at: [0, 100], controller: .adaptive(firstStep: 5, maxSteps: maxSteps),
        field: ReferenceProblem.lotkaVolterra)
    }
    #expect(error.map { $0.rejected > 0 } == true)
    #expect(error?.errorRatio.map { $0 > 1 } == true)
  }

  @Test func aFixedGridAboveTheBudgetSaysHowManyStepsItTakes() {
    let error = #expect(throws: SolveError.self) {
      try odeint(
        from: Tensor<Double>([1.0]), at: [2, 0, -1], method: .rk4, controller: .fixed(step: 0.25),
        maxSteps: 11
      ) { _, y in y }
    }
    #expect(error?.neededSteps == 12)
    #expect(
      error?.description == """
        the fixed steps are 12, above maxSteps; raise maxSteps or take larger steps
        at t = 2.0, step -0.25
        """)
  }

  @Test func computedTimesOutOfOrderAreNamed() {
    for (last, index) in [(0.5, 2), (1.0, 2), (Double.nan, 2), (-1.0, 2)] {
      let times = Tensor<Double>([0, 0.5, last / 2]) * 2
      let error = #expect(throws: SolveError.self) {
        try odeint(from: Tensor<Double>([1.0]), at: times) { _, y in y }
      }
      #expect(error?.status == .timesNotMonotone)
      #expect(
        error?.description
          == "times must be finite and strictly increasing or strictly decreasing\ntimes[\(index)] is \(last)"
      )
    }
  }

  @Test func computedTimesOfLanesOutOfOrderNameTheLane() {
    let times = Tensor<Double>([[0, 0.5, 1], [0, 0.5, 0.1], [0, 1, 0.5]]) * 2
    let error = #expect(throws: SolveError.self) {
      try odeint(from: Tensor<Double>([[1.0], [2], [3]]), at: times) { _, y in y }
    }
    #expect(error?.status == .timesNotMonotone && error?.lane == 1 && error?.component == 2)
    let text = error.map { "\($0)" } ?? "none"
    #expect(text.hasSuffix("\ntimes[2] of lane 1 is 0.2"), "\(text)")
  }

  @Test(.enabled(if: allocation_count() >= 0, "a sanitizer ends the process instead"))
  func aResultAboveTheMemoryIsAnError() {
    let x = Tensor<Double>([1.0, 2], shape: [1, 2]), places = Tensor<Int32>([0, 1], shape: [1, 2])
    for huge in [x.addedAlong(axis: 1, at: places, entries: 1 << 52), .zeros([1 << 52])] {
      let error = #expect(throws: SolveError.self) { try huge.evaluated() }
      #expect(error?.status == .outOfMemory && error?.neededBytes == 8 << 52)
      #expect(error.map { "\($0)" } == "36028797018963968 bytes of memory could not be obtained")
    }
  }

  @Test(.enabled(if: allocation_count() >= 0, "a sanitizer ends the process instead"))
  func aTapeAboveTheMemoryIsAnError() throws {
    let found = try gradient(at: Tensor<Double>([1.0])) { y0 in
      try odeint(from: y0, t0: 0, t1: 1, maxSteps: 1 << 40) { _, y in -y }.final.sum()
    }
    let error = #expect(throws: SolveError.self) { try found.evaluated() }
    #expect(error?.status == .outOfMemory && error?.neededBytes ?? 0 >= 8 << 40)
    // Without a gradient nothing is kept for each step.
    #expect(
      try odeint(from: Tensor<Double>([1.0]), t0: 0, t1: 1, maxSteps: 1 << 40) { _, y in -y }.status
        == .success)
  }

  @Test func fixedStepsFailToo() throws {
    let solution = solve(
      from: Tensor<Double>([1.0]), at: [0, 2], method: .rk4, controller: .fixed(step: 0.01)
    ) { _, y in y * y * y }
    #expect(try solution.status != .success)
  }

  /// In a trace nothing is thrown before the program runs; then it is the solve's error.
  @Test func gradientsThrowWhatTheSolveThrew() throws {
    let gradient = try gradient(at: Tensor<Double>([1.0])) { y0 in
      try odeint(from: y0, at: [0, 2], maxSteps: 500) { _, y in y * y }.final.sum()
    }
    #expect(throws: SolveError.self) { try gradient.evaluated() }
  }

  @Test func timesMustBeMonotone() async {
    await #expect(processExitsWith: .failure) {
      _ = solve(from: Tensor<Double>([1.0]), at: [0, 1, 1]) { _, y in y }
    }
    await #expect(processExitsWith: .failure) {
      _ = solve(from: Tensor<Double>([1.0]), at: [0, 1, 0.5]) { _, y in y }
    }
    await #expect(processExitsWith: .failure) {
      _ = solve(from: Tensor<Double>([1.0]), at: [0, .nan]) { _, y in y }
    }
    await #expect(processExitsWith: .failure) {
      _ = solve(from: Tensor<Double>([1.0]), at: []) { _, y in y }
    }
  }

  @Test func fieldsMustKeepTheShape() async throws {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = solve(from: Tensor<Double>([1.0, 2.0]), at: [0, 1]) { _, y in y.sum() }
    }
    let text = String(decoding: try #require(result).standardErrorContent, as: UTF8.self)
    #expect(text.contains("odeint: the state has shape [2], but the field returns []"))
  }

  @Test func settingsMustMakeSense() async throws {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = solve(from: Tensor<Double>([1.0]), at: [0, 1], method: .rk4, controller: .adaptive()) { _, y in y }
    }
    let text = String(decoding: try #require(result).standardErrorContent, as: UTF8.self)
    #expect(text.contains("rk4 has no error estimate") && text.contains("dopri5"))
    await #expect(processExitsWith: .failure) { _ = Controller.fixed(step: 0) }
    await #expect(processExitsWith: .failure) { _ = Controller.fixed(stepsPerInterval: 0) }
    await #expect(processExitsWith: .failure) { _ = Controller.adaptive(rtol: -1) }
    await #expect(processExitsWith: .failure) { _ = Controller.adaptive(rtol: 0, atol: 0) }
    await #expect(processExitsWith: .failure) { _ = Controller.adaptive(factors: 1.5...2) }
    await #expect(processExitsWith: .failure) {
      _ = solve(from: Tensor<Double>([1.0]), at: [0, 1], rtol: .nan) { _, y in y }
    }
  }
}
