/// A second-order neural ODE (Norcliffe et al. 2020, SONODE): positions start at the input, velocities at a
/// learned function of it, and what follows is d²x/dt² = a(t, x, v).
///
/// ```swift
/// let model = SecondOrderODE(
///   AccelerationNetwork<Float>(1, hidden: [20, 20], activation: .elu),
///   velocity: MLP<Float>(1, 20, 1, activation: .tanh))
/// try model(x)                                  // positions at t1
/// ```
public struct SecondOrderODE<Acceleration: AccelerationField>: Module {
  public typealias Scalar = Acceleration.Scalar

  /// Of states [x, v], [..., 2 d].
  public var ode: NeuralODE<SecondOrderField<Acceleration>>
  /// Input -> velocity at t0, of the input's shape; nil: velocities start at zero unless they are given.
  public var velocity: (any Layer<Scalar>)?

  /// - Parameters:
  ///   - velocity: input -> velocity at t0; nil: zero unless given.
  ///   - t0: where the input holds.
  ///   - t1: where positions are read, not `t0`.
  public init(
    _ acceleration: Acceleration, velocity: (any Layer<Scalar>)? = nil, t0: Double = 0, t1: Double = 1,
    options: SolveOptions = SolveOptions()
  ) {
    ode = NeuralODE(SecondOrderField(acceleration), t0: t0, t1: t1, options: options)
    self.velocity = velocity
  }

  /// [x, v] at the start, [..., 2 d].
  /// - Parameters:
  ///   - x: positions [..., d].
  ///   - v: velocities, where they are known; nil: as learned.
  public func start(_ x: Tensor<Scalar>, velocity v: Tensor<Scalar>? = nil) -> Tensor<Scalar> {
    SecondOrderField<Acceleration>.state(
      position: x, velocity: v ?? velocity.map { $0(x) } ?? Tensor.zeros(x.shape))
  }

  /// Positions at t1, shape of x. Throws what `odeint` throws.
  public func callAsFunction(_ x: Tensor<Scalar>) throws -> Tensor<Scalar> {
    SecondOrderField<Acceleration>.positions(of: try ode(start(x)))
  }

  /// [x, v] at the given times, the first of which is where x holds: states [times, ..., 2 d], of which
  /// `SecondOrderField.positions(of:)` and `velocities(of:)` are the halves.
  public func path(
    from x: Tensor<Scalar>, velocity v: Tensor<Scalar>? = nil, at times: [Double]
  ) throws -> Solution<Scalar> { try ode.path(from: start(x, velocity: v), at: times) }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {
    visit("ode", &ode)
    if var layer = velocity {
      visit("velocity", &layer)
      velocity = layer
    }
  }
}
