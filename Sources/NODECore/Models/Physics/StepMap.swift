/// A map of rows of states to those a time step later, to be repeated. A phase is positions and velocities, [rows, 2n], as data
/// have it; a state is what the map keeps of it, by default the same.
public protocol StepMap<Scalar>: Layer {
  /// Time of one step.
  var stepSize: Double { get }
  /// The state of a phase, [rows, width] both.
  func state(ofPhase phase: Tensor<Scalar>) -> Tensor<Scalar>
  /// The phase of a state.
  func phase(ofState state: Tensor<Scalar>) -> Tensor<Scalar>
  /// The states after 0, 1, ..., `steps` steps: [steps + 1, rows, width]. One loop of the program, differentiable in the state
  /// and the parameters.
  func rollout(from state: Tensor<Scalar>, steps: Int) -> Tensor<Scalar>
}

extension StepMap {
  public func state(ofPhase phase: Tensor<Scalar>) -> Tensor<Scalar> { phase }
  public func phase(ofState state: Tensor<Scalar>) -> Tensor<Scalar> { state }

  public func rollout(from state: Tensor<Scalar>, steps: Int) -> Tensor<Scalar> {
    repeated(from: state, first: state, steps: steps) { state in
      let next = self(state)
      return (next, next)
    }
  }

  /// The phases after 0, 1, ..., `steps` steps from a phase: [steps + 1, rows, 2n].
  public func phases(from phase: Tensor<Scalar>, steps: Int) -> Tensor<Scalar> {
    requireRows("\(Self.self)", phase)
    return phases(ofStates: rollout(from: state(ofPhase: phase), steps: steps))
  }

  /// The phases of states [times, rows, width].
  public func phases(ofStates states: Tensor<Scalar>) -> Tensor<Scalar> {
    require(
      states.rank == 3, "\(Self.self): states must be [times, rows, width], got shape \(states.shape)")
    let flat = states.reshaped(to: [states.shape[0] * states.shape[1], states.shape[2]])
    let phases = phase(ofState: flat)
    return phases.reshaped(to: [states.shape[0], states.shape[1], phases.shape[1]])
  }

  /// `first`, and what `body` makes of the carry in each step.
  func repeated<Carry: TensorGroup>(
    from carry: Carry, first: Tensor<Scalar>, steps: Int, _ body: (Carry) -> (Carry, Tensor<Scalar>)
  ) -> Tensor<Scalar> {
    require(steps >= 0, "rollout: the number of steps must not be negative, got \(steps)")
    guard steps > 0 else { return first.expandingShape(at: 0) }
    // A loop needs rows: ones that nobody reads.
    let rest = scan(from: carry, over: Tensor<Scalar>.zeros([steps, 1])) { carry, _ in body(carry) }.outputs
    return .concatenated([first.expandingShape(at: 0), rest])
  }
}

/// A residual network as a map: y + h f(y), an explicit Euler step of the field f. Nothing keeps its energy; it is what
/// structured maps are compared with.
public struct ResidualMap<Net: Layer>: StepMap {
  public typealias Scalar = Net.Scalar

  /// f: [rows, width] -> [rows, width].
  public var net: Net
  public var stepSize: Double

  /// - Parameter stepSize: finite; negative to go back in time.
  public init(_ net: Net, stepSize: Double) {
    require(stepSize.isFinite, "ResidualMap: the step size must be finite, got \(stepSize)")
    self.net = net
    self.stepSize = stepSize
  }

  public func callAsFunction(_ state: Tensor<Scalar>) -> Tensor<Scalar> {
    let slope = net(state)
    require(
      slope.shape == state.shape,
      "ResidualMap: the network makes \(slope.shape) of a state \(state.shape); they must be equal")
    return state + stepSize * slope
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) { visit("net", &net) }
}
