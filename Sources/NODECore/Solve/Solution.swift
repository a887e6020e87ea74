/// The states of a solve at the save times.
///
/// Outside of a trace reading any number runs the solve, once. Inside of a trace everything here is a symbol, like any
/// other tensor; running the traced program throws what the solve would have thrown.
public struct Solution<Scalar: FloatingScalar>: Sendable {
  /// [times], or with times per lane [lanes, times], as given.
  public let times: Tensor<Double>
  /// [times, y0.shape...]; the first is y0.
  public let states: Tensor<Scalar>
  /// As given.
  public let method: Method
  /// How a gradient of this solve is computed, with the memory it may take.
  public let sensitivity: SensitivityPlan
  /// [1, 8]: the numbers of `statistics`, as a tensor that a trace can return. With steps per lane [1 + lanes, 8]: sums, then
  /// the numbers of every lane.
  public let statisticsTensor: Tensor<Double>
  let inputs: SolveInputs

  init(_ inputs: SolveInputs, times: Tensor<Double>, method: Method) {
    self.times = times
    (states, statisticsTensor) = Solution.results(inputs)
    self.method = method
    self.inputs = inputs
    sensitivity = SensitivityPlan(inputs.instruction.sensitivity, state: inputs.y0.type)
  }

  /// One time is not integrated to: the state is y0, and nothing was evaluated.
  private static func results(_ inputs: SolveInputs) -> (Tensor<Scalar>, Tensor<Double>) {
    guard inputs.timeCount == 1 else {
      let results = inputs.solved()
      return (Tensor(results[0]), Tensor(results[1]))
    }
    let states = inputs.y0.reshaped(to: Shape([1] + inputs.y0.shape.dimensions))
    let reached =
      inputs.isPerLane
      ? Graph.one(.concatenate(axis: 0), [inputs.times.sliced(row: 0), inputs.times])
      : inputs.times.reshaped(to: [1, 1])
    let zeros = Graph.splat(0, TensorType(.float64, [reached.shape[0], 7]))
    return (Tensor(states), Tensor(Graph.one(.concatenate(axis: 1), [zeros, reached])))
  }

  /// The state at the last time, shape of y0.
  public var final: Tensor<Scalar> {
    Tensor(states.value.last().reshaped(to: inputs.y0.shape))
  }
}

extension Solution: CustomStringConvertible {
  /// What it is and, where its numbers are there or can be computed, how it ended; runs the solve like anything that
  /// reads a number.
  public var description: String {
    let what = "solution \(states.shape) by \(method) at \(times.shape.dimensions.last!) times"
    guard inputs.areKnown else { return what + ", in a trace" }
    do {
      return "\(what): \(try statistics)"
    } catch {
      return "\(what): \(error)"
    }
  }
}

/// What the gradient of a solve will keep.
public enum SensitivityPlan: Sendable, Hashable, CustomStringConvertible {
  /// Up to so many states; steps between them are integrated again. `residualBytes`: the budget for the stages of steps that
  /// need not be evaluated again.
  case exact(states: Int, bytes: Int, residualBytes: Int)
  /// No states: memory does not grow with the steps. Tolerances of the adjoint; nil: the solve's.
  case backsolve(rtol: Double?, atol: Double?)

  init(_ sensitivity: SolveInstruction.Sensitivity, state: TensorType) {
    switch sensitivity {
    case .exact(let checkpoints, let residuals):
      self = .exact(
        states: checkpoints, bytes: checkpoints * state.byteCount, residualBytes: residuals.bytes)
    case .backsolve(let rtol, let atol): self = .backsolve(rtol: rtol, atol: atol)
    }
  }

  public var description: String {
    switch self {
    case .exact(let states, let bytes, let residuals):
      "exact, up to \(states) states kept (\(bytes) bytes)"
        + (residuals > 0 ? ", stages in up to \(residuals) bytes" : "")
    case .backsolve(let rtol, let atol):
      "backsolve, constant memory" + (rtol.map { ", rtol \($0)" } ?? "") + (atol.map { ", atol \($0)" } ?? "")
    }
  }
}
