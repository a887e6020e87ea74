import Foundation
import NODECore
import RunnerSupport

/// An epidemic whose rates of recovery are known and whose exposure, who infects whom how fast, is not. One output of a network
/// leaves the susceptible ones and enters the next compartment, so that nobody is lost.
struct UDEEpidemic {
  enum Kind: String, CaseIterable {
    case sir = "SIR", seir = "SEIR"

    var system: DynamicalSystem { self == .sir ? .sir : .seir }
    /// The exposure's sign in each compartment.
    var mixing: [[Double]] { self == .sir ? [[-1, 1, 0]] : [[-1, 1, 0, 0]] }
    /// The infected ones.
    var infected: Int { self == .sir ? 1 : 2 }
  }

  let kind: Kind
  static let noise = 0.005
  typealias Network = UniversalField<SelectedInputs<MLP<Double>>>

  struct Outcome {
    var seed: UInt64
    var loss: Double, iterations: Int
    var isExact: Bool
    /// Relative error of beta; infinite where the support is not exact.
    var error: Double
    /// Root mean squares over (21, 60] days: the network's and the formulas'.
    var networkExtrapolation: Double, extrapolation: Double
    /// Largest difference of the network's compartments' sum from that at the start.
    var lost: Double
    /// The final size of the recovered equations against the equation that it has to satisfy, and against the true system's.
    var finalSizeDefect: Double, finalSizeError: Double
    var equations: SymbolicField<Double>
    var model: Trajectory<Network>
  }

  func run(seed: UInt64) throws -> Outcome {
    let system = kind.system, times = system.times, count = system.start.count, infected = kind.infected
    // The same noise for every seed, which is the network's.
    let observations = try system.observations(noise: Self.noise, key: RandomKey(seed: 2020)).evaluated()
    let exposure = Term(powers: (0..<count).map { $0 == 0 || $0 == infected ? 1 : 0 })
    let known = SymbolicField<Double>(
      variables: system.field.variables,
      equations: system.field.equations.map { row in row.filter { $0.term != exposure } }, isLearned: false)
    // The output starts at 0: at a random one everybody would be infected in days, and fits end where nobody ever is.
    var network = MLP<Double>(2, 64, 64, 1, activation: .tanh, key: RandomKey(seed: seed))
    network.layers[2] = Linear(64, 1, weightInitializer: .zeros, biasInitializer: .zeros)
    let start = Trajectory(
      field: UniversalField(
        known: known, unknown: SelectedInputs([0, infected], network), mixing: kind.mixing),
      start: Tensor(system.start, shape: [1, count]))
    var fitting = UDEFitting(adamSteps: 1000, adamRate: 0.001, label: "\(kind.rawValue), seed \(seed)")
    fitting.lbfgs.maximumIterations = 1000
    let fit = try fitting.fit(start) { square(try $0.states(at: times) - observations).sum() }

    let fine = (0...84).map { Double($0) / 4 }
    let states = try fit.model.states(at: fine)
    // What an exposure may depend on.
    let library = TermLibrary(
      TermLibrary.polynomials(of: count, degree: 3).terms.filter { term in
        term.powers.indices.allSatisfy { $0 == 0 || $0 == infected || term.powers[$0] == 0 }
      })
    let found = UDERecovery.sindy(library).discover(
      system.field.variables, states: states, values: fit.model.field.unknown(states))
    let selection = try UDERecovery.selected(
      found, in: fit.model, observations: observations, times: times, maximumTerms: 3)
    let recovered = selection.fitted
    let isExact = recovered.field.unknown.terms == [[exposure]]
    let beta = isExact ? recovered.field.unknown.equations[0][0].coefficient : .infinity
    let trueBeta = -system.field.equations[0][0].coefficient

    let later = (0...60).map(Double.init)
    let truth = try system.trajectory(at: later)
    func extrapolation<F>(_ model: Trajectory<F>) -> Double {
      guard let path = try? model.states(at: later) else { return .infinity }
      return rootMeanSquare(path[22...], truth[22...])
    }
    let sums = try fit.model.states(at: later).sum(axes: [1]).scalars
    let ends = try finalSize(of: recovered, beta: beta, system)
    return Outcome(
      seed: seed, loss: fit.final, iterations: fit.iterations, isExact: isExact,
      error: abs(beta / trueBeta - 1), networkExtrapolation: extrapolation(fit.model),
      extrapolation: extrapolation(recovered), lost: sums.map { abs($0 - sums[0]) }.max()!,
      finalSizeDefect: ends.defect, finalSizeError: ends.error, equations: recovered.field.equations,
      model: fit.model)
  }

  /// After 1,000 days: log(S_inf / S_0) + beta/gamma (N - R_0 - S_inf), which is 0 (Kermack, McKendrick 1927), and the relative error of
  /// S_inf.
  private func finalSize(
    of model: Trajectory<UDERecovery.Formulas>, beta: Double, _ system: DynamicalSystem
  ) throws -> (defect: Double, error: Double) {
    guard beta.isFinite else { return (.infinity, .infinity) }
    let ends = try model.states(at: [0, 1000], tolerance: 1e-10)
    let first = ends[0].scalars, last = ends[1].scalars
    let gamma = system.field.equations.last![0].coefficient
    let everybody = first.dropLast().reduce(0, +)
    let defect = abs(log(last[0] / first[0]) + beta / gamma * (everybody - last[0]))
    let truth = try system.trajectory(at: [0, 1000])[1, 0].scalar
    return (defect, abs(last[0] / truth - 1))
  }
}
