import ArgumentParser
import Foundation
import NODECore
import RunnerSupport

/// The fixed workloads that peers are measured on (Benchmarks/peers has their side).
struct Workloads: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "workloads",
    abstract:
      "Times fixed workloads: W2 (MLP field, RK4 x 100) and W5 (one training step of the MNIST networks).",
    discussion: """
      One JSON line per case: median and minimum in milliseconds, operations, GFLOP/s, and the share of the rate that a \
      1024 x 1024 x 1024 product reaches in the same process.
      """)

  @Option(parsing: .upToNextOption, help: "Which: w2, w5.") var names = ["w2", "w5"]
  @Option(help: "Timed repeats, after one that is not.") var repeats = 5
  @Option(help: "Threads; one unless told.") var threads = 1

  func run() throws {
    Runtime.threads = threads
    let yardstick = try matmulRate()
    print(
      json([
        "machine": .text(Machine.here.summary), "yardstick": .text("matmul 1024^3"),
        "gflops": .number(yardstick),
      ]))
    for name in names {
      switch name {
      case "w2": try w2(yardstick)
      case "w5": try w5(yardstick)
      default: throw RunnerError("there is no workload \(name): w2 and w5 are known")
      }
    }
  }

  private func matmulRate() throws -> Double {
    let key = RandomKey(seed: 1)
    let a = try Tensor<Float>.normal(shape: [1024, 1024], key: key).evaluated()
    let product = compiled { (x: Tensor<Float>) in matmul(x, x) }
    let times = try time { _ = try product(a).evaluated() }
    return 2 * pow(1024, 3) / (times.min()! * 1e6)
  }

  /// Milliseconds of each repeat.
  private func time(_ body: () throws -> Void) rethrows -> [Double] {
    try body()
    return try (0..<repeats).map { _ in
      let start = monotonicSeconds()
      try body()
      return 1e3 * (monotonicSeconds() - start)
    }
  }

  // MARK: W2

  /// A batch of initial states, as a module: the only input of the step.
  struct States: Module {
    var y0: Tensor<Float>
    mutating func visitParameters(_ visit: inout ParameterVisitor) { visit("y0", &y0) }
  }

  private func w2(_ yardstick: Double) throws {
    let net = MLP<Float>(64, 256, 256, 64, activation: .tanh, key: RandomKey(seed: 2))
    let batch = States(y0: try Tensor<Float>.normal(shape: [256, 64], key: RandomKey(seed: 3)).evaluated())
    for (name, sensitivity) in [("exact", SensitivityMethod.exact), ("backsolve", .backsolve)] {
      var trainer = Trainer<MLP<Float>, States, Float>(net, optimizer: .sgd(learningRate: 0.0)) {
        net, batch in
        let solution = try odeint(
          from: batch.y0, at: [0, 1], method: .rk4, controller: .fixed(stepsPerInterval: 100),
          sensitivity: sensitivity
        ) { _, y in net(y) }
        return square(solution.final).mean()
      }
      let buffer = BatchBuffer(like: batch)
      _ = buffer.scalars(0, of: Float.self).update(fromContentsOf: batch.y0.scalars)
      if name == "exact" {
        let forward = try time { _ = try trainer.evaluate(buffer) }
        report(
          "W2", "forward", forward, flops: 100 * 4 * 256 * 2 * (64 * 256 + 256 * 256 + 256 * 64),
          planned: nil, yardstick)
      }
      let times = try time { try trainer.step(buffer) }
      let flops = 3.0 * 100 * 4 * 256 * 2 * Double(64 * 256 + 256 * 256 + 256 * 64)
      report(
        "W2", name, times, flops: flops, planned: try trainer.stepProgram(for: batch).plannedBytes, yardstick)
    }
  }

  // MARK: W5

  private func w5(_ yardstick: Double) throws {
    let data = SyntheticDigits.dataset(count: 128, key: RandomKey(seed: 4))
    let example = data.batch(Array(0..<128)[...])
    for (name, row) in [
      ("resnet6", RowName.resNet6), ("odenet", .odeNet), ("odenet-adjoint", .odeNetBacksolve),
    ] {
      guard let model = row.classifier(channels: 64, key: RandomKey(seed: 5)) else { continue }
      var trainer = Trainer<ImageClassifier<Float>, LabelledImages, Float>(
        model, optimizer: .sgd(learningRate: 0.01, momentum: 0.9)
      ) { model, batch in softmaxCrossEntropy(logits: try model(batch.images), labels: batch.labels).mean() }
      let buffer = BatchBuffer(like: example)
      buffer.fill(from: data, Array(0..<128)[...])
      let times = try time { try trainer.step(buffer) }
      let evaluations = Double(trainer.report?.forwardEvaluations ?? 0)
      // Forward multiply-adds per image: stem 13.8 M, block 2.65 M, field 2.70 M; a gradient costs twice the forward.
      let middle = row == .resNet6 ? 6 * 2.65e6 : evaluations * 2.70e6
      report(
        "W5", name, times, flops: 3 * 2 * 128 * (13.8e6 + middle),
        planned: try trainer.stepProgram(for: example).plannedBytes, yardstick, evaluations: evaluations)
    }
  }

  private func report(
    _ workload: String, _ name: String, _ times: [Double], flops: Double, planned: Int?, _ yardstick: Double,
    evaluations: Double? = nil
  ) {
    let best = times.min()!
    var fields: [String: Field] = [
      "workload": .text(workload), "case": .text(name), "threads": .number(Double(threads)),
      "median_ms": .number(median(times)), "min_ms": .number(best), "gflops": .number(flops / (best * 1e6)),
      "share_of_yardstick": .number(flops / (best * 1e6) / yardstick),
    ]
    if let planned { fields["planned_bytes"] = .number(Double(planned)) }
    if let evaluations { fields["evaluations"] = .number(evaluations) }
    print(json(fields))
  }

  private enum Field {
    case text(String), number(Double)
  }

  private func json(_ fields: [String: Field]) -> String {
    let parts = fields.sorted { $0.key < $1.key }.map { key, value in
      switch value {
      case .text(let text): "\"\(key)\": \"\(text)\""
      case .number(let x): "\"\(key)\": " + (x == x.rounded() ? String(Int(x)) : String(format: "%.4g", x))
      }
    }
    return "{" + parts.joined(separator: ", ") + "}"
  }
}

extension Machine {
  /// This machine as the library sees it.
  static var here: Machine {
    Machine(
      instructionSet: "\(Runtime.instructionSet)", openBLASCore: Runtime.openBLASCore,
      threads: Runtime.threads)
  }
}
