import ArgumentParser
import Foundation
import NODECore
import RunnerSupport

/// Planar flows, continuous and discrete, on one target after another (Chen et al. 2018, figures 4 and 5).
struct DensityPlanar: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "planar",
    abstract: "Compares planar continuous flows of M units with planar flows of K = M layers.",
    discussion: """
      Energies (u1, u2, u3, u4) are fitted by the Kullback-Leibler divergence to them, which is reported; u2 to u4 on \
      the square [-4, 4]². Names of data are fitted by maximum likelihood; there the test's negative log-likelihood \
      less the entropy is reported. All of it from --samples samples, in double precision, the continuous flow at 1e-7 \
      with its exact trace. Continuous flows take 10,000 steps of Adam, discrete ones 500,000 of RMSprop, as the \
      paper's; --cut divides both.
      """)

  @Argument(help: "u1 ... u4 or data.") var targets = ["u1"]
  @Option(parsing: .upToNextOption, help: "Units and layers.") var sizes = [2, 8, 32]
  @Option(help: "The paper's iterations are divided by this.") var cut = 10
  @Option(help: "Samples of one step.") var batch = 1024
  @Option(help: "End time of the continuous flows.") var endTime = 10.0
  @Option(help: "Largest learning rate of the continuous flows.") var learningRate = 5e-3
  @Option(help: "Samples of the report.") var samples = 20_000
  @Option(help: "Seed.") var seed: UInt64 = 1
  @Option(help: "Threads; one unless told.") var threads = 1
  @Option(help: "Folder for planar.json and planar.md.") var out = "Benchmarks/runs/planar"

  private enum Target {
    case energy(PlaneEnergy)
    case data(PlaneDataset)

    init?(_ name: String) {
      if let energy = PlaneEnergy(rawValue: name) {
        self = .energy(energy)
      } else if let data = PlaneDataset(
        rawValue: name), data.entropy != nil
      {
        self = .data(data)
      } else {
        return nil
      }
    }
  }

  private struct Row: Codable {
    var target: String, flow: String, size: Int, steps: Int, seconds: Double
    /// Nats above the least there is.
    var excess: Double, standardError: Double
  }

  func validate() throws {
    for target in targets {
      guard Target(target) != nil else {
        throw ValidationError("\(target) is neither u1, u2, u3, u4 nor data of known entropy")
      }
    }
    for size in sizes { try requireOption("--sizes", size, in: 1...1024) }
    guard endTime > 0, endTime.isFinite, learningRate > 0, learningRate.isFinite else {
      throw ValidationError(
        "--end-time and --learning-rate must be positive, got \(endTime) and \(learningRate)")
    }
    try requireOption("--cut", cut, in: 1...10_000)
    try requireOption("--batch", batch, in: 2...100_000)
    try requireOption("--samples", samples, in: 100...10_000_000)
    try requireOption("--threads", threads, in: 1...Runtime.maximumThreads)
  }

  func run() throws {
    Interrupt.install()
    Runtime.threads = threads
    try makeFolder(out)
    var rows: [Row] = []
    for name in targets {
      for size in sizes where !Interrupt.isRequested {
        let key = RandomKey(seed: seed).fold(in: size)
        let field = PlanarField<Float>(2, units: size, key: key)
        let twin = PlanarField<Double>(2, units: size, key: key)
        let pair = [
          try row(
            name, "planar CNF", size, 10_000 / cut, ContinuousFlow(field, dimensions: 2, endTime: endTime),
            ContinuousFlow(twin, dimensions: 2, endTime: endTime).evaluating(),
            Adam(learningRate: .cosine(learningRate, steps: 10_000 / cut, end: learningRate / 100))),
          try row(
            name, "planar NF", size, 500_000 / cut,
            PlanarFlow<Float>(2, layers: size, key: key), PlanarFlow<Double>(2, layers: size, key: key),
            RMSprop(learningRate: .cosine(1e-3, steps: 500_000 / cut, end: 1e-5), momentum: 0.9)),
        ]
        // What was cut short is not reported.
        if Interrupt.isRequested { break }
        rows += pair.compactMap { $0 }
        try write(rows)
      }
    }
    print("\n" + table(rows).terminal)
    if Interrupt.isRequested { throw ExitCode(130) }
  }

  /// Fits a flow in Float and tells what its twin in Double is worth.
  private func row<F: SamplingFlow, E: SamplingFlow>(
    _ name: String, _ kind: String, _ size: Int, _ steps: Int, _ flow: F, _ twin: E,
    _ optimizer: some Optimizer
  ) throws -> Row? where F.Scalar == Float, E.Scalar == Double {
    if Interrupt.isRequested { return nil }
    let start = monotonicSeconds(), keys = RandomKey(seed: seed).split(3)
    let parameters: [Float], report: (Tensor<Double>) throws -> Estimate
    switch Target(name)! {
    case .energy(let energy):
      let density = FlowDensity(flow, base: NormalDistribution<Float>(dimensions: 2))
      parameters = try fit(density, optimizer, steps, "\(name) \(kind) \(size)") { density, _, key in
        let (x, logDensity) = try density.sampleWithLogDensity(batch, key: key)
        return (logDensity - energy.planeLogDensity(x)).mean()
      }
      report = { parameters in
        let density = FlowDensity(twin, base: NormalDistribution<Double>(dimensions: 2))
          .replacingParameters(with: parameters)
        return try density.divergence(
          to: energy.planeLogDensity, logNormaliser: energy.logNormaliser, samples: samples, key: keys[2])
      }
    case .data(let data):
      let density = FlowDensity(ReversedFlow(flow), base: NormalDistribution<Float>(dimensions: 2))
      parameters = try fit(density, optimizer, steps, "\(name) \(kind) \(size)") { density, _, key in
        -(try density.logDensity(data.sample(batch, key: key), key: key)).mean()
      }
      report = { parameters in
        let density = FlowDensity(ReversedFlow(twin), base: NormalDistribution<Double>(dimensions: 2))
          .replacingParameters(with: parameters)
        var estimate = try density.negativeLogLikelihood(of: data.sample(samples, key: keys[2]))
        estimate.mean -= data.entropy!
        return estimate
      }
    }
    if Interrupt.isRequested { return nil }
    let seconds = monotonicSeconds() - start
    let estimate = try report(Tensor(parameters.map(Double.init)))
    let row = Row(
      target: name, flow: kind, size: size, steps: steps, seconds: seconds, excess: estimate.mean,
      standardError: estimate.standardError)
    say(
      String(
        format: "%@, %@, %d: %.4f ± %.4f nats above the least after %d steps in %.0f s", name, kind, size,
        row.excess, row.standardError, steps, seconds))
    return row
  }

  private func fit<D: Module>(
    _ density: D, _ optimizer: some Optimizer, _ steps: Int, _ label: String,
    _ loss: @escaping (D, Tensor<Float>, RandomKey) throws -> Tensor<Float>
  ) throws -> [Float] {
    var trainer = Trainer(
      density, optimizer: optimizer, maximumGradientNorm: 10, key: RandomKey(seed: seed).split(3)[1]
    ) { (density: D, batch: Tensor<Float>, key: RandomKey) in
      Objective(loss: try loss(density, batch, key))
    }
    var progress = ProgressLine()
    let start = monotonicSeconds(), nothing = Tensor<Float>([0])
    for step in 0..<steps where !Interrupt.isRequested {
      let loss = try trainer.step(nothing)
      guard step % 100 == 99 else { continue }
      let elapsed = monotonicSeconds() - start
      progress.update(
        label, fraction: Double(step + 1) / Double(steps), detail: String(format: "loss %.4f", loss),
        secondsLeft: elapsed / Double(step + 1) * Double(steps - step - 1))
    }
    progress.clear()
    return trainer.model.parameterVector(Float.self).scalars
  }

  private func table(_ rows: [Row]) -> TextTable {
    var table = TextTable(["target", "M = K", "planar CNF", "steps", "s", "planar NF", "steps", "s"])
    for row in rows where row.flow == "planar CNF" {
      guard
        let other = rows.first(where: {
          $0.target == row.target && $0.size == row.size && $0.flow != row.flow
        })
      else { continue }
      func cells(_ row: Row) -> [String] {
        [
          String(format: "%.4f ± %.4f", row.excess, row.standardError), "\(row.steps)",
          String(format: "%.0f", row.seconds),
        ]
      }
      table.add([row.target, "\(row.size)"] + cells(row) + cells(other))
    }
    return table
  }

  private func write(_ rows: [Row]) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    try writeAtomically(
      String(decoding: try encoder.encode(rows), as: UTF8.self) + "\n", to: out + "/planar.json")
    try writeAtomically(table(rows).markdown + "\n", to: out + "/planar.md")
  }
}
