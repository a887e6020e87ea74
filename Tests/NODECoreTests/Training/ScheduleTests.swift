import Foundation
import Testing

@testable import NODECore

@Suite struct ScheduleTests {
  @Test func constantAndSteps() {
    let constant: Schedule = 0.25
    #expect(constant.rate(at: 0) == 0.25 && constant.rate(at: 10_000) == 0.25)
    let steps = Schedule.steps(0.1, at: [60, 100, 140])
    #expect(steps.rate(at: 59) == 0.1)
    #expect(abs(steps.rate(at: 60) - 0.01) < 1e-17)
    #expect(abs(steps.rate(at: 140) - 1e-4) < 1e-18)
  }

  @Test func cosine() {
    let cosine = Schedule.cosine(2, steps: 100, end: 1)
    #expect(cosine.rate(at: 0) == 2 && cosine.rate(at: 100) == 1 && cosine.rate(at: 500) == 1)
    #expect(abs(cosine.rate(at: 50) - 1.5) < 1e-15)
    #expect(abs(cosine.rate(at: 25) - (1.5 + 0.5 * 0.5.squareRoot())) < 1e-15)
  }

  /// torch.optim.lr_scheduler.OneCycleLR(max_lr=1, total_steps=10), whose definition the formula restates:
  /// 0.04 at step 0, 1 at step 2, 4e-6 at step 9.
  @Test func oneCycle() {
    let cycle = Schedule.oneCycle(1, steps: 10)
    #expect(abs(cycle.rate(at: 0) - 0.04) < 1e-15)
    #expect(abs(cycle.rate(at: 1) - 0.52) < 1e-15)
    #expect(abs(cycle.rate(at: 2) - 1) < 1e-15)
    #expect(abs(cycle.rate(at: 9) - 4e-6) < 1e-15)
    #expect(abs(cycle.rate(at: 5) - (4e-6 + (1 - 4e-6) / 2 * (1 + cos(Double.pi * 3 / 7)))) < 1e-15)
    let rates = (2..<10).map(cycle.rate)
    #expect(rates == rates.sorted(by: >))
  }

  @Test func warmUp() {
    let warm = Schedule.constant(1).warmedUp(steps: 4)
    #expect((0..<6).map(warm.rate) == [0.25, 0.5, 0.75, 1, 1, 1])
  }

  @Test(arguments: [
    Schedule.constant(0.1), .steps(0.1, at: [3]), .cosine(1, steps: 7),
    .oneCycle(1, steps: 9).warmedUp(steps: 2),
  ])
  func survivesEncoding(_ schedule: Schedule) throws {
    let copy = try JSONDecoder().decode(Schedule.self, from: JSONEncoder().encode(schedule))
    #expect((0..<12).allSatisfy { copy.rate(at: $0) == schedule.rate(at: $0) })
  }
}
