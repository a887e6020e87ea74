import Foundation
import NODECore
import RunnerSupport

/// Prey and predators whose interaction is unknown: learned by a network from one noisy trajectory, read off as formulas,
/// fitted once more and extrapolated (Rackauckas et al. 2020, scenario 1).
struct UDELotkaVolterra {
  /// [31, 2], t = 0 ... 3.
  let observations: Tensor<Double>
  /// Whether the network is fitted to the derivatives of smoothed observations before anything is solved.
  var prefits = true

  private static let system = DynamicalSystem.lotkaVolterra
  private static let interaction = Term(powers: [1, 1])
  private static let truth = [-0.9, 0.8]

  typealias Network = UniversalField<MLP<Double>>

  /// What one initialisation came to.
  struct Outcome {
    var seed: UInt64
    var afterAdam: Double, loss: Double, iterations: Int
    /// Whether the regression's own criterion, on the network's outputs, finds the two terms and no others, and whether the
    /// criterion on the observations does.
    var isExactOnOutputs: Bool, isExact: Bool
    /// Largest relative errors of the two coefficients, from the regression and fitted; infinite where the support is not exact.
    var errorBefore: Double, errorAfter: Double
    var residuals: Double
    /// Root mean squares over (3, 50] with the regression's coefficients from the first observation, and fitted.
    var extrapolationBefore: Double, extrapolationAfter: Double
    var regressed: SymbolicField<Double>
    var equations: SymbolicField<Double>
    var model: Trajectory<Network>, recovered: Trajectory<UDERecovery.Formulas>
  }

  static let library = TermLibrary.polynomials(of: 2, degree: 5) + .functions([.sin], of: 2)

  func run(seed: UInt64) throws -> Outcome {
    let x = Term(powers: [1, 0]), y = Term(powers: [0, 1])
    let known = SymbolicField<Double>(
      variables: ["x", "y"], equations: [[(x, 1.3)], [(y, -1.8)]], isLearned: false)
    let network = MLP<Double>(
      2, 5, 5, 5, 2, activation: .gaussian, weightInitializer: .xavierUniform(), biasInitializer: .zeros,
      key: RandomKey(seed: seed))
    let times = Self.system.times, observations = observations
    var field = UniversalField(known: known, unknown: network)
    var fitting = UDEFitting(label: "Lotka-Volterra, seed \(seed)")
    if prefits { field = try fitting.prefitted(field, observations, at: times) }
    let fit = try fitting.fit(Trajectory(field: field, start: observations[0..<1])) {
      square(try $0.states(at: times) - observations).sum()
    }

    let fine = (0...60).map { Double($0) / 20 }
    let states = try fit.model.states(at: fine)
    let found = UDERecovery.sindy(Self.library).discover(
      ["x", "y"], states: states, values: fit.model.field.unknown(states))
    let selection = try UDERecovery.selected(
      found, in: fit.model, observations: observations, times: times, maximumTerms: 3)
    let before = Trajectory(
      field: fit.model.field.replacing(unknown: selection.regressed), start: observations[0..<1])
    let after = selection.fitted
    let exact = [[Self.interaction], [Self.interaction]], isExact = after.field.unknown.terms == exact
    func error(_ field: SymbolicField<Double>) -> Double {
      isExact ? zip(field.equations, Self.truth).map { abs($0[0].coefficient / $1 - 1) }.max()! : .infinity
    }
    return Outcome(
      seed: seed, afterAdam: fit.afterAdam, loss: fit.final, iterations: fit.iterations,
      isExactOnOutputs: found.field.terms == exact, isExact: isExact,
      errorBefore: error(selection.regressed), errorAfter: error(after.field.unknown),
      residuals: selection.residuals,
      extrapolationBefore: Self.extrapolation(before), extrapolationAfter: Self.extrapolation(after),
      regressed: selection.regressed, equations: after.field.equations, model: fit.model, recovered: after)
  }

  /// Infinite where the formulas do not get to t = 50.
  private static func extrapolation<F>(_ model: Trajectory<F>) -> Double {
    let times = (0...500).map { Double($0) / 10 }
    guard let truth = try? system.trajectory(at: times),
      let path = try? model.states(at: times, tolerance: 1e-8)
    else { return .infinity }
    let error = rootMeanSquare(path[31...], truth[31...])
    return error.isFinite ? error : .infinity
  }
}
