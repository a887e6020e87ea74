import Foundation
import NODECore
import RunnerSupport

/// The experiment with pixels: one seed trains every model on one film of a pendulum and forecasts it, and films that none has
/// seen, from ten frames.
struct VINPixels {
  var epochs: Int
  var folder: String

  static let films = 3, frames = 60, window = 11, encoded = 10, forecast = 100

  private static let models: [VINModel] = [.velocityVerlet, .circle, .residual]
  private static let figureNames = [
    "squared error of a pixel, own film", "angle error of the picture, own film (rad)",
    "squared error of a pixel, other films", "angle error of the picture, other films (rad)",
    "negative ELBO (nats)",
  ]

  /// What a trained model says: probabilities of pixels [times, films, pixels].
  private typealias Forecast = (Tensor<Float>, Int) throws -> Tensor<Float>

  func run(seed: UInt64) throws -> [SeedFigure] {
    let keys = RandomKey(seed: seed).split(5)
    // Of all films one after the other, the first is learned from.
    let starts: Tensor<Double> = try Oscillator.pendulum.starts(1 + Self.films, key: keys[0]).evaluated()
    let phases = try Oscillator.pendulum.trajectory(from: starts, steps: Self.forecast)
    let angles = try phases[..., 0].evaluated().scalars
    let all: Tensor<Float> = try PendulumFrames.render(angles: angles)
      .reshaped(to: [Self.forecast + 1, 1 + Self.films, PendulumFrames.side * PendulumFrames.side])
      .evaluated()
    let windows = FrameWindows(
      films: all.sliced(0..<1, axis: 1).sliced(0..<Self.frames, axis: 0), length: Self.window)
    var figures: [SeedFigure] = [], strips: [Tensor<Float>] = []
    for model in Self.models {
      let begin = monotonicSeconds()
      let (predict, loss) = try train(model, windows, seed: seed, keys: Array(keys[1...]))
      if Interrupt.isRequested { return [] }
      let pixels = try predict(all.sliced(0..<Self.encoded, axis: 0), Self.forecast).evaluated()
      let errors = try errors(of: pixels, all)
      let values =
        [errors[0].pixel, errors[0].angle]
        + [
          errors.dropFirst().map(\.pixel).reduce(0, +) / Double(Self.films),
          errors.dropFirst().map(\.angle).reduce(0, +) / Double(Self.films), loss,
        ]
      figures += zip(Self.figureNames, values).map {
        SeedFigure(task: "pendulum, pixels", model: model.rawValue, figure: $0, values: [$1])
      }
      strips.append(pixels)
      say(
        "pixels, seed \(seed), \(model.rawValue): pixel error \(SeedReport.text(values[0])), other films "
          + "\(SeedReport.text(values[2])); angle error \(SeedReport.text(values[1])) and "
          + "\(SeedReport.text(values[3])) rad; \(Int(monotonicSeconds() - begin)) s")
    }
    if seed == 1 { try draw([all] + strips) }
    return figures
  }

  private func train(
    _ model: VINModel, _ windows: FrameWindows<Float>, seed: UInt64, keys: [RandomKey]
  ) throws -> (Forecast, loss: Double) {
    func integrator<P: Layer>(_ potential: P, _ space: ConfigurationSpace, _ h: Double)
      -> VariationalIntegrator<P>
    {
      VariationalIntegrator(potential: potential, coordinates: 1, space: space, stepSize: h)
    }
    // Step sizes are the authors': of a latent phase they are a choice of units. The circle's unit is the radian.
    switch model {
    case .velocityVerlet:
      return try train(
        model, integrator(vinPotential(1, key: keys[0]) as MLP<Float>, .line, 1), .positions, [1, 1], windows,
        seed, keys)
    case .circle:
      let potential = PeriodicPotential(vinPotential(2, key: keys[0]) as MLP<Float>)
      return try train(
        model, integrator(potential, .circle, 0.1), .angles, [1, 1], windows, seed, keys)
    case .residual, .equalResidual:
      let net: MLP<Float> = vinResidual(hidden: 1000, key: keys[0])
      return try train(model, ResidualMap(net, stepSize: 1), .phase, [1, 1], windows, seed, keys)
    }
  }

  private func train<M: StepMap>(
    _ model: VINModel, _ map: M, _ view: PhaseView, _ prior: [Double], _ windows: FrameWindows<Float>,
    _ seed: UInt64, _ keys: [RandomKey]
  ) throws -> (Forecast, loss: Double) where M.Scalar == Float {
    let pixels = PendulumFrames.side * PendulumFrames.side
    let start = PixelMechanics(
      map,
      encoder: RecurrentStateEncoder(
        observation: pixels, width: 2, hidden: [1000, 1000], memory: 50, key: keys[1]),
      decoder: MLP(view.width(coordinates: 1), 1000, 1000, pixels, activation: .relu, key: keys[2]),
      view: view,
      priorDeviations: prior, encoded: Self.encoded)
    var trainer = Trainer(start, optimizer: Adam(learningRate: .constant(3e-4)), key: keys[3]) {
      (model: PixelMechanics<M>, windows: FrameWindows<Float>, key: RandomKey) in
      let terms = model.negativeELBO(windows, length: Self.window, key: key)
      return Objective(loss: terms.loss)
    }
    var progress = ProgressLine(), loss = 0.0
    for epoch in 0..<epochs where !Interrupt.isRequested {
      do { loss = try trainer.step(windows) } catch is TrainingError { loss = .nan }
      guard loss.isFinite else { break }
      progress.update(
        "pixels \(seed) \(model.rawValue)", done: epoch + 1, of: epochs,
        detail: String(format: "loss %.1f", loss))
    }
    progress.clear()
    let learned = trainer.model
    return ({ learned.forecast(from: $0, steps: $1).pixels }, loss)
  }

  /// Means over the frames of each film: of the squared error of a pixel, and of the angle between the rods.
  private func errors(of pixels: Tensor<Float>, _ truth: Tensor<Float>) throws -> [(
    pixel: Double, angle: Double
  )] {
    let squares = try square(pixels - truth).mean(axes: 2).mean(axes: 0).evaluated().scalars
    let size = PendulumFrames.side * PendulumFrames.side, films = 1 + Self.films
    let shown = pixels.scalars.map(Double.init), exact = truth.scalars.map(Double.init)
    var turns = [Double](repeating: 0, count: films)
    for frame in 0..<shown.count / size {
      let range = frame * size..<(frame + 1) * size
      let difference = PendulumFrames.angle(of: shown[range]) - PendulumFrames.angle(of: exact[range])
      turns[frame % films] += abs(atan2(sin(difference), cos(difference)))
    }
    return (0..<films).map { (Double(squares[$0]), turns[$0] / Double(shown.count / size / films)) }
  }

  /// A PNG: the film that was learned from and one that was not, every fifth frame, the truth above what the models say.
  private func draw(_ films: [Tensor<Float>]) throws {
    let side = PendulumFrames.side, scale = 2, gap = 2, every = 5
    let columns = Self.forecast / every + 1, cell = side * scale + gap
    for (film, name) in [(0, "own"), (1, "other")] {
      var picture = PNG(width: columns * cell + gap, height: films.count * cell + gap)
      for (row, all) in films.enumerated() {
        for column in 0..<columns {
          let frame = try all[column * every][film].evaluated().scalars
          for y in 0..<side * scale {
            for x in 0..<side * scale {
              let ink = 1 - Double(frame[y / scale * side + x / scale])
              let grey = UInt8((min(max(ink.isFinite ? ink : 1, 0), 1) * 235).rounded())
              picture.set(gap + column * cell + x, gap + row * cell + y, (grey, grey, grey))
            }
          }
        }
      }
      try writeAtomically(picture.encoded, to: "\(folder)/vin-pixels-\(name).png")
    }
  }
}
