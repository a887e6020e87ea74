/// A vector field dy/dt = f(t, y) with parameters.
public protocol VectorField<Scalar>: Module {
  associatedtype Scalar: FloatingScalar
  /// - Parameters:
  ///   - t: scalar.
  ///   - y: the state; the result has its shape.
  func callAsFunction(_ t: Tensor<Scalar>, _ y: Tensor<Scalar>) throws -> Tensor<Scalar>
}

/// A vector field given as a closure: a law that is known, with no parameters of its own. What models are made of takes it
/// where networks go.
///
/// ```swift
/// let rotation = KnownField<Double> { t, y in .concatenated([y[.all, 1..<2], -y[.all, 0..<1]], axis: 1) }
/// ```
public struct KnownField<Scalar: FloatingScalar>: VectorField {
  public let function: @Sendable (_ t: Tensor<Scalar>, _ y: Tensor<Scalar>) throws -> Tensor<Scalar>

  /// - Parameter function: of the time, a scalar, and the state; the result has the state's shape.
  public init(
    _ function: @escaping @Sendable (_ t: Tensor<Scalar>, _ y: Tensor<Scalar>) throws -> Tensor<Scalar>
  ) {
    self.function = function
  }

  public func callAsFunction(_ t: Tensor<Scalar>, _ y: Tensor<Scalar>) throws -> Tensor<Scalar> {
    try function(t, y)
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {}
}

/// How a model integrates: what `odeint` is told besides the field, the state and the times.
public struct SolveOptions: Sendable, Hashable {
  /// With an error estimate where the controller is adaptive.
  public var method: Method
  /// nil: the controller's.
  public var rtol: Double?, atol: Double?
  /// With `.perLane` every row of the state has steps of its own.
  public var controller: Controller
  /// Of gradients that go through the solve.
  public var sensitivity: SensitivityMethod
  /// Accepted and rejected; nil: the controller's.
  public var maxSteps: Int?

  /// Settings are looked at by the solve.
  /// - Parameters:
  ///   - rtol: finite and not negative; nil: the controller's, 1e-6 by default.
  ///   - atol: likewise; not 0 where `rtol` is.
  ///   - maxSteps: positive; nil: the controller's, 100,000 by default.
  public init(
    method: Method = .dopri5, rtol: Double? = nil, atol: Double? = nil, controller: Controller = .automatic,
    sensitivity: SensitivityMethod = .exact, maxSteps: Int? = nil
  ) {
    self.method = method
    self.rtol = rtol
    self.atol = atol
    self.controller = controller
    self.sensitivity = sensitivity
    self.maxSteps = maxSteps
  }

  /// Whether no tolerance has a say.
  var hasFixedSteps: Bool { !(controller.parameters?.isAdaptive ?? method.isAdaptive) }
}

/// A network whose depth is time (Chen et al. 2018): the state at `t1` of a field started at its input at
/// `t0`.
public struct NeuralODE<Field: VectorField>: Module {
  public typealias Scalar = Field.Scalar

  /// Of the state; depth is its time.
  public var field: Field
  /// Where the input holds, and where the output is read: finite and different. Depth may run backward.
  public var t0: Double, t1: Double
  public var options: SolveOptions

  /// - Parameters:
  ///   - field: its result has the state's shape.
  ///   - t0: finite.
  ///   - t1: finite, not `t0`; looked at by the solve.
  public init(_ field: Field, t0: Double = 0, t1: Double = 1, options: SolveOptions = SolveOptions()) {
    self.field = field
    self.t0 = t0
    self.t1 = t1
    self.options = options
  }

  /// The state at t1, shape of y0. Throws what `odeint` throws.
  public func callAsFunction(_ y0: Tensor<Scalar>) throws -> Tensor<Scalar> {
    try path(from: y0, at: [t0, t1]).final
  }

  /// The states at the given times, the first of which is where y0 holds.
  public func path(from y0: Tensor<Scalar>, at times: [Double]) throws -> Solution<Scalar> {
    try odeint(
      from: y0, at: times, method: options.method, rtol: options.rtol, atol: options.atol,
      controller: options.controller, sensitivity: options.sensitivity, maxSteps: options.maxSteps
    ) { t, y in try field(t, y) }
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) { visit("field", &field) }
}
