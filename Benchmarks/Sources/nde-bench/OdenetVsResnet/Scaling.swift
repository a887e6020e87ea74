import NODECore
import RunnerSupport

/// Memory and time of one training step against depth (residual blocks) and against field evaluations (solver steps).
struct ScalingStudy {
  /// Steps timed per point, after one that is not.
  var repeats = 3
  /// Images of a step, fewer where there are not so many.
  var batch = 32

  /// Compiles and times one step of a model. `peak` is what the process grew by while the step was compiled and run.
  func measure<Model: Module>(
    size: Int, model: Model, data: RunData, logits: @escaping TrainingRun<Model>.Logits
  ) throws -> Results.ScalingPoint {
    var trainer = Trainer<Model, LabelledImages, Float>(
      model, optimizer: .sgd(learningRate: 0.01, momentum: 0.9)
    ) {
      model, batch in
      softmaxCrossEntropy(logits: try logits(model, batch.images), labels: batch.labels).mean()
    }
    let samples = Array(0..<min(batch, data.train.count))[...]
    let example = data.train.batch(samples)
    let buffer = BatchBuffer(like: example)
    buffer.fill(from: data.train, samples)
    let before = ResidentMemory.resetPeak()
    try trainer.step(buffer)
    var times: [Double] = []
    for _ in 0..<repeats {
      let start = monotonicSeconds()
      try trainer.step(buffer)
      times.append(1e3 * (monotonicSeconds() - start))
    }
    let peak = before.flatMap { before in ResidentMemory.peak.map { max(0, $0 - before) } }
    return Results.ScalingPoint(
      size: size, plannedBytes: try trainer.stepProgram(for: example).plannedBytes, peakBytes: peak,
      milliseconds: median(times))
  }
}

extension ScalingStudy {
  /// ResNets of 1 to 64 blocks, and the three networks with a solver at 8 to 512 evaluations a solve: the RK-Net as the
  /// paper has it, its steps written out in the graph and every stage kept for the way back; the ODE-Nets through
  /// `odeint`.
  func run(data: RunData, budget: Results.Budget, isFull: Bool, finished: (Results.Scaling) -> Void) throws {
    let channels = budget.channels
    try study("ResNet", "blocks", isFull ? [1, 2, 4, 8, 16, 32, 64] : [1, 4, 16, 64], finished) { blocks in
      try measure(size: blocks, model: .resNet(blocks: blocks, channels: channels), data: data)
    }
    let evaluations = isFull ? [8, 16, 32, 64, 128, 256, 512] : [8, 64, 512]
    // rk4 takes four evaluations a step: the number of evaluations is set, not found.
    try study("RK-Net, written out", "evaluations", evaluations, finished) { count in
      try measure(size: count, model: .rkNet(steps: count / 4, channels: channels), data: data) {
        model, images in try Self.writtenOut(model, images, steps: count / 4)
      }
    }
    let solves: [(String, SensitivityMethod)] = [
      ("ODE-Net .exact", .exact), ("ODE-Net .backsolve", .backsolve),
    ]
    for (name, sensitivity) in solves {
      try study(name, "evaluations", evaluations, finished) { count in
        let options = SolveOptions(
          method: .rk4, controller: .fixed(stepsPerInterval: count / 4), sensitivity: sensitivity)
        return try measure(size: count, model: .odeNet(options: options, channels: channels), data: data)
      }
    }
  }

  /// The network with the classical Runge-Kutta method as a graph of its own: nothing knows that it is a solve.
  @Sendable private static func writtenOut(
    _ model: ImageClassifier<Float>, _ images: Tensor<Float>, steps: Int
  ) throws -> Tensor<Float> {
    guard let ode = model.ode else { return try model(images) }
    let h = (ode.t1 - ode.t0) / Double(steps)
    var y = model.features(images)
    for n in 0..<steps {
      func slope(_ c: Double, _ state: Tensor<Float>) -> Tensor<Float> {
        ode.field(Tensor(Float(ode.t0 + (Double(n) + c) * h)), state)
      }
      let k1 = slope(0, y)
      let k2 = slope(0.5, y + k1 * Float(h / 2))
      let k3 = slope(0.5, y + k2 * Float(h / 2))
      let k4 = slope(1, y + k3 * Float(h))
      y = y + (k1 + (k2 + k3) * 2 + k4) * Float(h / 6)
    }
    return model.output(GlobalAveragePool2D()(relu(model.norm(y))))
  }

  private func study(
    _ name: String, _ unit: String, _ sizes: [Int], _ finished: (Results.Scaling) -> Void,
    _ point: (Int) throws -> Results.ScalingPoint
  ) throws {
    var scaling = Results.Scaling(name: name, unit: unit, points: [])
    for size in sizes where !Interrupt.isRequested { scaling.points.append(try point(size)) }
    finished(scaling)
  }

  private func measure(size: Int, model: ImageClassifier<Float>, data: RunData) throws -> Results.ScalingPoint
  {
    try measure(size: size, model: model, data: data) { model, images in try model(images) }
  }
}
