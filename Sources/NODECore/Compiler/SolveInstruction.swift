/// What the compiler has to know of a structured operation that integrates an ordinary differential equation.
///
/// Forward (`isGradient` false): operands [y0, times (float64), captures...], results [states [times, y0.shape...],
/// statistics (float64 [1, 8]), tape (opaque: int32 [0], sized by the kernels)].
/// Gradient: operands [y0, times, captures..., states, tape, ct_states], results [ct_y0, ct_times (float64 [times]),
/// ct_captures..., statistics].
/// With steps per lane times are [lanes, times], and the statistics [1 + lanes, 8].
package protocol SolveLowerable: StructuredOperation {
  var solve: SolveInstruction { get }
}

package struct SolveInstruction: Sendable {
  package enum Sensitivity: Sendable, Hashable {
    /// Up to this many states are kept; the gradient recomputes the rest.
    case exact(checkpoints: Int, residuals: ResidualBudget)
    /// Tolerances of the adjoint; nil: those of the solve.
    case backsolve(rtol: Double?, atol: Double?)
  }

  /// Memory for the stages of the first steps and what the field's pullback needs of them.
  package typealias ResidualBudget = NestedSolve.ResidualBudget

  /// Parameters t (scalar of y's dtype; [lanes] with steps per lane), y, captures...; output dy.
  package var field: GraphBody
  package var tableau: TableauCoefficients
  package var controller: ControllerParameters
  package var sensitivity: Sensitivity
  package var isGradient: Bool
  /// Why no program can be made of it, in words: who compiles it throws this.
  package var problem: String?

  package var isPerLane: Bool { controller.isPerLane }

  /// Who decides the steps that this node takes: an adjoint may have tolerances of its own.
  var ownController: ControllerParameters {
    var own = controller
    if isGradient, case .backsolve(let rtol, let atol) = sensitivity {
      own.rtol = rtol ?? own.rtol
      own.atol = atol ?? own.atol
    }
    return own
  }

  package init(
    field: GraphBody, tableau: TableauCoefficients, controller: ControllerParameters,
    sensitivity: Sensitivity,
    isGradient: Bool
  ) {
    self.field = field
    self.tableau = tableau
    self.controller = controller
    self.sensitivity = sensitivity
    self.isGradient = isGradient
  }
}
