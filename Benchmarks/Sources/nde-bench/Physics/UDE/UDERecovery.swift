import NODECore

/// From a trained network to formulas, the same for every task.
enum UDERecovery {
  typealias Formulas = UniversalField<SymbolicField<Double>>

  static func sindy(_ library: TermLibrary) -> SINDy {
    SINDy(library: library, regression: SparseRegression(ridges: [1e-3, 1e-2]))
  }

  /// Equations with the coefficients that the regression gave, and fitted to the observations through the solve.
  struct Selection {
    var regressed: SymbolicField<Double>
    var fitted: Trajectory<Formulas>
    /// Sum of squares.
    var residuals: Double
  }

  /// The equations of the paths that explain the observations best by the extended Bayesian criterion, with the coefficients and the start
  /// fitted to them.
  static func selected<F>(
    _ found: SINDy.Discovery, in model: Trajectory<UniversalField<F>>, observations: Tensor<Double>,
    times: [Double], maximumTerms: Int
  ) throws -> Selection where F.Scalar == Double {
    var fits: [[[Term]]: Selection] = [:]
    let chosen = try found.selected(
      maximumTerms: maximumTerms, observations: observations.count
    ) { formulas in
      guard let fit = try refitted(formulas, in: model, observations: observations, times: times) else {
        return nil
      }
      fits[formulas.terms] = Selection(regressed: formulas, fitted: fit.model, residuals: fit.residuals)
      return (fit.model.field.unknown, fit.residuals)
    }
    guard let chosen else {
      throw RunnerError("none of the recovered equations can be integrated over the observations")
    }
    return fits[chosen.field.terms]!
  }

  /// Formulas in the network's place, their coefficients and the start fitted to the observations; nil where the solve fails.
  static func refitted<F>(
    _ formulas: SymbolicField<Double>, in model: Trajectory<UniversalField<F>>, observations: Tensor<Double>,
    times: [Double]
  ) throws -> (model: Trajectory<Formulas>, residuals: Double)? where F.Scalar == Double {
    let start = Trajectory(
      field: model.field.replacing(unknown: formulas), start: model.start, learnsStart: true)
    do {
      let found = try LBFGS(maximumIterations: 300, gradientTolerance: 1e-8, changeTolerance: 1e-12).minimize(
        start
      ) {
        square(try $0.states(at: times) - observations).sum()
      }
      return found.value.isFinite ? (found.point, found.value) : nil
    } catch is SolveError {
      return nil
    }
  }
}
