/// How a solve is differentiated in reverse.
public struct SensitivityMethod: Sendable, Hashable, CustomStringConvertible {
  /// Memory for the states that an exact gradient keeps.
  public enum Memory: Sendable, Hashable, CustomStringConvertible {
    /// Every step of a solve of fixed steps, as far as they fit into 16 MiB (but at least 16 states, and at most 4096); as
    /// many states for adaptive steps, whose number is not known beforehand.
    case automatic
    /// At most so many bytes of states, but at least two states. The times of the steps (8 bytes each, up to the
    /// budget of steps) are kept besides.
    case bytes(Int)

    public var description: String {
      switch self {
      case .automatic: "automatic"
      case .bytes(let bytes): "\(bytes) bytes"
      }
    }
  }

  public var description: String {
    switch kind {
    case .exact(let memory, let residuals): "exact, memory \(memory), residuals \(residuals)"
    case .backsolve(nil, nil): "backsolve"
    case .backsolve(let rtol, let atol):
      "backsolve" + (rtol.map { ", rtol \($0)" } ?? "") + (atol.map { ", atol \($0)" } ?? "")
    }
  }

  enum Kind: Sendable, Hashable {
    case exact(Memory, residuals: Memory)
    case backsolve(rtol: Double?, atol: Double?)
  }
  let kind: Kind

  /// The gradient of the discrete map that was computed, with the accepted steps frozen: equal to that of the unrolled
  /// steps to round-off. States y_n are kept as far as the memory goes; from those the others are integrated again.
  ///
  /// With respect to times, steps are frozen as fractions of the span (of the interval for `.fixed(stepsPerInterval:)`). That
  /// is not how the steps of `.fixed(step:)` follow the times when the solve runs again, so there the gradient with
  /// respect to times is that of the solution to the accuracy of the steps, not that of the computed map.
  ///
  /// `residuals` is memory for more than states: what the field's derivative needs of every stage (the activations of a
  /// network). Steps from the first on keep theirs while there is room, and the gradient does not evaluate the field
  /// for them again: three evaluations' worth of work in place of four. `.automatic` keeps all of a solve of
  /// fixed steps, or 4 to 64 of adaptive steps, where those fit into 32 MiB, and nothing otherwise; nil is `.automatic` where `memory`
  /// is, and nothing where a budget is told. The memory is reserved when a program is made, so a budget is no more than
  /// there is. Solves with steps per lane keep states only.
  public static func exact(memory: Memory = .automatic, residuals: Memory? = nil) -> SensitivityMethod {
    SensitivityMethod(
      kind: .exact(memory, residuals: residuals ?? (memory == .automatic ? .automatic : .bytes(0))))
  }
  /// With memory that is chosen automatically, for states and residuals.
  public static let exact = SensitivityMethod.exact()

  /// The continuous adjoint, integrated backward together with the state in constant memory (Chen et al. 2018, alg. 1),
  /// captures outside of the error norm. Its error is that of the tolerance, and grows where the field
  /// contracts forward in time. Adaptive steps begin with the size that the solve would have tried next: it moves through the
  /// same places, and a rule that knows nothing of them begins with a step far too small, which in the short solves of
  /// a network is one of three.
  public static let backsolve = SensitivityMethod(kind: .backsolve(rtol: nil, atol: nil))
  /// The same with tolerances of its own; nil is the solve's. The state that is integrated back beside the adjoint, and
  /// the adjoint itself, are judged by them; the first step is still the one that the solve would have tried next, and second
  /// derivatives are in part derivatives of tangent solves, at the solve's tolerances. For adaptive steps only; finite, not
  /// negative, and not both 0.
  public static func backsolve(rtol: Double? = nil, atol: Double? = nil) -> SensitivityMethod {
    for tolerance in [rtol, atol].compactMap({ $0 }) {
      requireSetting("SensitivityMethod.backsolve", "a tolerance", tolerance, .notNegative)
    }
    return SensitivityMethod(kind: .backsolve(rtol: rtol, atol: atol))
  }

  /// What a solve that starts from `y0` and takes `steps` steps (nil: unknown) keeps.
  func plan(state: TensorType, steps: Int?, controller: ControllerParameters) -> SolveInstruction.Sensitivity
  {
    let memory: Memory, residuals: Memory
    switch kind {
    case .backsolve(let rtol, let atol):
      if rtol != nil || atol != nil {
        require(
          controller.isAdaptive,
          "SensitivityMethod.backsolve: tolerances are for adaptive steps, these are fixed")
        Controller.requireTolerances(
          rtol ?? controller.rtol, atol ?? controller.atol, "SensitivityMethod.backsolve")
      }
      return .backsolve(rtol: rtol, atol: atol)
    case .exact(let states, let stages): (memory, residuals) = (states, stages)
    }
    let bytes = state.byteCount
    let needed = steps ?? controller.maximumSteps
    let affordable: Int
    switch memory {
    case .automatic: affordable = min(4096, max(16, (16 << 20) / bytes))
    case .bytes(let budget):
      require(budget > 0, "SensitivityMethod.exact: the memory must be positive, got \(budget) bytes")
      affordable = budget / bytes
    }
    return .exact(
      checkpoints: max(1, min(max(2, affordable), needed)),
      residuals: controller.isPerLane
        ? .none : residualBudget(residuals, steps: steps, maximumSteps: controller.maximumSteps))
  }

  private func residualBudget(
    _ memory: Memory, steps: Int?, maximumSteps: Int
  ) -> SolveInstruction.ResidualBudget {
    switch memory {
    case .automatic:
      return .init(bytes: 32 << 20, steps: steps.map { $0...$0 } ?? min(4, maximumSteps)...64)
    case .bytes(let bytes):
      require(bytes >= 0, "SensitivityMethod.exact: residuals take \(bytes) bytes")
      return .init(bytes: bytes, steps: 1...Int.max)
    }
  }
}
