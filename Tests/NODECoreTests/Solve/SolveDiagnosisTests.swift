import Testing

@testable import NODECore

private typealias D = Tensor<Double>

/// What a failed solve tells: its last steps, why they were rejected, and the operation that the first value that is not
/// finite came from.
@Suite struct SolveDiagnosisTests {
  private func failure<Result>(_ body: () throws -> Result) throws -> SolveError {
    try #require(#expect(throws: SolveError.self) { _ = try body() })
  }

  private func operation(_ error: SolveError) -> String? {
    guard case .operation(let name, _) = error.origin?.kind else { return nil }
    return name
  }

  private func operands(_ error: SolveError) -> [[Int]]? {
    guard case .operation(_, let shapes) = error.origin?.kind else { return nil }
    return shapes
  }

  /// Counts and the kept attempts agree with each other and with the statistics.
  private func expectConsistent(_ error: SolveError) {
    #expect(error.lastSteps.count == min(error.steps, 8))
    #expect(error.rejections.map { $0.inaccurate + $0.notFinite } == error.rejected)
    for attempt in error.lastSteps {
      switch attempt.verdict {
      case .accepted: #expect(attempt.errorRatio.map { $0 <= 1 } ?? true)
      case .inaccurate: #expect(attempt.errorRatio.map { $0 > 1 } == true)
      case .notFinite: #expect(attempt.errorRatio == nil)
      }
    }
    // A rejected step is tried again from where it began, with a smaller one; an accepted one is gone on from.
    for (before, next) in zip(error.lastSteps, error.lastSteps.dropFirst()) {
      if before.verdict == .accepted {
        #expect(next.time == before.time + before.step || abs(next.time - before.time - before.step) < 1e-12)
      } else {
        #expect(next.time == before.time && abs(next.step) <= abs(before.step))
      }
    }
  }

  static let controllers: [Controller] = [.automatic, .perLane]

  @Test(arguments: controllers) func theOperationAndTheLastStepsAreTold(controller: Controller) throws {
    let error = try failure {
      try odeint(from: D([[1.0, 2], [3, 4]]), t0: 0, t1: 2, controller: controller) { t, y in
        sqrt(1.0 - t) * y
      }
    }
    #expect(operation(error) == "sqrt")
    #expect(error.origin.map { $0.time > 1 && $0.time < 1.1 } == true)
    // The last step of all may be one that ends an ulp before.
    #expect(error.lastSteps.suffix(2).contains { $0.verdict == .notFinite })
    #expect(error.rejections.map { $0.notFinite > 0 } == true)
    expectConsistent(error)
    let text = "\(error)"
    #expect(
      text.contains("\nthe first value that is not finite came from sqrt of [")
        && text.contains("\nthe last steps:\n  t = "))
    #expect(text.contains("rejected, not finite"))
  }

  @Test(arguments: controllers) func tooInaccurateIsAReasonOfItsOwn(controller: Controller) throws {
    // The slope jumps where the solver cannot step over it: the smallest step is too large there.
    let limited = Controller.adaptive(minimumStep: 1e-3)
    let error = try failure {
      try odeint(
        from: D([[0.0, 0.0]]), t0: 0, t1: 2, rtol: 1e-9, atol: 1e-9,
        controller: controller == .perLane ? limited.perLane : limited
      ) { t, y in (t .> 1.0 / 3) * 1e3 + y * 0 }
    }
    #expect(error.status == .stepUnderflow)
    #expect(error.origin == nil)
    #expect(error.rejections.map { $0.inaccurate > 0 && $0.notFinite == 0 } == true)
    #expect(error.lastSteps.last?.verdict == .inaccurate)
    expectConsistent(error)
  }

  /// Inside of fused code, behind a product of matrices, in the lane that is at fault and in no other.
  @Test(arguments: controllers, [1, 2]) func theOriginIsFoundInItsLane(controller: Controller, threads: Int)
    throws
  {
    let lanes = 700, bad = 613
    let rates = D((0..<lanes).map { $0 == bad ? 2.0 : 0.1 }, shape: [lanes, 1])
    let w = D([0.3, -0.7, 0.9, 0.2, 0.1, 0.4, 1, 0.5, -0.3], shape: [3, 3])
    let error = try withThreads(threads) {
      try failure {
        try odeint(from: D.ones([lanes, 3]), t0: 0, t1: 1, controller: controller) { t, y in
          matmul(tanh(log(1.0 - rates * t) * 0.5 + y), w) - y
        }
      }
    }
    #expect(error.lane == bad)
    #expect(operation(error) == "log")
    #expect(operands(error) == [[lanes, 1]] || operands(error) == [[lanes, 3]])
    #expect(error.origin.map { $0.time > 0.5 && $0.time < 0.6 } == true)
    expectConsistent(error)
  }

  /// With steps of its own a lane tells what it would tell alone.
  @Test func aLaneTellsTheStepsThatItTakesAlone() throws {
    func fail(_ rows: [Double]) throws -> SolveError {
      let p = D(rows, shape: [rows.count, 1])
      return try failure {
        try odeint(from: D.ones([rows.count, 2]), t0: 0, t1: 1, controller: .perLane) { t, y in
          sqrt(1.0 - p * t) * sin(y * 5)
        }
      }
    }
    let together = try fail([0.3, 0.1, 0.7, 1.7, 0.2, 0.9]), alone = try fail([1.7])
    #expect(together.lane == 3 && alone.lane == 0)
    #expect(together.lastSteps == alone.lastSteps && together.rejections == alone.rejections)
    #expect(operation(together) == "sqrt" && together.origin?.time == alone.origin?.time)
    expectConsistent(together)
  }

  @Test(arguments: [Controller.fixed(step: 0.01), Controller.fixed(step: 0.01).perLane])
  func fixedStepsTellTheGrid(controller: Controller) throws {
    let error = try failure {
      try odeint(from: D([[1.0], [2]]), at: [0, 2], method: .rk4, controller: controller) { t, y in
        sqrt(1.0 - t) + y * 0
      }
    }
    #expect(operation(error) == "sqrt")
    #expect(error.lastSteps.count == 8)
    #expect(error.lastSteps.dropLast().allSatisfy { $0.verdict == .accepted && $0.errorRatio == nil })
    #expect(error.lastSteps.last.map { $0.verdict == .notFinite && abs($0.time - 1) < 0.02 } == true)
  }

  /// Infinities that a field passes on the way to finite values are innocent.
  @Test(arguments: controllers) func whatDoesNotReachTheResultIsNotBlamed(controller: Controller) throws {
    let error = try failure {
      try odeint(from: D([[1.0, 2]]), t0: 0, t1: 2, controller: controller) { t, y in
        // exp overflows at once, 1 / inf is 0; the branch not taken is NaN all the time.
        let gate = 1.0 / (1.0 + exp(y * 1e6)), branch = `where`(y .> 0, y * 0, log(-y))
        return gate + branch + log(1.0 - t)
      }
    }
    #expect(operation(error) == "log")
    #expect(operands(error)?.count == 1)
    #expect(error.origin.map { $0.time >= 1 } == true)
  }

  @Test(arguments: controllers) func capturesAndStatesAreNotBlamedOnOperations(controller: Controller) throws
  {
    let w = D([1, .nan])
    let capture = try failure {
      try odeint(from: D([[1.0, 2]]), t0: 0, t1: 1, controller: controller) { _, y in tanh(y * w) }
    }
    #expect(capture.status == .nonFiniteField && capture.origin?.kind == .capture)
    #expect("\(capture)".contains("a tensor that the field captures"))
    // Slopes are finite, what the step makes of them is not.
    let state = try failure {
      try odeint(
        from: D([[1.0]]), at: [0, 1e10], method: .rk4,
        controller: controller == .perLane
          ? .fixed(stepsPerInterval: 1).perLane : .fixed(stepsPerInterval: 1)
      ) { _, y in y * 0 + 1e300 }
    }
    #expect(state.origin == nil || state.origin?.kind == .state)
  }

  /// The loss's own derivative is infinite: no fault of the field.
  @Test(arguments: backward) func aDerivativeOfTheLossIsNotBlamedOnTheField(
    controller: Controller, method: Method
  ) throws {
    let error = try failure {
      _ = try gradient(at: D([[1.0, 2], [3, 4]])) { y0 in
        let end = try odeint(
          from: y0, t0: 0, t1: 1, method: method, controller: controller, sensitivity: .backsolve
        ) { _, y in tanh(y) }.final
        return sqrt(end - end).sum()
      }.evaluated()
    }
    #expect(error.isBackward && error.origin?.kind == .cotangent, "\(error)")
    #expect("\(error)".contains("the derivative of the loss") && error.time == 1, "\(error)")
  }

  /// Forward all is well; the derivative of sqrt is infinite where its argument is zero, before t = 0.5.
  static let backward: [(Controller, Method)] = [
    (.automatic, .dopri5), (.perLane, .dopri5), (.fixed(step: 0.01), .rk4),
    (Controller.fixed(step: 0.01).perLane, .rk4),
  ]
  @Test(arguments: backward) func gradientsTellTheirsToo(controller: Controller, method: Method) throws {
    let error = try failure {
      _ = try gradient(at: D([[1.0, 2], [3, 4]])) { y0 in
        try odeint(
          from: y0, t0: 0, t1: 1, method: method, controller: controller, sensitivity: .backsolve
        ) { t, y in sqrt(relu(t - 0.5) * square(y)) }.final.sum()
      }.evaluated()
    }
    #expect(error.isBackward && error.status == .nonFiniteField)
    #expect(operation(error) != nil)
    #expect(error.origin.map { $0.time <= 0.5 && $0.time > 0.3 } == true)
    #expect(error.lastSteps.last.map { $0.verdict == .notFinite && $0.step < 0 } == true)
    #expect(error.lane != nil)
    #expect("\(error)".contains("\nbackward, at t = "))
  }

  /// The same where it is infinite at the last time already: no step would help, and none is tried where steps are shared.
  @Test(arguments: [Controller.automatic, .adaptive(rtol: 1e-6, atol: 1e-6, maxSteps: 15), .perLane])
  func aGradientThatCannotBeginTellsWhy(controller: Controller) throws {
    let error = try failure {
      _ = try gradient(at: D([[1.0, 2], [3, 4]])) { y0 in
        try odeint(from: y0, t0: 0, t1: 1, controller: controller, sensitivity: .backsolve) { t, y in
          sqrt(relu(1 - t) * square(y))
        }.final.sum()
      }.evaluated()
    }
    #expect(error.isBackward && error.status == .nonFiniteField)
    #expect(operation(error) != nil && error.origin?.time == 1, "\(error)")
  }

  @Test(arguments: controllers) func theOperationThatMeetsABadIndexIsTold(controller: Controller) throws {
    let table = D([1, 2]), rates = D([0.5, 0.5, 5], shape: [3, 1])
    let error = try failure {
      try odeint(from: D([[0.0], [0], [0]]), t0: 0, t1: 1, controller: controller) { t, y in
        let at = (y * rates).converted(to: Int32.self).reshaped(to: [3])
        return table.gather(at: at).reshaped(to: [3, 1])
      }
    }
    #expect(error.status == .indexOutOfRange)
    #expect(operation(error) == "gather")
    #expect(error.lane == 2)
  }

  @Test(arguments: controllers) func theBadIndexAlongAnAxisIsTold(controller: Controller) throws {
    let table = D([[1, 1], [1, 1], [1, 1]]), rates = D([0.5, 0.5, 5], shape: [3, 1])
    for isAdded in [false, true] {
      let error = try failure {
        try odeint(from: D([[0.0], [0], [0]]), t0: 0, t1: 1, controller: controller) { t, y in
          let at = (y * rates).converted(to: Int32.self)
          if !isAdded { return table.takenAlong(axis: 1, at: at) }
          // Ones at some place of two, then summed: one, wherever they went.
          let placed = (y * 0 + 1).addedAlong(axis: 1, at: at, entries: 2)
          return placed.sum(axes: [1], keepingDimensions: true)
        }
      }
      #expect(error.status == .indexOutOfRange && error.lane == 2)
      #expect(operation(error) == (isAdded ? "addAlong" : "takeAlong"))
      let text = "\(error)"
      #expect(text.hasPrefix("an index is outside of the axis\n"))
      #expect(text.contains(isAdded ? "\nin addAlong of [" : "\nin takeAlong of ["))
      #expect(!text.contains("not finite came from"))
      // Lanes with steps of their own are not rows of the field.
      if controller == .automatic {
        #expect(error.badIndex.map { $0.position == 2 && $0.entries == 2 && $0.isAlongAxis } == true)
        #expect(text.contains("\nthe index at position 2 is "))
      }
    }
  }

  /// A solve that goes well after one that failed, and the other way round, on the same memory.
  @Test func storiesDoNotLeakFromRunToRun() throws {
    let run = compiled { (y: D) in
      try odeint(from: y, t0: 0, t1: 1, maxSteps: 300) { t, y in sqrt(y) * -1.0 }.final
    }
    let first = try failure { _ = try run(D([0.1, 4.0])) }
    #expect(try run(D([4.0, 4.0])).scalars.allSatisfy { $0.isFinite })
    let second = try failure { _ = try run(D([0.1, 4.0])) }
    #expect("\(first)" == "\(second)")
    #expect(operation(first) == "sqrt" && first.lane != nil)
  }

  @Test func aSolveInsideOfALoopTellsItsOperation() throws {
    let looped = try scan(from: D([1.0]), over: D.ones([3, 1])) { y, row in
      let next = try odeint(from: y, t0: 0, t1: 2) { t, y in log(1.5 - t) * row + y * 0 }.final
      return (next, next)
    }
    let error = try failure { _ = try looped.carry.evaluated() }
    #expect(error.operation == "scan" && operation(error) == "log")
  }
}
