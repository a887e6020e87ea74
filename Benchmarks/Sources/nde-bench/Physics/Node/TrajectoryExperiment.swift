import Foundation
import NODECore
import RunnerSupport

/// Models compared on trajectories of oscillators: NODE, ANODE and SONODE, which differ in what the state is.
struct TrajectoryExperiment {
  enum Fit {
    /// Positions and velocities are observed, and where both start is known (Norcliffe et al. 2020, damped
    /// oscillators).
    case full
    /// Both starts are known, but positions alone are observed: whether the second component is a velocity is
    /// up to the model.
    case positions
    /// One trajectory of positions, whose velocity is learned, by linear models that are told cos(pi t / 5)
    /// (the authors' forced Van der Pol).
    case driven
  }

  var task: String
  var dataset: OscillatorDataset
  var fit: Fit
  var iterations: Int
  var learningRate = 0.01
  var tolerance = 1e-3

  static let kinds: [DepthModelKind] = [.node, .anode, .sonode]

  struct Run {
    /// Of the training data, where it was least during training.
    var trainError = Double.infinity
    var positionError = Double.infinity
    /// Of the second component of the state; nil where there is none.
    var velocityError: Double?
    var evaluations = Double.infinity
    var times: [Double] = []
    /// [times, trajectories, 2], and what the model makes of it, [times, trajectories, width].
    var truth: Tensor<Double>?, learned: Tensor<Double>?
  }

  func run(_ kind: DepthModelKind, seed: UInt64, progress: String) throws -> Run {
    let keys = RandomKey(seed: seed).split(3)
    let times = dataset.times, trainTimes = fit == .driven ? Array(times.prefix(70)) : times
    let all = try dataset.trajectories(key: keys[0]).evaluated()
    let data = all.sliced(0..<trainTimes.count, axis: 0)
    var run = Run()
    let (best, loss) = try train(model(kind, keys[2]), on: data, times: trainTimes, progress)
    run.trainError = loss
    let truth = fit == .driven ? all : try dataset.trajectories(200, key: keys[1]).evaluated()
    guard let checked = CheckedPath(best, from: start(truth), at: times, isChecked: fit != .driven) else {
      say("\(task), \(kind.rawValue), seed \(seed): no tolerance passes the check of reconstruction")
      return run
    }
    run.evaluations = Double(checked.evaluations)
    run.times = times
    run.truth = truth
    run.learned = checked.states
    // What was trained on is no test: of one trajectory the later part.
    let first = fit == .driven ? trainTimes.count : 0
    func testError(of component: Int) throws -> Double {
      let part = { (x: Tensor<Double>) in
        x.sliced(first..<times.count, axis: 0).sliced(component..<component + 1, axis: 2)
      }
      return try meanSquaredError(part(checked.states), part(truth)).evaluated().scalar
    }
    run.positionError = try testError(of: 0)
    if checked.states.shape[2] > 1 { run.velocityError = try testError(of: 1) }
    return run
  }

  /// What a model starts from: positions and velocities, or positions alone.
  private func start(_ trajectories: Tensor<Double>) -> Tensor<Double> {
    let first = trajectories[0]
    return fit == .driven ? first.sliced(0..<1, axis: 1) : first
  }

  private func model(_ kind: DepthModelKind, _ key: RandomKey) -> any DepthModel {
    let keys = key.split(2), options = SolveOptions(method: .dopri5, rtol: tolerance, atol: tolerance)
    func net(_ inputs: Int, _ outputs: Int) -> MLP<Double> {
      MLP(inputs, 20, 20, outputs, activation: .elu, key: keys[0])
    }
    switch (fit, kind) {
    case (.driven, .anode):
      return AugmentedODE(
        DrivenLinearField(2, key: keys[0]),
        augmentation: .learned(1, by: Linear<Double>(1, 1, key: keys[1])), options: options)
    case (.driven, .sonode):
      return SecondOrderODE(
        DrivenLinearAcceleration(key: keys[0]), velocity: Linear<Double>(1, 1, key: keys[1]), options: options
      )
    case (.driven, _): return NeuralODE(DrivenLinearField(1, key: keys[0]), options: options)
    case (_, .anode):
      return AugmentedODE(AutonomousField(net(3, 3)), augmentation: .zeros(1), options: options)
    case (_, .sonode):
      return NeuralODE(SecondOrderField(AccelerationNetwork<Double>(net(2, 1))), options: options)
    default: return NeuralODE(AutonomousField(net(2, 2)), options: options)
    }
  }

  /// The model where its loss was least, and that loss.
  private func train(
    _ model: any DepthModel, on data: Tensor<Double>, times: [Double], _ progress: String
  ) throws -> (any DepthModel, Double) {
    // Unstable linear systems make large gradients over 70 units of time, and Adam, which remembers the squares
    // of gradients for a thousand steps, would stand still afterwards. The authors kept the runs whose loss
    // fell below 10; here the gradient is clipped.
    let seen = fit == .full ? 2 : 1, start = try start(data).evaluated()
    var trainer = Trainer(
      DepthRegressor(flow: model), optimizer: .adam(learningRate: .constant(learningRate)),
      maximumGradientNorm: fit == .driven ? 1 : nil
    ) { (model: DepthRegressor, start: Tensor<Double>) -> Tensor<Double> in
      let states = try model.flow.depthPath(from: start, at: times).states
      return meanSquaredError(states.sliced(0..<seen, axis: 2), data.sliced(0..<seen, axis: 2))
    }
    var best = (model: model, loss: Double.infinity), line = ProgressLine()
    for step in 1...iterations where !Interrupt.isRequested {
      let before = trainer.model.flow
      let loss: Double
      do { loss = try trainer.step(start) } catch let error where error.isNumerical { break }
      if loss < best.loss { best = (before, loss) }
      line.update(progress, done: step, of: iterations, detail: String(format: "loss %.5f", loss))
    }
    line.clear()
    return best
  }
}

/// As `CheckedModel`, for a path through many times.
private struct CheckedPath {
  var states: Tensor<Double>
  var evaluations: Int

  /// - Parameter isChecked: false where integrating back cannot recover the start, as over hundreds of time
  ///   constants of a
  ///   system that forgets it: the path is then the one at a tolerance of 1e-8.
  init?(_ model: any DepthModel, from x: Tensor<Double>, at times: [Double], isChecked: Bool) {
    var model = model
    for exponent in isChecked ? 3...10 : 8...8 {
      model.options.rtol = Double("1e-\(exponent)")!
      model.options.atol = model.options.rtol
      guard let path = try? model.depthPath(from: x, at: times), let evaluations = try? path.evaluations
      else { continue }
      if isChecked {
        guard let error = try? path.solutions[0].reconstructionError(), error < 1e-2 else { continue }
      }
      states = path.states
      self.evaluations = evaluations
      return
    }
    return nil
  }
}

/// A linear field of the state and cos(pi t / 5).
private struct DrivenLinearField: VectorField {
  var linear: Linear<Double>

  init(_ dimensions: Int, key: RandomKey) { linear = Linear(dimensions + 1, dimensions, key: key) }

  func callAsFunction(_ t: Tensor<Double>, _ y: Tensor<Double>) -> Tensor<Double> {
    linear(.concatenated([y, drive(t, like: y)], axis: 1))
  }

  mutating func visitParameters(_ visit: inout ParameterVisitor) { visit("linear", &linear) }
}

/// An acceleration linear in x, v and cos(pi t / 5).
private struct DrivenLinearAcceleration: AccelerationField {
  var linear: Linear<Double>

  init(key: RandomKey) { linear = Linear(3, 1, key: key) }

  func callAsFunction(_ t: Tensor<Double>, _ x: Tensor<Double>, _ v: Tensor<Double>) -> Tensor<Double> {
    linear(.concatenated([x, v, drive(t, like: x)], axis: 1))
  }

  mutating func visitParameters(_ visit: inout ParameterVisitor) { visit("linear", &linear) }
}

private func drive(_ t: Tensor<Double>, like y: Tensor<Double>) -> Tensor<Double> {
  cos(t * ForcedVanDerPol<Double>().omega).reshaped(to: []).broadcast(to: [y.shape[0], 1])
}
