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

  /// A solve takes the same steps whatever time is measured in. Powers of two: no rounding besides.
  @Test(arguments: [false, true]) func noUnitOfTimeChangesTheSteps(perLane: Bool) throws {
    func statistics(_ unit: Double) throws -> [SolveStatistics] {
      let controller = Controller.adaptive(rtol: 1e-7, atol: 1e-7)
      let solution = try odeint(
        from: Self.start, at: [0, 3 * unit], controller: perLane ? controller.perLane : controller
      ) { _, y in (cos(y) - y) * (1 / unit) }
      return perLane ? try solution.laneStatistics : [try solution.statistics]
    }
    let expected = try statistics(1)
    for unit in [0x1p-20, 0x1p-7, 0x1p7, 0x1p20] {
      for (found, expected) in zip(try statistics(unit), expected) {
        #expect(found.evaluations == expected.evaluations && found.rejected == expected.rejected, "\(unit)")
        #expect(abs(found.lastStep / unit - expected.lastStep) < 1e-9)
      }
    }
  }

  /// A first step too large is rejected, so these would show; one too small costs a step.
  @Test func theFirstStepIsNeitherRejectedNorWasted() throws {
    for tolerance in [1e-3, 1e-5, 1e-7] {
      let controller = Controller.adaptive(rtol: tolerance, atol: tolerance, maximumStep: nil)
      for rate in [1e-3, 1, 1e3] {
        func steps(_ end: Double) throws -> SolveStatistics {
          try odeint(from: D([1, 0.2]), at: [0, end / rate], controller: controller) { _, y in y * -rate }
            .statistics
        }
        let one = try steps(0.01)
        #expect(one.accepted == 1 && one.rejected == 0, "\(rate) \(one)")
        #expect(try steps(4).rejected == 0)
      }
    }
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
  @Test func aShortLastStepIsForgotten() throws {
    func steps(_ end: Double) throws -> Int {
      let y0 = Self.start
      let slope = gradient(at: D(1)) { rate in
        solve(
          from: y0, at: [0, end], method: .dopri5,
          controller: .adaptive(rtol: 1e-9, atol: 1e-9, factors: 0.2...1.5),
          sensitivity: .backsolve
        ) { _, y in sin(y) * -rate }.final.sum()
      }
      let node = Graph.order(of: [slope.value]).first {
        guard case .structured(let operation) = $0.operation else { return false }
        return (operation as? SolveOperation)?.solve.isGradient == true
      }!
      return SolveStatistics(row: D(Value(node, node.types.count - 1)).scalars).accepted
    }
    // Growing by half at most, an adjoint that began with a sliver would take a dozen steps more at one of these ends.
    let counts = try (0..<24).map { try steps(2 + Double($0) * 0.005) }
    #expect(counts.max()! - counts.min()! <= 2, "\(counts)")
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
}
