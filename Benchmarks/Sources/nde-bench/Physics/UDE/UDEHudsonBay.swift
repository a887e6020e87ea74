import NODECore
import RunnerSupport

/// Hares and lynxes: growth and decay known in form but not in size, the interaction unknown; multiple shooting, then one
/// solve from end to end (Rackauckas et al. 2020, `LotkaVolterra/hudson_bay.jl`).
struct UDEHudsonBay {
  /// [21, 2], yearly, divided by the largest of each column.
  let observations: Tensor<Double>

  private static let times = (0...20).map(Double.init)
  /// As the authors' script, then twice as long: what is good for five years may be far off after twenty.
  private static let groupSizes = [5, 11]
  private static let options = SolveOptions(method: .tsit5, rtol: 1e-6, atol: 1e-6)
  typealias Network = UniversalField<MLP<Double>>

  struct Outcome {
    var seed: UInt64
    /// The authors' loss of each start: sum of squares / 21 + 1e-3 mean of the squared weights.
    var starts: [Double]
    /// The same of the best start, after shooting and in the end.
    var afterShooting: Double, final: Double
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

  /// A network and rates at random, fitted to pieces of the observations, then to longer ones, then for a while to all.
  private func begun(_ key: RandomKey, label: String) throws -> (
    model: Trajectory<Network>, shooting: Double, whole: Double
  ) {
    let observations = observations, keys = key.split(2)
    let x = Term(powers: [1, 0]), y = Term(powers: [0, 1])
    let rates = try Tensor<Double>.uniform(shape: [2], key: keys[0]).evaluated().scalars
    let known = SymbolicField<Double>(
      variables: ["x", "y"], equations: [[(x, rates[0])], [(y, -rates[1])]])
    let network = MLP<Double>(
      2, 5, 5, 5, 2, activation: .gaussian, weightInitializer: .xavierUniform(), biasInitializer: .zeros,
      key: keys[1])
    var model = Trajectory(field: UniversalField(known: known, unknown: network), start: observations[0..<1])
    var fitting = UDEFitting(adamSteps: 100, label: "\(label), shooting")
    fitting.lbfgs.maximumIterations = 500
    for groupSize in Self.groupSizes {
      let shooting = MultipleShooting(
        times: Self.times, observations: observations, groupSize: groupSize, continuity: 200)
      model = try fitting.fit(model) { model in
        try shooting.loss(from: shooting.observedStarts, options: Self.options) { t, y in model.field(t, y) }
      }.model
      fitting.adamSteps = 0
    }
    let shooting = (try? Self.loss(model, observations).evaluated().scalar) ?? .infinity
    guard shooting.isFinite else { return (model, shooting, shooting) }
    let whole = try fitting.fit(model) { try Self.loss($0, observations) }
    return (whole.model, shooting, whole.final)
  }

  /// - Parameter starts: how many networks are begun; the one that is best by then is fitted to the end.
  func run(seed: UInt64, starts: Int) throws -> Outcome {
    let observations = observations, key = RandomKey(seed: seed)
    let candidates = try (0..<starts).map { try begun(key.fold(in: $0), label: "seed \(seed).\($0 + 1)") }
    let best = candidates.min { $0.whole < $1.whole }!
    var fitting = UDEFitting(adamSteps: 0, label: "seed \(seed), whole")
    fitting.lbfgs.maximumIterations = 10_000
    let whole = try fitting.fit(best.model) { try Self.loss($0, observations) }

    let fine = (0...40).map { Double($0) / 2 }
    let states = try whole.model.states(at: fine)
    let library = TermLibrary.polynomials(of: 2, degree: 5) + .functions([.sin], of: 2)
    let found = UDERecovery.sindy(library).discover(
      ["x", "y"], states: states, values: whole.model.field.unknown(states))
    let recovered = try UDERecovery.selected(
      found, in: whole.model, observations: observations, times: Self.times, maximumTerms: 3)
    return Outcome(
      seed: seed, starts: candidates.map(\.whole), afterShooting: best.shooting, final: whole.final,
      fit: try Self.misfit(whole.model, observations).evaluated().scalar,
      recoveredFit: recovered.residuals / 21, equations: recovered.fitted.field.equations, model: whole.model)
  }
}
