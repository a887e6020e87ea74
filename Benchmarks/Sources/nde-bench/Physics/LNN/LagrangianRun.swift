import Foundation
import NODECore
import RunnerSupport

/// What a model of accelerations is worth.
struct LagrangianOutcome: CustomStringConvertible {
  /// Mean over the starts of |E(T) - E(0)| over the energy's scale, each at most 1; E is the true energy.
  var energyError: Double
  /// The same for every saved time.
  var energyErrors: [Double]
  /// Starts whose motion did not reach the end, or ended off by the scale of the energy and more.
  var diverged: Int
  /// Mean over states of the sum of |error| over coordinates: at states as in training, at states of true motions.
  var trainingError: Double, motionError: Double
  var seconds: Double
  /// The states of the first start, by saved time.
  var motion: [[Double]]

  var description: String {
    String(
      format:
        "energy error %.5f (%d diverged), acceleration error %.4f in training, %.4f in motions, %.0f s of training",
      energyError, diverged, trainingError, motionError, seconds)
  }
}

/// One seed: trains in Float, follows motions in Double with steps of their own for each.
struct LagrangianRun {
  struct Settings {
    var task: LagrangianTask
    var steps: Int, width: Int, batch: Int
    var learningRate: Double, speed: Double
    var encoding: CoordinateEncoding
    var starts: Int
  }

  var settings: Settings
  var seed: UInt64

  private var keys: [RandomKey] { RandomKey(seed: seed).split(2) }
  private var coordinates: Int { settings.task.system(Float.self).coordinates }
  /// The unit of speed of both networks: speeds are uniform, and twice it at most.
  private var unit: Double { settings.speed / 2 }
  /// Of both networks: the Lagrangian's needs second derivatives.
  private static let activation = Activation.silu
  private var hidden: [Int] { [settings.width, settings.width] }
  /// Starts and test states are the same for all seeds.
  private static let testKeys = RandomKey(seed: 20_200_310).split(2)

  func lagrangian() throws -> LagrangianOutcome {
    func field<S: FloatingScalar>(_ type: S.Type) -> LagrangianField<LagrangianNetwork<S>> {
      LagrangianField(
        LagrangianNetwork(
          coordinates, hidden: hidden, activation: Self.activation, encoding: settings.encoding,
          kineticPrior: 1, speed: unit, start: .quiet, key: keys[0]))
    }
    let (parameters, seconds) = try train(field(Float.self), "LNN") { field, y in
      let (q, v) = halves(y)
      let a = settings.task.system(Float.self).acceleration(q, v)
      return field.residual(0, q, v, acceleration: a)
    }
    return try follow(field(Double.self).replacingParameters(with: parameters), seconds)
  }

  func baseline() throws -> LagrangianOutcome {
    func field<S: FloatingScalar>(_ type: S.Type) -> AngleAccelerations<S> {
      AngleAccelerations(
        coordinates, hidden: hidden, activation: Self.activation, encoding: settings.encoding, speed: unit,
        key: keys[0])
    }
    let (parameters, seconds) = try train(field(Float.self), "baseline") { field, y in
      try accelerationError(field, settings.task, y)
    }
    return try follow(field(Double.self).replacingParameters(with: parameters), seconds)
  }

  /// What the solver alone makes of the energy.
  func exactMotion() throws -> LagrangianOutcome {
    try follow(ExactField(task: settings.task), 0)
  }

  private func train<Field: AccelerationModel>(
    _ field: Field, _ name: String, loss: @escaping (Field, Tensor<Float>) throws -> Tensor<Float>
  ) throws -> (parameters: Tensor<Double>, seconds: Double) where Field.Scalar == Float {
    let settings = settings
    let rate = Schedule.warmUpCosine(
      settings.learningRate, warmUp: min(300, settings.steps / 10), steps: settings.steps)
    var trainer = Trainer(
      field, optimizer: .adam(learningRate: rate), maximumGradientNorm: 1, key: keys[1]
    ) { (field: Field, batch: Tensor<Float>, key: RandomKey) in
      let y: Tensor<Float> = settings.task.states(settings.batch, speed: settings.speed, key: key)
      return Objective(loss: try loss(field, y))
    }
    var progress = ProgressLine()
    let start = monotonicSeconds(), nothing = Tensor<Float>([0])
    for step in 0..<settings.steps where !Interrupt.isRequested {
      let loss = try naming("seed \(seed) \(name)") { try trainer.step(nothing) }
      guard step % 100 == 99 else { continue }
      progress.update(
        "seed \(seed) \(name)", done: step + 1, of: settings.steps, detail: String(format: "loss %.4f", loss))
    }
    progress.clear()
    let parameters = trainer.model.parameterVector(Float.self)
    return (parameters.converted(to: Double.self), monotonicSeconds() - start)
  }

  private func follow(_ field: some AccelerationModel<Double>, _ seconds: Double) throws -> LagrangianOutcome
  {
    let task = settings.task, system = task.system(Double.self)
    let y0: Tensor<Double> = task.starts(settings.starts, key: Self.testKeys[0])
    let frames = 1000
    let times = (0...frames).map { Double($0) * task.duration / Double(frames) }
    func motion(_ field: some AccelerationModel<Double>) throws -> Tensor<Double> {
      try solve(
        from: y0, at: times, method: .tsit5, rtol: 1e-6, atol: 1e-6, controller: .perLane, maxSteps: 20_000
      ) { t, y in try field(t, y) }.states
    }
    let states = try motion(field)
    // Times that a motion did not reach are NaN, and count as those that are off by everything.
    let starts = settings.starts, n = y0.shape[1]
    let flat = states.reshaped(to: [(frames + 1) * starts, n])
    let energies = system.energy(flat).scalars
    let errors = energies.indices.map { index in
      let error = abs(energies[index] - energies[index % starts]) / system.energyScale
      return error < 1 ? error : 1
    }
    let means = (0...frames).map { errors[$0 * starts..<($0 + 1) * starts].reduce(0, +) / Double(starts) }
    let truth = try motion(ExactField(task: task)).reshaped(to: [(frames + 1) * starts, n])
    let fresh: Tensor<Double> = task.states(10_000, speed: settings.speed, key: Self.testKeys[1])
    let all = states.scalars
    return LagrangianOutcome(
      energyError: means[frames], energyErrors: means, diverged: errors.suffix(starts).count { $0 == 1 },
      trainingError: try accelerationError(field, task, fresh).scalars[0],
      motionError: try accelerationError(field, task, truth).scalars[0], seconds: seconds,
      motion: (0...frames).map { frame in Array(all[frame * starts * n..<frame * starts * n + n]) })
  }
}

/// Mean over states [rows, 2n] of the sum over coordinates of |error|.
private func accelerationError<S: FloatingScalar>(
  _ field: some AccelerationModel<S>, _ task: LagrangianTask, _ y: Tensor<S>
) throws -> Tensor<S> {
  let (q, v) = halves(y)
  let error = field.acceleration(0, q, v) - task.system(S.self).acceleration(q, v)
  return abs(error).sum(axes: 1).mean()
}

private func halves<S: FloatingScalar>(_ y: Tensor<S>) -> (q: Tensor<S>, v: Tensor<S>) {
  let n = y.shape[1] / 2
  return (y[0..., 0..<n], y[0..., n...])
}

/// A task's accelerations in closed form.
private struct ExactField: AccelerationModel {
  typealias Scalar = Double

  var task: LagrangianTask

  func acceleration(_ t: Tensor<Double>, _ q: Tensor<Double>, _ v: Tensor<Double>) -> Tensor<Double> {
    task.system(Double.self).acceleration(q, v)
  }

  mutating func visitParameters(_ visit: inout ParameterVisitor) {}
}
