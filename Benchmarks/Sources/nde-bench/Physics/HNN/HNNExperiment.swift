import Foundation
import NODECore
import RunnerSupport

/// One task of Greydanus et al. 2019 with their settings of training and their figures. A task is one line of `all`.
struct HNNExperiment {
  /// Where states and derivatives come from.
  enum Source {
    case task(HamiltonianTask)
    case realPendulum
  }

  /// What is published of one model.
  struct Published {
    var testLoss: Double, energy: Double
  }

  let name: String
  let source: Source
  /// Adam at a rate of 1e-3; a batch of nil are all states.
  let steps: Int, batch: Int?, weightDecay: Double
  /// README of greydanus/hamiltonian-nn, tables "Test loss" and "Energy MSE".
  let network: Published, baseline: Published

  static let all: [HNNExperiment] = [
    HNNExperiment(
      name: "spring", source: .task(.spring), steps: 2000, batch: nil, weightDecay: 1e-4,
      network: Published(testLoss: 3.5928e-2, energy: 3.8416e-4),
      baseline: Published(testLoss: 3.6656e-2, energy: 1.7077e-1)),
    HNNExperiment(
      name: "pendulum", source: .task(.pendulum), steps: 2000, batch: nil, weightDecay: 1e-4,
      network: Published(testLoss: 3.5586e-2, energy: 2.4852e-2),
      baseline: Published(testLoss: 3.5273e-2, energy: 4.1519e-2)),
    HNNExperiment(
      name: "real-pendulum", source: .realPendulum, steps: 2000, batch: nil, weightDecay: 1e-5,
      network: Published(testLoss: 5.9584e-3, energy: 1.4477e-2),
      baseline: Published(testLoss: 2.1864e-3, energy: 3.8564e-1)),
    HNNExperiment(
      name: "two-body", source: .task(.twoBodies), steps: 10_000, batch: 200, weightDecay: 0,
      network: Published(testLoss: 2.8218e-6, energy: 3.8751e-5),
      baseline: Published(testLoss: 2.9575e-5, energy: 6.3276e-2)),
    HNNExperiment(
      name: "three-body", source: .task(.threeBodies), steps: 10_000, batch: 600, weightDecay: 1e-4,
      network: Published(testLoss: 4.8809e-1, energy: 4.1926e-2),
      baseline: Published(testLoss: 3.8000e-1, energy: 1.0906e2)),
  ]

  /// The experiments with these names, all but the last without any.
  static func named(_ names: [String]) -> [HNNExperiment] {
    names.isEmpty ? Array(all.dropLast()) : all.filter { names.contains($0.name) }
  }

  /// Trains both models on the data of a seed.
  func run(seed: UInt64, steps: Int?, pendulum: RealPendulum?) throws -> HNNRun {
    let keys = RandomKey(seed: seed).split(4)
    let data: DerivativeDataset<Float>
    switch source {
    case .task(let task): data = try task.dataset(key: keys[0])
    case .realPendulum: data = pendulum!.dataset()
    }
    let columns = data.train.x.shape[1]
    let training = HNNTraining(
      steps: steps ?? self.steps, batch: batch, weightDecay: weightDecay, label: "\(name), seed \(seed)")
    let field = try training.fit(
      HamiltonianField(NetworkEnergy<Float>(columns, key: keys[1])), "HNN", data, key: keys[3])
    let plain = try training.fit(
      HNNBaseline<Float>(baseline: columns, key: keys[2]), "baseline", data, key: keys[3])
    return HNNRun(
      energy: HamiltonianField(
        NetworkEnergy<Double>(columns, weightInitializer: .zeros)
      ).replacingParameters(with: field.parameters),
      baseline: HNNBaseline<Double>(baseline: columns, weightInitializer: .zeros).replacingParameters(
        with: plain.parameters),
      testLoss: (field.testLoss, plain.testLoss), keys: keys)
  }
}

/// Both models of a seed after training, in double precision.
struct HNNRun {
  let energy: HamiltonianField<NetworkEnergy<Double>>
  let baseline: HNNBaseline<Double>
  let testLoss: (network: Double, baseline: Double)
  let keys: [RandomKey]
}

/// The authors' baseline: a network of the state, orthogonal weights, no bias at the end.
typealias HNNBaseline<Scalar: FloatingScalar> = AutonomousField<MLP<Scalar>>

extension AutonomousField {
  fileprivate init<Scalar: FloatingScalar>(
    baseline columns: Int, weightInitializer: Initializer = .orthogonal(),
    key: RandomKey = RandomKey(seed: 0)
  ) where Net == MLP<Scalar> {
    var net = MLP<Scalar>(
      columns, 200, 200, columns, activation: .tanh, weightInitializer: weightInitializer, key: key)
    net.layers[2].bias = nil
    self.init(net)
  }
}

/// Adam on the mean squared error of derivatives.
struct HNNTraining {
  let steps: Int, batch: Int?, weightDecay: Double
  let label: String

  /// The trained parameters, and the error on the test set. Throws `Interrupted` where the user ends it.
  func fit<Field: VectorField>(
    _ field: Field, _ model: String, _ data: DerivativeDataset<Float>, key: RandomKey
  ) throws -> (parameters: Tensor<Double>, testLoss: Double) where Field.Scalar == Float {
    var trainer = Trainer(
      field, optimizer: .adam(learningRate: 1e-3, weightDecay: weightDecay), key: key
    ) { (field: Field, samples: DerivativeSamples<Float>, key: RandomKey) in
      let samples = batch.map { samples.drawn($0, key: key) } ?? samples
      return Objective(loss: meanSquaredError(try field(0, samples.x), samples.dx))
    }
    var progress = ProgressLine()
    for step in 0..<steps where !Interrupt.isRequested {
      let loss = try naming("\(label), \(model)") { try trainer.step(data.train) }
      guard step % 20 == 19 else { continue }
      progress.update(
        "\(label), \(model)", done: step + 1, of: steps, detail: String(format: "loss %.3e", loss))
    }
    progress.clear()
    try Interrupt.check()
    let trained = trainer.model
    let testLoss = try meanSquaredError(trained(0, data.test.x), data.test.dx).evaluated().scalar
    return (trained.parameterVector(Float.self).converted(to: Double.self), Double(testLoss))
  }
}
