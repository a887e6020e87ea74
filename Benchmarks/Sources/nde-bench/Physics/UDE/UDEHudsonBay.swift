import NODECore
import RunnerSupport

/// Hares and lynxes: growth and decay known in form but not in size, the interaction unknown; multiple shooting, then one
/// solve from end to end (Rackauckas et al. 2020, `LotkaVolterra/hudson_bay.jl`).
struct UDEHudsonBay {
  /// [21, 2], yearly, divided by the largest of each column.
  let observations: Tensor<Double>

  private static let times = (0...20).map(Double.init)
  private static let options = SolveOptions(method: .tsit5, rtol: 1e-6, atol: 1e-6)
  typealias Network = UniversalField<MLP<Double>>

  struct Outcome {
    var seed: UInt64
    /// The authors' loss after each stage: sum of squares / 21 + 1e-3 mean of the squared weights.
    var afterAdam: Double, afterShooting: Double, final: Double
    /// Its first part alone.
    var fit: Double
    /// The same of the recovered equations, fitted again.
    var recoveredFit: Double
    var equations: SymbolicField<Double>
    var model: Trajectory<Network>
  }

  /// The loss that `loss` of the authors' script records: nothing but squares, the first observation being the start.
  private static func loss(_ model: Trajectory<Network>, _ observations: Tensor<Double>) throws -> Tensor<
    Double
  > {
    let weights = model.field.unknown.parameterVector(Double.self)
    return try misfit(model, observations) + 1e-3 * square(weights).mean()
  }

  private static func misfit<F>(_ model: Trajectory<F>, _ observations: Tensor<Double>) throws -> Tensor<
    Double
  > {
    square(try model.states(at: times) - observations).sum() * (1 / 21.0)
  }

  func run(seed: UInt64) throws -> Outcome {
    let observations = observations, keys = RandomKey(seed: seed).split(2)
    let x = Term(powers: [1, 0]), y = Term(powers: [0, 1])
    let rates = try Tensor<Double>.uniform(shape: [2], key: keys[0]).evaluated().scalars
    let known = SymbolicField<Double>(
      variables: ["x", "y"], equations: [[(x, rates[0])], [(y, -rates[1])]])
    let network = MLP<Double>(
      2, 5, 5, 5, 2, activation: .gaussian, weightInitializer: .xavierUniform(), biasInitializer: .zeros,
      key: keys[1])
    let start = Trajectory(field: UniversalField(known: known, unknown: network), start: observations[0..<1])
    let shooting = MultipleShooting(
      times: Self.times, observations: observations, groupSize: 5, continuity: 200)
    var fitting = UDEFitting(adamSteps: 100, label: "seed \(seed), shooting")
    fitting.lbfgs.maximumIterations = 500
    func loss(_ model: Trajectory<Network>) -> Double {
      (try? Self.loss(model, observations).evaluated().scalar) ?? .infinity
    }
    let pieces = try fitting.fit(start) { model in
      try shooting.loss(from: shooting.observedStarts, options: Self.options) { t, y in model.field(t, y) }
    }
    fitting.adamSteps = 0
    fitting.label = "seed \(seed), whole"
    fitting.lbfgs.maximumIterations = 10_000
    let whole = try fitting.fit(pieces.model) { try Self.loss($0, observations) }

    let fine = (0...40).map { Double($0) / 2 }
    let states = try whole.model.states(at: fine)
    let library = TermLibrary.polynomials(of: 2, degree: 5) + .functions([.sin], of: 2)
    let found = UDERecovery.sindy(library).discover(
      ["x", "y"], states: states, values: whole.model.field.unknown(states))
    let recovered = try UDERecovery.selected(
      found, in: whole.model, observations: observations, times: Self.times, maximumTerms: 3)
    return Outcome(
      seed: seed, afterAdam: pieces.afterAdam, afterShooting: loss(pieces.model), final: whole.final,
      fit: try Self.misfit(whole.model, observations).evaluated().scalar,
      recoveredFit: recovered.residuals / 21, equations: recovered.fitted.field.equations, model: whole.model)
  }
}
