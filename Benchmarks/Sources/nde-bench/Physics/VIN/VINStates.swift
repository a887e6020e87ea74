import Foundation
import NODECore
import RunnerSupport

/// The experiment with noisy states: one seed trains every model on one trajectory and forecasts from phases that none has
/// seen.
struct VINStates {
  var system: Oscillator
  var epochs: Int
  var starts: Int
  /// Whether the authors' residual network of 1000 units is there too.
  var isWide: Bool
  var folder: String

  static let stepSize = 0.1, noise = 0.33, window = 20, trainingSteps = 150
  static let forecastSteps = 100, longSteps = 1000

  /// The circle's form is for angles.
  var models: [VINModel] {
    VINModel.allCases.filter { ($0 != .circle || system == .pendulum) && ($0 != .residual || isWide) }
  }

  /// A model after training, in double precision.
  struct Trained {
    var model: VINModel
    var parameters: Int
    var seconds: Double, loss: Double, noise: Double
    /// Phases [rows, 2] and a number of steps to phases [steps + 1, rows, 2].
    var phases: @Sendable (Tensor<Double>, Int) throws -> Tensor<Double>
    /// The energy that the model itself has learned, up to a constant.
    var energy: (@Sendable (Tensor<Double>) -> Tensor<Double>)?
  }

  func run(seed: UInt64) throws -> [SeedFigure] {
    let keys = RandomKey(seed: seed).split(5)
    let start: Tensor<Double> = try system.starts(1, key: keys[0]).evaluated()
    let film = try system.trajectory(
      from: start, steps: Self.trainingSteps, stepSize: Self.stepSize, noise: Self.noise, key: keys[1])
    let windows = Tensor.concatenated(
      (0...Self.trainingSteps - Self.window).map { film.sliced($0..<$0 + Self.window + 1, axis: 0) }, axis: 1)
    let test: Tensor<Double> = try system.starts(starts, key: keys[2]).evaluated()
    let truth = try system.trajectory(from: test, steps: Self.longSteps, stepSize: Self.stepSize)
    var figures: [SeedFigure] = [],
      shown: [(name: String, phases: Tensor<Double>, report: TrajectoryReport)] = []
    for model in models {
      let trained = try train(
        model, windows: try windows.converted(to: Float.self).evaluated(), seed: seed, key: keys[3],
        trainingKey: keys[4])
      if Interrupt.isRequested { return [] }
      let phases = try trained.phases(test, Self.longSteps).evaluated()
      let report = try report(phases, trained)
      figures += try self.figures(trained, phases: phases, truth: truth, report: report)
      shown.append((trained.model.rawValue, phases, report))
      let errors = figures.suffix(Self.figureNames.count).prefix(3).map { SeedReport.text($0.values[0]) }
      say(
        "\(system.rawValue), seed \(seed), \(model.rawValue) (\(trained.parameters) parameters): forecast MSE "
          + "\(errors[0]), median \(errors[1]); energy drift \(errors[2]); loss \(SeedReport.text(trained.loss)), "
          + "noise \(SeedReport.text(trained.noise)); \(Int(trained.seconds)) s")
    }
    if seed == 1 { try draw(shown, truth: truth, seed: seed) }
    return figures
  }

  // MARK: - Training

  private func train(
    _ model: VINModel, windows: Tensor<Float>, seed: UInt64, key: RandomKey, trainingKey: RandomKey
  ) throws -> Trained {
    let h = Self.stepSize
    func integrator<P: Layer>(_ potential: P, _ space: ConfigurationSpace) -> VariationalIntegrator<P> {
      VariationalIntegrator(potential: potential, coordinates: 1, space: space, stepSize: h)
    }
    func residual(_ hidden: Int) throws -> Trained {
      try train(
        model, ResidualMap(vinResidual(hidden: hidden, key: key) as MLP<Float>, stepSize: h),
        ResidualMap(vinResidual(hidden: hidden, key: key) as MLP<Double>, stepSize: h), windows, trainingKey,
        seed, energy: nil)
    }
    switch model {
    case .velocityVerlet:
      return try train(
        model, integrator(vinPotential(1, key: key) as MLP<Float>, .line),
        integrator(vinPotential(1, key: key) as MLP<Double>, .line), windows, trainingKey, seed
      ) { map, phase in
        map.energies(phase.sliced(0..<1, axis: 1)) + 0.5 * square(phase[.all, 1])
      }
    case .circle:
      return try train(
        model, integrator(PeriodicPotential(vinPotential(2, key: key) as MLP<Float>), .circle),
        integrator(PeriodicPotential(vinPotential(2, key: key) as MLP<Double>), .circle), windows,
        trainingKey,
        seed
      ) { map, phase in
        map.energies(phase.sliced(0..<1, axis: 1)) + 0.5 * square(phase[.all, 1])
      }
    case .residual: return try residual(1000)
    // 5 · 600 + 2 = 3002 parameters; VIN-VV has 3000.
    case .equalResidual: return try residual(600)
    }
  }

  /// Trains the map in single precision; its twin takes the parameters over.
  private func train<F: StepMap, D: StepMap>(
    _ model: VINModel, _ map: F, _ twin: D, _ windows: Tensor<Float>, _ key: RandomKey, _ seed: UInt64,
    energy: (@Sendable (D, Tensor<Double>) -> Tensor<Double>)?
  ) throws -> Trained where F.Scalar == Float, D.Scalar == Double {
    let start = NoisyPhaseModel(map, encoder: RecurrentStateEncoder(observation: 2, width: 2, key: key))
    var trainer = Trainer(start, optimizer: Adam(learningRate: .constant(1e-3))) {
      (model: NoisyPhaseModel<F>, windows: Tensor<Float>) in model.negativeLogLikelihood(ofWindows: windows)
    }
    var progress = ProgressLine(), loss = 0.0
    let begin = monotonicSeconds()
    for epoch in 0..<epochs where !Interrupt.isRequested {
      do { loss = try trainer.step(windows) } catch is TrainingError { loss = .nan }
      guard loss.isFinite else { break }
      progress.update(
        "\(system.rawValue) \(seed) \(model.rawValue)", done: epoch + 1, of: epochs,
        detail: String(format: "loss %.4f", loss))
    }
    progress.clear()
    let learned = trainer.model
    let numbers = learned.map.parameterVector(Float.self).scalars.map(Double.init)
    let double = twin.replacingParameters(with: Tensor(numbers))
    let phases: @Sendable (Tensor<Double>, Int) throws -> Tensor<Double> = {
      double.phases(from: $0, steps: $1)
    }
    var own: (@Sendable (Tensor<Double>) -> Tensor<Double>)?
    if let energy { own = { energy(double, $0) } }
    return Trained(
      model: model, parameters: numbers.count, seconds: monotonicSeconds() - begin, loss: loss,
      noise: Double(learned.noise.scalar), phases: phases, energy: own)
  }

  // MARK: - Figures

  private static let figureNames = [
    "forecast MSE, 100 steps, mean of starts", "forecast MSE, 100 steps, median of starts",
    "energy drift, 1000 steps, median of starts", "energy drift, 1000 steps, worst start",
    "energy slope a unit of time, worst start", "own energy's drift, 1000 steps, worst start",
    "symplecticity defect of a step", "noise (0.33)",
  ]

  private func report(_ phases: Tensor<Double>, _ trained: Trained) throws -> TrajectoryReport {
    let own = trained.energy.map { energy in [Invariant<Double>("own energy") { energy($0) }] } ?? []
    return try TrajectoryReport(
      times: (0...Self.longSteps).map { Double($0) * Self.stepSize }, states: phases,
      [system.energyInvariant()] + own)
  }

  private func figures(
    _ trained: Trained, phases: Tensor<Double>, truth: Tensor<Double>, report: TrajectoryReport
  ) throws -> [SeedFigure] {
    // The start, at which there is no error, counts as one of the authors' hundred.
    let range = 0..<Self.forecastSteps
    let errors = square(phases.sliced(range, axis: 0) - truth.sliced(range, axis: 0)).sum(axes: 2).mean(
      axes: 0)
    let perStart = try errors.evaluated().scalars.map { $0.isNaN ? .infinity : $0 }
    let energy = report["energy"]!
    let defect = try symplecticityDefect(of: { try trained.phases($0, 1)[1] }, at: truth[0])
    let values = [
      perStart.reduce(0, +) / Double(perStart.count), median(perStart), energy.medianDrift,
      energy.largestDrift, energy.largestSlope.magnitude, report["own energy"]?.largestDrift,
      defect.max().scalar, trained.noise,
    ]
    return zip(Self.figureNames, values).map {
      SeedFigure(
        task: "\(system.rawValue), noisy states", model: trained.model.rawValue, figure: $0,
        values: $1.map { [$0] } ?? [])
    }
  }

  private func draw(
    _ shown: [(name: String, phases: Tensor<Double>, report: TrajectoryReport)], truth: Tensor<Double>,
    seed: UInt64
  ) throws {
    let reports = shown.map { (name: $0.name, report: $0.report) }
    let note = "seed \(seed), \(starts) starts, \(epochs) epochs on 150 noisy states"
    let drift = SVGPlot(
      title: "\(system.rawValue): energy drift over 1,000 steps, median of starts", note: note,
      quantity: "energy", of: reports)
    try writeAtomically(drift.svg, to: "\(folder)/vin-\(system.rawValue)-energy-drift.svg")
    let exact = try TrajectoryReport(
      times: reports[0].report.times[0], states: truth, [system.energyInvariant()])
    let top = exact["energy"]!.values[0][0]
    let values = SVGPlot(
      title: "\(system.rawValue): energy of one trajectory", note: note, quantity: "energy",
      shown: .value(within: -top...3 * top), row: 0, of: [("exact", exact)] + reports)
    try writeAtomically(values.svg, to: "\(folder)/vin-\(system.rawValue)-energy.svg")
    let limit = try abs(truth).max().evaluated().scalar * 1.5
    let paths = ([("exact", truth)] + shown.map { ($0.name, $0.phases) }).map {
      (name: $0.0, states: $0.1.sliced(0..<201, axis: 0))
    }
    let plane = try SVGPlot(
      title: "\(system.rawValue): 200 steps from one start", note: note, phaseSpaceOf: paths,
      labels: ("position", "velocity"), within: limit)
    try writeAtomically(plane.svg, to: "\(folder)/vin-\(system.rawValue)-phase.svg")
  }
}
