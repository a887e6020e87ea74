import Foundation
import Testing

@testable import NODECore

@Suite struct ScheduleTests {
  @Test func constantAndSteps() {
    let constant: Schedule = 0.25
    #expect(constant.rate(at: 0) == 0.25 && constant.rate(at: 10_000) == 0.25)
    let integer: Schedule = 2
    #expect(integer.rate(at: 3) == 2 && SGD(learningRate: 1).learningRate.rate(at: 0) == 1)
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

  @Test func exponential() {
    let schedule = Schedule.exponential(2, factor: 0.5, every: 10, end: 0.1)
    #expect(schedule.rate(at: 0) == 2 && schedule.rate(at: 10) == 1 && schedule.rate(at: 1000) == 0.1)
    #expect(abs(schedule.rate(at: 5) - 2.0.squareRoot()) < 1e-15)
    // torch.optim.lr_scheduler.ExponentialLR(gamma=0.9)
    #expect(abs(Schedule.exponential(1, factor: 0.9).rate(at: 3) - 0.729) < 1e-15)
  }

  @Test func piecewise() {
    let constant = Schedule.piecewise([1, 0.3, 0.7], at: [3, 5])
    #expect((0..<7).map(constant.rate) == [1, 1, 1, 0.3, 0.3, 0.7, 0.7])
    #expect(Schedule.piecewise([0.5], at: []).rate(at: 9) == 0.5)
    let lines = Schedule.linear((2, 1), (4, 3), (8, 1))
    #expect((0..<10).map(lines.rate) == [1, 1, 1, 2, 3, 2.5, 2, 1.5, 1, 1])
  }

  /// optax.warmup_cosine_decay_schedule(0.1, 1, 10, 110, 0.2).
  @Test func cosineAfterAWarmUp() {
    let schedule = Schedule.warmUpCosine(1, warmUp: 10, steps: 110, start: 0.1, end: 0.2)
    #expect(schedule.rate(at: 0) == 0.1 && abs(schedule.rate(at: 5) - 0.55) < 1e-15)
    #expect(schedule.rate(at: 10) == 1 && schedule.rate(at: 110) == 0.2 && schedule.rate(at: 500) == 0.2)
    #expect(abs(schedule.rate(at: 60) - 0.6) < 1e-15)
    #expect(abs(schedule.rate(at: 35) - (0.6 + 0.4 * 0.5.squareRoot())) < 1e-15)
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
    .oneCycle(1, steps: 9).warmedUp(steps: 2), .exponential(1, factor: 0.5, every: 3),
    .piecewise([1, 2], at: [4]), .linear((0, 1), (9, 0)), .warmUpCosine(1, warmUp: 3, steps: 11),
  ])
  func survivesEncoding(_ schedule: Schedule) throws {
    let copy = try JSONDecoder().decode(Schedule.self, from: JSONEncoder().encode(schedule))
    #expect((0..<12).allSatisfy { copy.rate(at: $0) == schedule.rate(at: $0) })
  }

  /// What nobody could have made is refused when it is read, not when a step asks for its rate.
  @Test(
    arguments: [
      (#"{"interpolated":{"steps":[],"rates":[]}}"#, 1, 0),
      (#"{"interpolated":{"steps":[1,2],"rates":[1]}}"#, 1, 0),
      (#"{"interpolated":{"steps":[2,1],"rates":[1,1]}}"#, 1, 0),
      (#"{"piecewise":{"boundaries":[3],"rates":[1]}}"#, 1, 0),
      (#"{"piecewise":{"boundaries":[3],"rates":[1,-1]}}"#, 1, 0),
      (#"{"exponential":{"factor":0.5,"every":0,"end":0}}"#, 1, 0),
      (#"{"warmUpCosine":{"warmUp":5,"steps":5,"start":0,"end":0}}"#, 1, 0),
      (#"{"oneCycle":{"steps":5,"warmUp":0.5,"startDivisor":0,"endDivisor":1}}"#, 1, 0),
      (#"{"cosine":{"steps":0,"end":0}}"#, 1, 0), (#"{"steps":{"boundaries":[1],"factor":-1}}"#, 1, 0),
      (#"{"constant":{}}"#, -1, 0), (#"{"constant":{}}"#, 1, -1),
    ] as [(String, Int, Int)])
  func refusesWhatIsNone(_ shape: String, _ peak: Int, _ warmUp: Int) throws {
    func text(_ shape: String, _ peak: Int, _ warmUp: Int) -> Data {
      Data(#"{"peak":\#(peak),"shape":\#(shape),"warmUpSteps":\#(warmUp)}"#.utf8)
    }
    let sound = try JSONDecoder().decode(Schedule.self, from: text(#"{"constant":{}}"#, 1, 0))
    #expect(sound == .constant(1))
    let error = #expect(throws: DecodingError.self) {
      try JSONDecoder().decode(Schedule.self, from: text(shape, peak, warmUp))
    }
    guard case .dataCorrupted(let context) = error else {
      Issue.record("another error: \(error as Any)")
      return
    }
    #expect(context.debugDescription.contains("no Schedule"))
  }
}
