import ArgumentParser
import Foundation
import NODECore
import RunnerSupport

/// Flow matching between two sets of data, and against maximum likelihood.
struct DensityTransport: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "transport",
    abstract: "Flow matching from one density to another, and in a race with maximum likelihood.",
    discussion: """
      First a flow from --from to --to is learned with each coupling, and its 2-Wasserstein distance to true samples \
      (--points of each, exact assignment, the median of five draws) is compared with that of two true samples. Then \
      the density of --to is learned from normal noise with the same network for --seconds by flow matching and by \
      maximum likelihood; the test's negative log-likelihoods are in nats above the entropy.
      """)

  @Option(help: "Where the flow begins.") var from = PlaneDataset.eightGaussians.rawValue
  @Option(help: "Where it ends.") var to = PlaneDataset.moons.rawValue
  @Option(help: "Steps of the transport.") var iterations = 10_000
  @Option(help: "Pairs of one step.") var batch = 256
  @Option(parsing: .upToNextOption, help: "Widths of hidden layers.") var hidden = [64, 64, 64]
  @Option(help: "Points of a distance.") var points = 1000
  @Option(help: "Wall time of each side of the race; 0: no race.") var seconds = 60
  @Option(help: "Seed.") var seed: UInt64 = 1
  @Option(help: "Threads; one unless told.") var threads = 1
  @Option(help: "Folder for transport.json.") var out = "Benchmarks/runs/transport"

  func validate() throws {
    for name in [from, to] {
      guard PlaneDataset(rawValue: name) != nil else {
        throw ValidationError(
          "\(name) is none of \(PlaneDataset.allCases.map(\.rawValue).joined(separator: ", "))")
      }
    }
    guard seconds == 0 || PlaneDataset(rawValue: to)?.entropy != nil else {
      throw ValidationError("the entropy of \(to) is not known: --seconds 0")
    }
    try requireOption("--iterations", iterations, in: 1...10_000_000)
    try requireOption("--batch", batch, in: 2...4096)
    try requireOption("--points", points, in: 10...5000)
    try requireOption("--seconds", seconds, in: 0...100_000)
    try requireOption("--threads", threads, in: 1...Runtime.maximumThreads)
    guard !hidden.isEmpty, hidden.allSatisfy({ 1...4096 ~= $0 }) else {
      throw ValidationError("--hidden must name widths in 1...4096, got \(hidden)")
    }
  }

  private typealias Field = TimeConcatField

  /// What random numbers are drawn for: a key each.
  private enum Stream: Int, CaseIterable {
    case weights, trainer, pairs, distances, evaluations, raceTrainer, raceBatches, raceTest
  }

  private func key(_ stream: Stream) -> RandomKey {
    RandomKey(seed: seed).split(Stream.allCases.count)[stream.rawValue]
  }

  /// The two sides of the race.
  private enum Side: String {
    case matching = "flow matching, exact assignment"
    case likelihood = "maximum likelihood"
  }

  private func flow<S: FloatingScalar>(_: S.Type) -> ContinuousFlow<Field<S>> {
    ContinuousFlow(
      Field(2, hidden: hidden, activation: .silu, key: key(.weights)), dimensions: 2)
  }

  private func trainer(_ coupling: FlowCoupling, _ steps: Int) -> Trainer<
    ContinuousFlow<Field<Float>>, MatchingBatch<Float>, Float
  > {
    Trainer(
      flow(Float.self), optimizer: Adam(learningRate: .cosine(2e-3, steps: steps, end: 2e-5)),
      maximumGradientNorm: 10, key: key(.trainer)
    ) { (flow: ContinuousFlow<Field<Float>>, pairs: MatchingBatch<Float>, key: RandomKey) in
      Objective(loss: try flow.matchingLoss(pairs, key: key))
    }
  }

  private struct Distance: Codable {
    var coupling: String, distance: Double, floor: Double, seconds: Double
    var evaluations: Int
  }
  private struct Race: Codable {
    var method: String, steps: Int, excess: Double, standardError: Double
  }

  func run() throws {
    Interrupt.install()
    Runtime.threads = threads
    try makeFolder(out)
    let source = PlaneDataset(rawValue: from)!, target = PlaneDataset(rawValue: to)!
    let pairKey = key(.pairs), distanceKey = key(.distances)
    var distances: [Distance] = [], races: [Race] = []
    var table = TextTable([
      "coupling", "W2 to true samples", "of two true samples", "times", "evaluations", "s",
    ])
    for coupling in [FlowCoupling.independent, .optimalTransport, .sinkhorn(regularisation: 0.2)] {
      var trainer = trainer(coupling, iterations)
      let start = monotonicSeconds()
      try loop("\(coupling)", progress: { Double($0) / Double(iterations) }) { step in
        let parts = pairKey.fold(in: step).split(3)
        return try trainer.step(
          MatchingBatch(
            data: target.sample(batch, key: parts[0]), noise: source.sample(batch, key: parts[1]),
            coupling: coupling, key: parts[2]))
      }
      if Interrupt.isRequested { break }
      let seconds = monotonicSeconds() - start
      let learned = flow(Double.self).evaluating(tolerance: 1e-6).replacingParameters(
        with: Tensor(trainer.model.parameterVector(Float.self).scalars.map(Double.init)))
      var found: [Double] = [], floor: [Double] = []
      for turn in 0..<5 {
        let parts = distanceKey.fold(in: turn).split(3)
        let start: Tensor<Double> = source.sample(points, key: parts[0])
        let truth: Tensor<Double> = target.sample(points, key: parts[1])
        found.append(try wasserstein2(learned.path(of: start, at: [1, 0])[1], truth))
        floor.append(
          try wasserstein2(target.sample(points, key: parts[2]) as Tensor<Double>, truth))
      }
      let evaluations = try odeint(
        from: source.sample(points, key: key(.evaluations)) as Tensor<Double>, at: Tensor([1, 0]), rtol: 1e-5,
        atol: 1e-5
      ) { learned.field($0, $1) }.statistics.evaluations
      let row = Distance(
        coupling: "\(coupling)", distance: median(found), floor: median(floor), seconds: seconds,
        evaluations: evaluations)
      distances.append(row)
      table.add([
        row.coupling, String(format: "%.4f", row.distance), String(format: "%.4f", row.floor),
        String(format: "%.2f", row.distance / row.floor), "\(evaluations)", String(format: "%.0f", seconds),
      ])
    }
    print("\n\(from) to \(to), \(iterations) steps of \(batch) pairs\n" + table.terminal)
    if seconds > 0, !Interrupt.isRequested {
      races = try [Side.matching, .likelihood].compactMap { try race($0, target) }
      var table = TextTable(["method", "steps in \(seconds) s", "NLL above the entropy"])
      for race in races {
        table.add([
          race.method, "\(race.steps)", String(format: "%.4f ± %.4f", race.excess, race.standardError),
        ])
      }
      print("\nnormal noise to \(to)\n" + table.terminal)
    }
    struct Report: Codable {
      var from: String, to: String, iterations: Int, batch: Int, points: Int, seconds: Int
      var distances: [Distance], race: [Race]
    }
    let report = Report(
      from: from, to: to, iterations: iterations, batch: batch, points: points, seconds: seconds,
      distances: distances, race: races)
    try writeAtomically(try jsonText(report), to: out + "/transport.json")
    if Interrupt.isRequested { throw ExitCode(130) }
  }

  /// Steps until the share of the work that is done, a function of the steps made, is 1.
  private func loop(_ label: String, progress share: (Int) -> Double, _ step: (Int) throws -> Double) throws {
    var progress = ProgressLine(), index = 0
    let start = monotonicSeconds()
    while share(index) < 1, !Interrupt.isRequested {
      let loss = try step(index)
      index += 1
      guard index % 20 == 0 else { continue }
      let done = min(1, share(index))
      progress.update(
        label, fraction: done, detail: String(format: "loss %.4f", loss),
        secondsLeft: (monotonicSeconds() - start) * (1 - done) / done)
    }
    progress.clear()
  }

  /// The same network for the same time. nil where the user interrupted it: what was cut short is not reported.
  private func race(_ side: Side, _ target: PlaneDataset) throws -> Race? {
    let trainerKey = key(.raceTrainer), batchKey = key(.raceBatches)
    let base = NormalDistribution<Float>(dimensions: 2)
    // How many steps there is time for is not known: a constant rate, and an average of the weights of the last half.
    let optimizer = Adam(learningRate: .constant(1e-3))
    let start = monotonicSeconds()
    func share(_: Int) -> Double { (monotonicSeconds() - start) / Double(seconds) }
    var sum: [Double] = [], count = 0, steps = 0
    func average(_ parameters: [Float], always: Bool = false) {
      guard always || share(steps) > 0.5 else { return }
      if sum.isEmpty { sum = parameters.map { _ in 0 } }
      for index in parameters.indices { sum[index] += Double(parameters[index]) }
      count += 1
    }
    let test: Tensor<Double> = target.sample(20_000, key: key(.raceTest))
    switch side {
    case .matching:
      var trainer = Trainer(
        flow(Float.self), optimizer: optimizer, maximumGradientNorm: 10, key: trainerKey
      ) { (flow: ContinuousFlow<Field<Float>>, pairs: MatchingBatch<Float>, key: RandomKey) in
        Objective(loss: try flow.matchingLoss(pairs, key: key))
      }
      try loop("flow matching", progress: share) { step in
        let parts = batchKey.fold(in: step).split(3)
        let loss = try trainer.step(
          MatchingBatch(
            data: target.sample(batch, key: parts[0]), noise: base.sample(batch, key: parts[1]),
            coupling: .optimalTransport, key: parts[2]))
        steps = step + 1
        if step % 10 == 9 { average(trainer.model.parameterVector(Float.self).scalars) }
        return loss
      }
      if count == 0 { average(trainer.model.parameterVector(Float.self).scalars, always: true) }
    case .likelihood:
      var trainer = Trainer(
        FlowDensity(flow(Float.self), base: base), optimizer: optimizer, maximumGradientNorm: 10,
        key: trainerKey
      ) {
        (
          density: FlowDensity<ContinuousFlow<Field<Float>>, NormalDistribution<Float>>, x: Tensor<Float>,
          key: RandomKey
        ) in
        Objective(loss: -(try density.logDensity(x, key: key)).mean())
      }
      try loop("maximum likelihood", progress: share) { step in
        let loss = try trainer.step(
          (target.sample(batch, key: batchKey.fold(in: step)) as Tensor<Float>).evaluated())
        steps = step + 1
        if step % 10 == 9 { average(trainer.model.parameterVector(Float.self).scalars) }
        return loss
      }
      if count == 0 { average(trainer.model.parameterVector(Float.self).scalars, always: true) }
    }
    if Interrupt.isRequested { return nil }
    let density = FlowDensity(flow(Double.self).evaluating(), base: NormalDistribution<Double>(dimensions: 2))
      .replacingParameters(with: Tensor(sum.map { $0 / Double(count) }))
    var estimate = try density.negativeLogLikelihood(of: test)
    estimate.mean -= target.entropy!
    return Race(
      method: side.rawValue, steps: steps, excess: estimate.mean, standardError: estimate.standardError)
  }
}
