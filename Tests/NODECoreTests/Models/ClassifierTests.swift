import AllocationCounter
import Foundation
import Testing

@testable import NODECore

/// The image networks, with few channels so that tests are quick: what they compute, and that they train.
@Suite struct ClassifierTests {
  private static func models(_ key: RandomKey) -> [(name: String, model: ImageClassifier<Float>)] {
    let backsolve = SolveOptions(method: .dopri5, rtol: 1e-3, atol: 1e-3, sensitivity: .backsolve)
    return [
      ("no block", .resNet(blocks: 0, channels: 8, key: key)),
      ("ResNet-2", .resNet(blocks: 2, channels: 8, key: key)),
      ("RK-Net", .rkNet(steps: 2, channels: 8, key: key)), ("ODE-Net exact", .odeNet(channels: 8, key: key)),
      ("ODE-Net backsolve", .odeNet(options: backsolve, channels: 8, key: key)),
      ("augmented ODE-Net", .odeNet(augmentedChannels: 4, channels: 8, key: key)),
    ]
  }

  private static func trainer(
    _ model: ImageClassifier<Float>
  ) -> Trainer<ImageClassifier<Float>, LabelledImages, Float> {
    Trainer(model, optimizer: .adam(learningRate: 0.01)) { model, batch, _ in
      let logits = try model(batch.images)
      let loss = crossEntropy(logits: logits, labels: batch.labels)
      return Objective(loss: loss, metrics: ["correct": correctCount(logits: logits, labels: batch.labels)])
    }
  }

  /// The loss on sixteen digits falls (slowly: eight channels are normalised one by one); counts evaluations exactly where the network is continuous.
  @Test(arguments: models(RandomKey(seed: 1)).indices) func lossFallsOnAFewDigits(_ index: Int) throws {
    let (name, model) = Self.models(RandomKey(seed: 1))[index]
    let batch = SyntheticDigits.dataset(count: 16, key: RandomKey(seed: 2)).batch(0..<16)
    var trainer = Self.trainer(model)
    let first = try trainer.step(batch)
    let report = trainer.report!
    #expect(abs(first - log(10)) < 1, "\(name) starts near the loss of guessing: \(first)")
    #expect(
      (model.ode != nil) == (report.forwardEvaluations > 0)
        && (model.ode != nil) == (report.backwardEvaluations > 0))
    if name == "RK-Net" { #expect(report.forwardEvaluations == 8) }
    var last = first
    for _ in 0..<25 { last = try trainer.step(batch) }
    #expect(last < 0.85 * first, "\(name): from \(first) to \(last)")
    let evaluation = try trainer.evaluate(batch)
    #expect(evaluation.gradientNorm == nil && evaluation.backwardEvaluations == 0)
  }

  /// The whole step (stem, solve, its gradient, optimizer) at a batch of several blocks of lanes: what comes out has the
  /// same bits whatever the number of threads, and running it again allocates nothing.
  @Test(arguments: models(RandomKey(seed: 1)).indices)
  func aStepHasTheSameBitsOnAnyThreadsAndAllocatesNothing(_ index: Int) throws {
    let (name, model) = Self.models(RandomKey(seed: 1))[index]
    let set = SyntheticDigits.dataset(count: 2 * 96, key: RandomKey(seed: 2))
    let buffer = BatchBuffer(like: set.batch(0..<96))
    let runs = try [1, 2, 3].map { threads in
      try withThreads(threads) {
        var trainer = Self.trainer(model)
        var losses: [Double] = []
        for step in 0..<2 {
          buffer.fill(from: set, Array(96 * step..<96 * (step + 1))[...])
          losses.append(try trainer.step(buffer))
        }
        let before = allocation_count()
        losses.append(try trainer.step(buffer))
        #expect(allocation_count() == before, "\(name) with \(threads) threads")
        return (losses, trainer.model.parameterVector().scalars)
      }
    }
    #expect(runs[1] == runs[0] && runs[2] == runs[0], "\(name)")
  }

  /// The gradient of the whole network in Double against central differences along random directions.
  @Test(arguments: [0, 1, 2]) func gradientsAgreeWithDifferences(_ index: Int) throws {
    let key = RandomKey(seed: 7)
    let start: ImageClassifier<Double> =
      [
        .resNet(blocks: 1, channels: 4, key: key), .rkNet(steps: 2, channels: 4, key: key),
        .odeNet(
          options: SolveOptions(method: .tsit5, controller: .fixed(stepsPerInterval: 3)),
          augmentedChannels: 2,
          channels: 4, key: key),
      ][index]
    // Away from biases that are exactly zero: augmented channels would sit on the rectifier's kink.
    let initial = start.parameterVector(Double.self)
    let model = start.replacingParameters(
      with: initial + Tensor.normal(shape: initial.shape, standardDeviation: 0.05, key: RandomKey(seed: 99)))
    let batch = SyntheticDigits.dataset(count: 3, key: RandomKey(seed: 3)).batch(0..<3)
    let images = batch.images.converted(to: Double.self)
    func loss(_ model: ImageClassifier<Double>) throws -> Tensor<Double> {
      crossEntropy(logits: try model(images), labels: batch.labels)
    }
    let slopes = try valueAndGradient(of: model, loss).gradient.parameterVector(Double.self).scalars
    let vector = model.parameterVector(Double.self)
    for seed in 0..<3 {
      let direction = Tensor<Double>.normal(shape: vector.shape, key: RandomKey(seed: UInt64(seed)))
      func along(_ step: Double) throws -> Double {
        try loss(model.replacingParameters(with: vector + direction * step)).scalar
      }
      let expected = try (along(1e-7) - along(-1e-7)) / 2e-7
      var product = 0.0
      for (slope, component) in zip(slopes, direction.scalars) { product += slope * component }
      // The step is small because rectifiers have kinks; round-off of the difference is then 1e-8.
      #expect(abs(product - expected) < 1e-5 * max(1, abs(expected)), "\(product) for \(expected)")
    }
  }

  @Test func aContinuousNetworkResumesBitForBit() throws {
    let set = SyntheticDigits.dataset(count: 32, key: RandomKey(seed: 2))
    func make() -> Trainer<ImageClassifier<Float>, LabelledImages, Float> {
      Self.trainer(.odeNet(channels: 8, key: RandomKey(seed: 1)))
    }
    var straight = make(), first = make(), second = make()
    for i in 0..<4 { try straight.step(set.batch(8 * i..<8 * i + 8)) }
    for i in 0..<2 { try first.step(set.batch(8 * i..<8 * i + 8)) }
    try second.restore(Checkpoint(first.checkpoint().encoded))
    for i in 2..<4 { try second.step(set.batch(8 * i..<8 * i + 8)) }
    #expect(second.checkpoint() == straight.checkpoint())
  }

  @Test func neuralODEIsTheSolveOfItsField() throws {
    struct Rotation: VectorField {
      var rate: Tensor<Double> = 1.0
      func callAsFunction(_ t: Tensor<Double>, _ y: Tensor<Double>) -> Tensor<Double> {
        rate * Tensor.stacked([-y[1], y[0]])
      }
      mutating func visitParameters(_ visit: inout ParameterVisitor) { visit("rate", &rate) }
    }
    let model = NeuralODE(
      Rotation(), t1: 1.2, options: SolveOptions(method: .tsit5, rtol: 1e-10, atol: 1e-10))
    let y = try model(Tensor<Double>([1, 0])).scalars
    #expect(abs(y[0] - cos(1.2)) < 1e-8 && abs(y[1] - sin(1.2)) < 1e-8)
    let path = try model.path(from: Tensor<Double>([1, 0]), at: [0, 0.5, 1]).states.scalars
    #expect(abs(path[3] - sin(0.5)) < 1e-8 && abs(path[5] - sin(1)) < 1e-8)
    let gradient = try valueAndGradient(of: model) { try $0(Tensor<Double>([1, 0]))[1] }.gradient
    #expect(abs(gradient.field.rate.scalar - 1.2 * cos(1.2)) < 1e-6)
  }
}
