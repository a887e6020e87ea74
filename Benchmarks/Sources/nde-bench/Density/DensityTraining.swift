import Foundation
import NODECore
import RunnerSupport

/// Learns a density by maximum likelihood or by flow matching.
struct DensityTraining {
  var settings: DensitySettings
  var iterations: Int
  var batch: Int
  var learningRate: Double
  var seed: UInt64
  /// A batch of standardised rows: fresh samples of a known density, or rows of a table.
  var draw: (Int, RandomKey) throws -> Tensor<Float>

  /// The model, and the losses, a mean of every hundred steps. Ends early where the user interrupts it.
  func run() throws -> (model: DensityModel, losses: [(step: Int, loss: Double)]) {
    let keys = RandomKey(seed: seed).split(3)
    let start = settings.density(Float.self, key: keys[0])
    let optimizer = Adam(
      learningRate: .cosine(learningRate, steps: iterations, end: learningRate / 100), weightDecay: 1e-5,
      decoupled: true)
    switch settings.method {
    case .ffjord, .planar:
      var trainer = Trainer(start, optimizer: optimizer, maximumGradientNorm: 10, key: keys[1]) {
        (density: DensitySettings.Density<Float>, x: Tensor<Float>, key: RandomKey) in
        Objective(loss: -(try density.logDensity(x, key: key)).mean())
      }
      let losses = try loop { step in try trainer.step(draw(batch, keys[2].fold(in: step))) }
      return (model(trainer.model), losses)
    case .matching:
      var trainer = Trainer(start, optimizer: optimizer, maximumGradientNorm: 10, key: keys[1]) {
        (density: DensitySettings.Density<Float>, batch: MatchingBatch<Float>, key: RandomKey) in
        Objective(loss: try density.flow.matchingLoss(batch, key: key))
      }
      let losses = try loop { step in
        let parts = keys[2].fold(in: step).split(3)
        let noise = try start.base.sample(batch, key: parts[1]).evaluated()
        return try trainer.step(
          MatchingBatch(
            data: draw(batch, parts[0]), noise: noise, coupling: .optimalTransport, key: parts[2]))
      }
      return (model(trainer.model), losses)
    }
  }

  private func model(_ density: DensitySettings.Density<Float>) -> DensityModel {
    DensityModel(settings: settings, parameters: density.parameterVector(Float.self).scalars)
  }

  private func loop(_ step: (Int) throws -> Double) throws -> [(step: Int, loss: Double)] {
    var progress = ProgressLine(), losses: [(step: Int, loss: Double)] = [], sum = 0.0, count = 0
    for index in 0..<iterations where !Interrupt.isRequested {
      let loss = try step(index)
      sum += loss
      count += 1
      if count == 100 || index + 1 == iterations || Interrupt.isRequested {
        losses.append((index + 1, sum / Double(count)))
        (sum, count) = (0, 0)
      }
      progress.update(
        settings.method.rawValue, done: index + 1, of: iterations,
        detail: String(format: "loss %.4f", losses.last?.loss ?? loss))
    }
    progress.clear()
    return losses
  }
}
