/// A network of the state h and of the input x that the solve began with (Massaroli et al. 2020, section 4:
/// data control): dh/dt = f(h, x). Each input then has a vector field of its own, and trajectories of
/// different inputs may cross.
///
/// The input is the field's `context`, which a ``DataControlledODE`` sets; it is a capture of the solve and
/// receives gradients.
public struct DataControlledField<Scalar: FloatingScalar>: ConditionalField, RowTimedField {
  /// [h, x] -> first hidden width.
  public var first: Linear<Scalar>
  /// First hidden width -> slope. Its activation follows `first`, too.
  public var rest: MLP<Scalar>
  public let contextSize: Int
  public var context: Tensor<Scalar>?

  /// - Parameters:
  ///   - dimensions: components of the state.
  ///   - context: components of the input.
  ///   - hidden: widths; at least one.
  public init(
    _ dimensions: Int, context: Int, hidden: [Int], activation: Activation = .tanh,
    key: RandomKey = RandomKey(seed: 0)
  ) {
    require(
      dimensions > 0 && context > 0 && !hidden.isEmpty,
      "DataControlledField: needs a state, an input and a hidden layer, got \(dimensions), \(context), \(hidden)"
    )
    let keys = key.split(2)
    first = Linear(dimensions + context, hidden[0], key: keys[0])
    rest = MLP(sizes: hidden + [dimensions], activation: activation, key: keys[1])
    contextSize = context
  }

  public func callAsFunction(_ t: Tensor<Scalar>, _ y: Tensor<Scalar>) -> Tensor<Scalar> {
    let width = first.weight.shape[0] - contextSize
    guard let context, y.rank == 2, context.shape == [y.shape[0], contextSize], y.shape[1] == width else {
      fatalError(
        "DataControlledField: states [rows, \(width)] need a context [rows, \(contextSize)], got \(y.shape) "
          + "and \(context.map { "\($0.shape)" } ?? "none")")
    }
    // [h, x] W + b, of which the input's part does not depend on the state: it is computed once per solve.
    var control = matmul(context, first.weight[width...])
    if let bias = first.bias { control = control + bias }
    return rest(rest.activation(matmul(y, first.weight[..<width]) + control))
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {
    visit("first", &first)
    visit("rest", &rest)
  }
}

/// A neural ODE whose field is told the input: dh/dt = f(t, h, x), h = x at t0.
public struct DataControlledODE<Field: ConditionalField>: Module {
  public typealias Scalar = Field.Scalar

  /// Its field's context is set by every call.
  public var ode: NeuralODE<Field>

  /// - Parameter field: with a context of as many numbers as the input has.
  public init(_ field: Field, t0: Double = 0, t1: Double = 1, options: SolveOptions = SolveOptions()) {
    ode = NeuralODE(field, t0: t0, t1: t1, options: options)
  }

  /// The states at t1, [rows, d] -> [rows, d]. Throws what `odeint` throws.
  public func callAsFunction(_ x: Tensor<Scalar>) throws -> Tensor<Scalar> {
    try path(from: x, at: [ode.t0, ode.t1]).final
  }

  /// The states at the given times, the first of which is where x holds: [times, rows, d].
  public func path(from x: Tensor<Scalar>, at times: [Double]) throws -> Solution<Scalar> {
    var told = ode
    told.field.context = x
    return try told.path(from: x, at: times)
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) { visit("ode", &ode) }
}
