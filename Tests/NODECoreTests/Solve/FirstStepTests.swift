import Foundation
import Testing

@testable import NODECore

/// Where the steps of a solve and of its continuous adjoint begin.
@Suite struct FirstStepTests {
  typealias D = Tensor<Double>

  private static let start = D([1, 0.5, -0.3, 0.8, 1.2, -0.7], shape: [3, 2])

  private func statistics(
    _ controller: Controller, rate: Double = 1, from y0: D = start
  ) throws -> (forward: [SolveStatistics], backward: [SolveStatistics]) {
    let slope = gradient(at: D(rate)) { rate in
      square(
        solve(from: y0, at: [0, 2], method: .dopri5, controller: controller, sensitivity: .backsolve) {
          _, y in sin(y) * -rate
        }.final
      ).sum()
    }
    let order = Graph.order(of: [slope.value])
    let solves = order.compactMap { node -> (Bool, Value)? in
      guard case .structured(let operation) = node.operation, let solve = operation as? SolveOperation else {
        return nil
      }
      return (solve.solve.isGradient, Value(node, solve.solve.isGradient ? node.types.count - 1 : 1))
    }
    #expect(solves.count == 2)
    func rows(_ isGradient: Bool) -> [SolveStatistics] {
      let numbers = D(solves.first { $0.0 == isGradient }!.1).scalars
      return stride(from: 0, to: numbers.count, by: 8).map {
        SolveStatistics(row: Array(numbers[$0..<$0 + 8]))
      }
    }
    return (rows(false), rows(true))
  }

  typealias Field = @Sendable (_ t: D, _ y: D) -> D
  /// Name, start, end, field.
  private static let problems: [(String, D, Double, Field)] = [
    ("relaxation", start, 3, { _, y in cos(y) - y }),
    ("from nothing", D([0, 0, 0, 0, 0, 0], shape: [3, 2]), 3, { t, y in cos(y) - y }),
    ("without a slope at first", start, 3, { t, y in (y - y) + square(t) }),
    ("decay", D([1, 0.2], shape: [1, 2]), 4, { _, y in -y }),
  ]

  private func solved(
    _ problem: (String, D, Double, Field), unit: Double = 1, _ tolerance: Double, perLane: Bool
  ) throws -> [SolveStatistics] {
    let controller = Controller.adaptive(rtol: tolerance, atol: tolerance)
    let solution = try odeint(
      from: problem.1, at: [0, problem.2 * unit], controller: perLane ? controller.perLane : controller
    ) { t, y in problem.3(t * (1 / unit), y) * (1 / unit) }
    return perLane ? try solution.laneStatistics : [try solution.statistics]
  }

  /// A solve takes the same steps whatever time is measured in. Powers of two: no rounding besides.
  @Test(arguments: [false, true]) func noUnitOfTimeChangesTheSteps(perLane: Bool) throws {
    for problem in Self.problems {
      let expected = try solved(problem, 1e-7, perLane: perLane)
      for unit in [0x1p-20, 0x1p-7, 0x1p7, 0x1p20] {
        for (found, expected) in zip(try solved(problem, unit: unit, 1e-7, perLane: perLane), expected) {
          #expect(
            found.evaluations == expected.evaluations && found.rejected == expected.rejected,
            "\(problem.0), \(unit): \(found), \(expected)")
          #expect(abs(found.lastStep / unit - expected.lastStep) < 1e-7)
        }
      }
    }
  }

  /// One too large is rejected, one too small costs steps: growing tenfold at most, a solve that began with a thousandth of
  /// what it could have taken would have three more.
  @Test(arguments: [false, true]) func theFirstStepIsNeitherRejectedNorWasted(perLane: Bool) throws {
    for problem in Self.problems where problem.0 != "without a slope at first" {
      for tolerance in [1e-3, 1e-5, 1e-7] {
        let found = try solved(problem, tolerance, perLane: perLane)[0]
        // What the rest of the solve takes once its steps are what the error allows.
        let known = try odeint(
          from: problem.1, at: [0, problem.2],
          controller: .adaptive(rtol: tolerance, atol: tolerance, firstStep: 0.3 * pow(tolerance, 0.2))
        ) { t, y in problem.3(t, y) }.statistics
        let wasted = problem.0 == "from nothing" ? 5 : 2
        #expect(found.accepted <= known.accepted + wasted, "\(problem.0), \(tolerance): \(found), \(known)")
      }
    }
  }

  /// A slope that passes through zero at the start, though not quite, does not make the first step nothing; nor is one too
  /// large where the second derivative passes through zero.
  @Test(arguments: [false, true]) func zeroCrossingsOfTheSlope(perLane: Bool) throws {
    let cases: [(start: Double, span: Double, field: Field)] = [
      (.pi / 2, 3, { t, y in cos(t) + y * 0 }), (1000, 3, { t, y in (t - 1000) + y * 0 + 1e-20 }),
      (0, 3, { t, y in cos(t) + y * 0 }), (0, 3, { t, y in t + y * 0 + 1e-300 }),
    ]
    for (start, span, field) in cases {
      for y0 in [1.0, 0] {
        let controller = Controller.adaptive(rtol: 1e-6, atol: 1e-6)
        let found = try odeint(
          from: D([y0], shape: [1, 1]), at: [start, start + span],
          controller: perLane ? controller.perLane : controller, field: field
        ).statistics
        #expect(found.accepted <= 14 && found.rejected <= 1, "from \(start), \(y0): \(found)")
      }
    }
  }

  /// A tolerance that is almost relative alone makes a start from nothing no slower than a starting rule that knows no scale.
  @Test(arguments: [1e-6, 1e-9, 1e-12]) func aStartFromNothingCostsAFewSteps(atol: Double) throws {
    let found = try odeint(
      from: D([0.0]), at: [0, 2], controller: .adaptive(rtol: 1e-6, atol: atol)
    ) { t, y in cos(t) - y }.statistics
    #expect(found.evaluations <= 92, "\(found)")
  }

  /// With a rule that knows nothing an adjoint takes as many steps as the solve, the first of them a small one, and two
  /// evaluations more than its attempts need.
  @Test(arguments: [1e-4, 1e-7, 1e-10]) func itBeginsWithTheStepThatWouldHaveComeNext(tolerance: Double)
    throws
  {
    let (forward, backward) = try statistics(.adaptive(rtol: tolerance, atol: tolerance))
    let solve = forward[0], adjoint = backward[0]
    #expect(solve.evaluations == 2 + 6 * (solve.accepted + solve.rejected))
    #expect(adjoint.accepted < solve.accepted, "\(solve), adjoint \(adjoint)")
    #expect(adjoint.evaluations == 1 + 6 * adjoint.accepted && adjoint.rejected == 0, "\(adjoint)")
  }

  /// Each lane begins with its own.
  @Test func lanesBeginWithTheirOwn() throws {
    let controller = Controller.adaptive(rtol: 1e-7, atol: 1e-7).perLane
    let (forward, backward) = try statistics(controller)
    for lane in 1...3 {
      #expect(backward[lane].accepted < forward[lane].accepted, "lane \(lane - 1)")
      let alone = try statistics(controller, from: Self.start.sliced(lane - 1..<lane, axis: 0)).backward[1]
      #expect(alone == backward[lane])
    }
  }

  /// What the solve is told of its first step is for its first time, not for the adjoint's.
  @Test func aFirstStepIsTheSolvesAlone() throws {
    let (forward, backward) = try statistics(.adaptive(rtol: 1e-6, atol: 1e-6, firstStep: 1e-6))
    #expect(forward[0].accepted > 6)
    #expect(backward[0].accepted < forward[0].accepted - 4, "\(forward) \(backward)")
  }

  /// A step shortened to end at the last time does not make the adjoint begin with one as short.
  @Test(arguments: [false, true]) func aShortLastStepIsForgotten(perLane: Bool) throws {
    let controller = Controller.adaptive(rtol: 1e-9, atol: 1e-9, factors: 0.2...1.5)
    func steps(_ end: Double) throws -> Int {
      let y0 = Self.start
      let slope = gradient(at: D(1)) { rate in
        solve(
          from: y0, at: [0, end], method: .dopri5, controller: perLane ? controller.perLane : controller,
          sensitivity: .backsolve
        ) { _, y in sin(y) * -rate }.final.sum()
      }
      let node = Graph.order(of: [slope.value]).first {
        guard case .structured(let operation) = $0.operation else { return false }
        return (operation as? SolveOperation)?.solve.isGradient == true
      }!
      // Per lane the first row has the sums.
      return SolveStatistics(row: Array(D(Value(node, node.types.count - 1)).scalars[..<8])).accepted
    }
    // Growing by half at most, an adjoint that began with a sliver would take a dozen steps more at one of these ends.
    let counts = try (0..<24).map { try steps(2 + Double($0) * 0.005) }
    #expect(counts.max()! - counts.min()! <= (perLane ? 6 : 2), "\(counts)")
  }

  /// Its memory does not grow with the number of steps that the solve may take.
  @Test func memoryDoesNotDependOnTheBudgetOfSteps() throws {
    func bytes(_ maxSteps: Int) throws -> Int {
      let slope = gradient(at: D(1)) { rate in
        solve(
          from: Self.start, at: [0, 2], controller: .adaptive(maxSteps: maxSteps), sensitivity: .backsolve
        ) { _, y in sin(y) * -rate }.final.sum()
      }
      return try Program.compile(inputs: [], outputs: [slope.value]).plannedBytes
    }
    #expect(try bytes(100) == bytes(1_000_000))
  }

  /// Spans of a few hundred roundings of t, and a state at rest at a time of day in seconds.
  @Test(arguments: [false, true], [Method.dopri5, .tsit5, .bosh3])
  func shortSpansAreSolved(perLane: Bool, method: Method) throws {
    for (from, span) in [
      (1, 1e-12), (1, -1e-12), (1.7e9, 1e-3), (-3, 1e-14), (1, 4 * 1.0.ulp), (0, 1e-300),
      (0, 2000 * .leastNonzeroMagnitude),
    ] {
      for start in [0.0, 1] {
        let solution = try odeint(
          from: D([start], shape: [1, 1]), at: [from, from + span], method: method,
          controller: perLane ? .perLane : .automatic
        ) { _, y in -y }
        #expect(abs(solution.final.scalars[0] - start * exp(-(from + span - from))) < 1e-7)
      }
    }
  }

  /// Without an absolute tolerance a component that is 0 at first has no scale.
  @Test(arguments: [false, true], [Method.dopri5, .tsit5, .bosh3])
  func relativeTolerancesBeginAtZero(perLane: Bool, method: Method) throws {
    func end<Scalar: FloatingScalar>(_: Scalar.Type, _ rtol: Double) throws -> [Double] {
      let controller = Controller.adaptive(rtol: rtol, atol: 0)
      return try odeint(
        from: Tensor<Scalar>([1, 0], shape: [1, 2]), at: [0, 1], method: method,
        controller: perLane ? controller.perLane : controller
      ) { _, y in
        .concatenated([y[0..., 1..<2], -y[0..., 0..<1]], axis: 1)
      }.final.scalars.map { Double($0) }
    }
    #expect(distance(try end(Double.self, 1e-7), [cos(1), -sin(1)]) < 1e-5)
    #expect(distance(try end(Float.self, 1e-4), [cos(1), -sin(1)]) < 1e-2)
  }

  /// The scale of the start decides, however far the end is: no probe and no attempt leaps over it.
  @Test(arguments: [false, true]) func aFarEndDoesNotLengthenTheFirstStep(perLane: Bool) throws {
    let solution = try odeint(
      from: D([1], shape: [1, 1]), at: [0, 1e10], rtol: 1e-6, atol: 1e-24,
      controller: perLane ? .perLane : .automatic
    ) { _, y in square(y) * -1e8 }
    #expect(abs(solution.final.scalars[0] * 1e18 - 1) < 1e-2)
    #expect(try solution.statistics.rejected <= 3, "\(solution)")
  }
}
