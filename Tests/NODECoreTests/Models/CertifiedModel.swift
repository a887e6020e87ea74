import NODECore
import Testing

/// A model whose gradient the tests certify. A new model is one line of `all`.
struct CertifiedModel: Sendable, CustomTestStringConvertible {
  let testDescription: String
  /// The gradients of a solve of the model's field, for y0 and for everything that the field captures; nil: its path is no
  /// solve.
  let certificate: (@Sendable () throws -> GradientCertificate)?
  /// The derivatives of a loss of the model's parameters, and where it is no solve of what it starts from, against differences.
  let report: @Sendable () throws -> GradientReport

  /// - Parameters:
  ///   - y0: the state to start from, a row for every lane.
  ///   - method, steps: of the solve over [0, end] that is certified; steps are equal.
  init<Field: VectorField & Sendable>(
    _ name: String, _ field: Field, from y0: Tensor<Double>, end: Double = 0.5, method: Method = .rk4,
    steps: Int = 4
  ) where Field.Scalar == Double {
    testDescription = name
    @Sendable func path(_ field: Field) throws -> Solution<Double> {
      try odeint(
        from: y0, at: [0, end / 2, end], method: method, controller: .fixed(stepsPerInterval: steps)
      ) { t, y in try field(t, y) }
    }
    certificate = { try path(field).certifyGradient() }
    report = {
      try checkGradient(
        of: { square(try path(field.replacingParameters(with: $0)).states).mean() },
        at: field.parameterVector(Double.self))
    }
  }

  /// A model whose path is no solve, or whose loss is more than the states of one.
  /// - Parameter x: what the loss depends on besides the parameters, and is differentiated by, too.
  init<Model: Module & Sendable>(
    _ name: String, of model: Model, at x: Tensor<Double>,
    loss: @escaping @Sendable (Model, Tensor<Double>) throws -> Tensor<Double>
  ) {
    testDescription = name
    certificate = nil
    report = {
      try checkGradient(
        of: { try loss(model.replacingParameters(with: $0[0]), $0[1]) },
        at: [model.parameterVector(Double.self), x])
    }
  }

  static let all: [CertifiedModel] =
    [
      CertifiedModel(
        "MLP with time", TimeConcatField<Double>(3, hidden: [8, 8], key: RandomKey(seed: 1)),
        from: .normal(shape: [2, 3], key: RandomKey(seed: 2)))
    ] + continuousDepth + hamiltonian + lagrangian + maps + discovery + shooting
}
