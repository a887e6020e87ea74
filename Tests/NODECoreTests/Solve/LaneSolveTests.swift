import AllocationCounter
import Foundation
import Testing

@testable import NODECore

private typealias D = Tensor<Double>

/// Lanes of y' = tanh(y W) cos(p t) - 0.2 p sin y with their own p and times.
private struct LaneProblem {
  var lanes = 7

  var start: D { D((0..<2 * lanes).map { 0.5 + 0.3 * sin(Double($0)) }, shape: [lanes, 2]) }
  var rates: D { D((0..<lanes).map { 0.5 + Double($0 % 7) }, shape: [lanes, 1]) }
  let weights = D([0.3, -0.7, 0.9, 0.2], shape: [2, 2])
  /// Spans of different lengths, every second one backward; the middle time is inside of steps.
  var times: D {
    var rows: [Double] = []
    for lane in 0..<lanes {
      let kind = Double(lane % 7), first = 0.01 * Double(lane), sign = lane % 2 == 0 ? 1.0 : -1.0
      rows += [first, first + sign * (1 + 0.2 * kind), first + sign * (2 + kind)]
    }
    return D(rows, shape: [lanes, 3])
  }

  static func field(_ t: D, _ y: D, _ p: D, _ w: D) -> D {
    let drive: D = tanh(matmul(y, w)) * cos(p * t)
    let decay: D = sin(y) * 0.2
    return drive - decay * p
  }

  func solve(
    _ start: D, _ times: D, _ rates: D, _ weights: D, method: Method = .dopri5,
    controller: Controller = .perLane,
    sensitivity: SensitivityMethod = .exact, tolerance: Double = 1e-6
  ) throws -> Solution<Double> {
    try odeint(
      from: start, at: times, method: method, rtol: tolerance, atol: tolerance, controller: controller,
      sensitivity: sensitivity
    ) { t, y in Self.field(t, y, rates, weights) }
  }

  /// A loss that weighs every saved number differently.
  static func weigh(_ states: D) -> D {
    (states * D((0..<states.count).map { sin(Double($0 * $0)) }, shape: states.shape)).sum()
  }
}

@Suite(.smallBlocks) struct LaneSolveTests {
  private let problem = LaneProblem()

  private static func controller(_ method: Method) -> Controller {
    method.isAdaptive ? .automatic : .fixed(stepsPerInterval: 7)
  }

  /// Weights that are used twice, once behind a product without lanes: with as many lanes as columns their gradient has two
  /// products over rows, of which only one is a sum over lanes.
  @Test func asManyLanesAsColumns() throws {
    let start = D.normal(shape: [3, 3], key: RandomKey(seed: 1))
    let table = D.normal(shape: [3, 3], key: RandomKey(seed: 2))
    func loss(_ controller: Controller) -> (D) throws -> D {
      { weights in
        let path = try odeint(
          from: start, at: [0, 1], method: .dopri5, rtol: 1e-10, atol: 1e-10, controller: controller
        ) { _, y in tanh(matmul(y, matmul(table, weights))) + matmul(y, weights) * 0.3 }
        return LaneProblem.weigh(path.final)
      }
    }
    let weights = D.normal(shape: [3, 3], key: RandomKey(seed: 3))
    let apart = try gradient(at: weights, of: loss(.perLane)),
      shared = try gradient(at: weights, of: loss(.automatic))
    #expect(zip(apart.scalars, shared.scalars).allSatisfy { abs($0 - $1) < 1e-7 })
  }

  /// Every lane takes the steps that it would take alone in a solve whose steps all lanes share.
  @Test(arguments: Method.all) func aLaneIsASolveOfItsOwn(method: Method) throws {
    let controller = Self.controller(method)
    let together = try problem.solve(
      problem.start, problem.times, problem.rates, problem.weights, method: method,
      controller: controller.perLane, tolerance: 1e-5)
    let statistics = try together.laneStatistics
    for lane in 0..<problem.lanes {
      let alone = try odeint(
        from: problem.start[lane...lane], at: problem.times[lane].scalars, method: method, rtol: 1e-5,
        atol: 1e-5,
        controller: controller
      ) { t, y in LaneProblem.field(t, y, problem.rates[lane...lane], problem.weights) }
      for save in 0..<3 {
        let a = together.states[save][lane].scalars, b = alone.states[save][0].scalars
        #expect(distance(a, b) < 1e-10, "lane \(lane), time \(save)")
      }
      let one = try alone.statistics
      #expect(statistics[lane].accepted == one.accepted && statistics[lane].rejected == one.rejected)
      #expect(statistics[lane].status == .success && statistics[lane].reached == one.reached)
    }
    let sums = try together.statistics
    #expect(sums.accepted == statistics.map(\.accepted).reduce(0, +))
    #expect(sums.evaluations == statistics.map(\.evaluations).reduce(0, +))
  }

  /// Bits do not depend on the batch, on the neighbours, nor on the number of threads; sums over lanes neither on threads.
  @Test(arguments: [SensitivityMethod.exact, .exact(memory: .bytes(40_000)), .backsolve])
  func bitsDoNotDependOnTheBatch(sensitivity: SensitivityMethod) throws {
    let many = LaneProblem(lanes: 300)
    func run(_ problem: LaneProblem, _ range: Range<Int>) throws -> (states: D, D, D, shared: D) {
      let start = problem.start[range], times = problem.times[range], rates = problem.rates[range]
      let states = try problem.solve(start, times, rates, problem.weights, sensitivity: sensitivity).states
      let g = try gradient(at: start, rates, problem.weights) { start, rates, weights in
        try problem.solve(start, times, rates, weights, sensitivity: sensitivity).states.sum()
      }
      return (states, g.0, g.1, g.2)
    }
    let whole = try withThreads(1) { try run(many, 0..<300) }
    for threads in [2, 3] {
      let again = try withThreads(threads) { try run(many, 0..<300) }
      #expect(again.states.scalars == whole.states.scalars && again.1.scalars == whole.1.scalars)
      #expect(again.2.scalars == whole.2.scalars && again.shared.scalars == whole.shared.scalars)
    }
    for range in [41..<42, 250..<253] {
      let part = try run(many, range)
      #expect(part.states.scalars == whole.states[0..., range].scalars)
      #expect(part.1.scalars == whole.1[range].scalars)
      // The cotangents of a lone lane's captures are sums over all lanes: another program, another order.
      #expect(range.count == 1 || part.2.scalars == whole.2[range].scalars)
    }
  }

  @Test(
    arguments: [SensitivityMethod.exact, .exact(memory: .bytes(300)), .backsolve], [true, false])
  func gradientsAgreeWithDifferences(sensitivity: SensitivityMethod, isAdaptive: Bool) throws {
    let controller: Controller = isAdaptive ? .perLane : .fixed(stepsPerInterval: 60).perLane
    func loss(_ y0: D, _ times: D, _ p: D, _ w: D) throws -> D {
      LaneProblem.weigh(
        try problem.solve(
          y0, times, p, w, controller: controller, sensitivity: sensitivity, tolerance: 1e-11
        ).states)
    }
    let at = [problem.start, problem.times, problem.rates, problem.weights]
    let found = try gradient(at: at[0], at[1], at[2]) { try loss($0, $1, $2, at[3]) }
    let weights = try gradient(at: at[3]) { try loss(at[0], at[1], at[2], $0) }
    for (index, slope) in [found.0, found.1, found.2, weights].enumerated() {
      var expected: [Double] = []
      for i in 0..<slope.count {
        func moved(_ by: Double) throws -> Double {
          var x = at, numbers = at[index].scalars
          numbers[i] += by
          x[index] = D(numbers, shape: at[index].shape)
          return try loss(x[0], x[1], x[2], x[3]).scalar
        }
        expected.append(try (moved(1e-5) - moved(-1e-5)) / 2e-5)
      }
      let scale = max(1, expected.map(abs).max()!)
      #expect(distance(slope.scalars, expected) < 2e-6 * scale, "input \(index)")
    }
  }

  /// Fewer kept states change what is integrated again, and no bit of a lane's gradient; sums over lanes are added up in the
  /// order in which the rows are swept.
  @Test func memoryDoesNotChangeTheGradient() throws {
    let many = LaneProblem(lanes: 40)
    func gradients(_ memory: SensitivityMethod.Memory) throws -> (lanes: [Double], shared: [Double]) {
      let g = try gradient(at: many.start, many.times, many.weights) { y0, times, w in
        LaneProblem.weigh(
          try many.solve(y0, times, many.rates, w, sensitivity: .exact(memory: memory), tolerance: 1e-8)
            .states)
      }
      return (g.0.scalars + g.1.scalars, g.2.scalars)
    }
    let all = try gradients(.bytes(1 << 24))
    for memory in [8 * many.start.count * 5, 1] {
      let some = try gradients(.bytes(memory))
      #expect(some.lanes == all.lanes)
      #expect(distance(some.shared, all.shared) < 1e-12 * all.shared.map(abs).max()!)
    }
  }

  @Test func derivativesNest() throws {
    let direction = D((0..<14).map { cos(Double($0)) }, shape: [7, 2])
    func slope(_ y0: D) throws -> D {
      try gradient(at: y0) { y0 in
        try problem.solve(y0, problem.times, problem.rates, problem.weights, tolerance: 1e-9).final.sum()
      }
    }
    let second = try gradient(at: problem.start) { y0 in (try slope(y0) * direction).sum() }.scalars
    let up = try slope(problem.start + direction * 1e-5).scalars
    let down = try slope(problem.start - direction * 1e-5).scalars
    #expect(distance(second, zip(up, down).map { ($0 - $1) / 2e-5 }) < 1e-6)
    let certificate = try problem.solve(
      problem.start, problem.times, problem.rates, problem.weights, tolerance: 1e-9
    ).certifyGradient()
    for input in certificate.inputs where input.name != "times" {
      #expect(input.dualityDefect < 1e-13 && input.receivesGradient, "\(input)")
    }
    #expect(certificate.worstDifference < 1e-8)
  }

  /// A lane that fails is a value: the others are solved as if it were not there, and it has no gradient.
  @Test(arguments: [SensitivityMethod.exact, .backsolve])
  func aLaneFailsAlone(sensitivity: SensitivityMethod) throws {
    // y' = w y^2 explodes at t = 1 / (w y0).
    func states(_ y0: D, _ w: D) -> Solution<Double> {
      solve(from: y0, at: [0, 0.5, 1.5], controller: .perLane, sensitivity: sensitivity) { t, y in y * y * w }
    }
    let y0 = D([0.1, 5, 0.2], shape: [3, 1]), w = D(1)
    let solution = states(y0, w)
    let ends = try solution.laneStatistics
    #expect(ends.map(\.status) == [.success, .stepUnderflow, .success])
    #expect(abs(ends[1].reached - 0.2) < 1e-3)
    #expect(try solution.status == .stepUnderflow)
    let numbers = solution.states.scalars
    #expect(numbers[1] == 5 && numbers[4].isNaN && numbers[7].isNaN)
    let healthy = states(D([0.1, 0.2], shape: [2, 1]), w)
    #expect(solution.final.scalars[0] == healthy.final.scalars[0])
    func slopes(_ y0: D, _ lanes: [Int]) -> (D, D) {
      gradient(at: y0, w) { y0, w in
        let final = states(y0, w).final
        return lanes.reduce(D(0)) { $0 + final[$1][0] }
      }
    }
    let found = slopes(y0, [0, 2])
    let expected = slopes(D([0.1, 0.2], shape: [2, 1]), [0, 1])
    #expect(found.0.scalars[1] == 0 && found.0.scalars[0] == expected.0.scalars[0])
    #expect(abs(found.1.scalar - expected.1.scalar) < 1e-12)
    let error = #expect(throws: SolveError.self) {
      try odeint(from: y0, at: [0, 0.5, 1.5], controller: .perLane) { t, y in y * y }
    }
    #expect(error?.lane == 1 && error?.component == 0 && error?.status == .stepUnderflow)
  }

  /// Lanes that differ a lot in their number of steps: each takes its own, in and after the company of the others.
  @Test func costIsTheSumOfTheWork() throws {
    let lanes = 400
    let rates = D((0..<lanes).map { $0 % 100 == 3 ? 50 : 1 }, shape: [lanes, 1])
    func steps(_ rates: D) throws -> [Int] {
      let y0 = D(repeating: 1, shape: [rates.shape[0], 1]).joined(
        D(repeating: 0, shape: [rates.shape[0], 1]))
      let solution = try odeint(from: y0, at: [0, 6], rtol: 1e-6, atol: 1e-6, controller: .perLane) { t, y in
        .concatenated([y[0..., 1..<2], -y[0..., 0..<1] * rates * rates], axis: 1)
      }
      return try solution.laneStatistics.map(\.accepted)
    }
    let found = try steps(rates)
    let easy = try steps(D([1], shape: [1, 1]))[0], hard = try steps(D([50], shape: [1, 1]))[0]
    #expect(hard > 30 * easy)
    for lane in 0..<lanes { #expect(found[lane] == (lane % 100 == 3 ? hard : easy)) }
  }

  @Test func aFieldThatMixesLanesIsAnError() {
    #expect(throws: CompileError.self) {
      try odeint(from: problem.start, t0: 0, t1: 1, controller: .perLane) { t, y in
        y - y.mean(axes: 0, keepingDimensions: true)
      }
    }
  }

  /// What a field may do with t, each lane being at its own.
  @Test(arguments: [
    "scalar", "column", "embedding", "weights", "stacked rows", "reduced", "time alone", "no time",
  ])
  func timeIsThatOfTheLane(use: String) throws {
    let w = D((0..<8).map { cos(Double($0)) }, shape: [2, 4]),
      u = D((0..<6).map { sin(Double($0)) }, shape: [3, 2])
    func field(_ t: D, _ y: D) -> D {
      let lanes = y.shape[0]
      let features: D = .stacked([sin(t), cos(t * 2.0)])
      switch use {
      case "scalar": return y * exp(-t) + t
      case "column":
        return matmul(.concatenated([y, t.broadcast(to: [lanes, 1])], axis: 1), u)
      case "embedding": return y * matmul(features.reshaped(to: [1, 2]), w)[0..., 1..<3]
      case "weights":
        let time = matmul(features.reshaped(to: [1, 2]), w).reshaped(to: [2, 2])
        return tanh(matmul(y, time))
      case "stacked rows": return y * D.concatenated([features * 3.0, features], axis: 0)[1..<3]
      case "reduced": return y * (features * features * 0.1).sum() - square(features).mean()
      case "time alone": return (features * t).broadcast(to: y.shape)
      default: return -y
      }
    }
    let start = problem.start, times = problem.times
    let solution = try odeint(from: start, at: times, rtol: 1e-8, atol: 1e-8) { t, y in field(t, y) }
    let slope = try gradient(at: start) { y0 in
      try odeint(from: y0, at: times, rtol: 1e-8, atol: 1e-8) { t, y in field(t, y) }.final.sum()
    }.scalars
    for lane in 0..<problem.lanes {
      let own = times[lane].scalars
      let alone = try odeint(from: start[lane...lane], at: own, rtol: 1e-8, atol: 1e-8) { t, y in field(t, y)
      }
      #expect(distance(solution.final[lane].scalars, alone.final.scalars) < 1e-11, "\(use), lane \(lane)")
      let g = try gradient(at: start[lane...lane]) { y0 in
        try odeint(from: y0, at: own, rtol: 1e-8, atol: 1e-8) { t, y in field(t, y) }.final.sum()
      }.scalars
      #expect(distance(Array(slope[2 * lane..<2 * lane + 2]), g) < 1e-11, "\(use), lane \(lane)")
    }
  }

  @Test(
    .enabled(if: allocation_count() >= 0, "allocations are not counted here"),
    .disabled(if: isUnoptimised, "closures allocate in unoptimised builds"), arguments: [1, 2])
  func aStepAllocatesNothing(threads: Int) throws {
    struct Model: Module {
      var w = D([0.3, -0.7, 0.9, 0.2], shape: [2, 2])
      mutating func visitParameters(_ visit: inout ParameterVisitor) { visit("w", &w) }
    }
    struct Batch: Module {
      var y: D
      mutating func visitParameters(_ visit: inout ParameterVisitor) { visit("y", &y) }
    }
    let many = LaneProblem(lanes: 200)
    for sensitivity in [SensitivityMethod.exact, .backsolve] {
      var trainer = Trainer(Model(), optimizer: .adam(learningRate: 1e-3)) { (model: Model, batch: Batch) in
        square(
          try many.solve(batch.y, many.times, many.rates, model.w, sensitivity: sensitivity).final
        ).mean()
      }
      let buffer = BatchBuffer(like: Batch(y: many.start))
      _ = buffer.scalars(0, of: Double.self).update(fromContentsOf: many.start.scalars)
      try withThreads(threads) {
        for _ in 0..<2 { try trainer.step(buffer) }
        let before = allocation_count()
        try trainer.step(buffer)
        #expect(allocation_count() == before)
      }
    }
  }
}

extension Tensor<Double> {
  fileprivate func joined(_ other: D) -> D { .concatenated([self, other], axis: 1) }
}
