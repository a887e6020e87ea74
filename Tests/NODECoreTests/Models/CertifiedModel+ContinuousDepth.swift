import NODECore

extension CertifiedModel {
  /// A model that makes more than a field's solve: what it starts from, or several solves.
  /// - Parameter path: the solve that is certified; its states are the loss of the parameters' check.
  init<Model: Module>(
    _ name: String, of model: Model, path: @escaping @Sendable (Model) throws -> Solution<Double>
  ) {
    testDescription = name
    certificate = { try path(model).certifyGradient() }
    report = {
      try checkGradient(
        of: { square(try path(model.replacingParameters(with: $0)).states).mean() },
        at: model.parameterVector(Double.self))
    }
  }

  private static let steps = SolveOptions(method: .rk4, controller: .fixed(stepsPerInterval: 4))

  static let continuousDepth: [CertifiedModel] =
    [
      CertifiedModel(
        "a layer", AutonomousField(MLP<Double>(3, 8, 3, activation: .elu, key: RandomKey(seed: 1))),
        from: .normal(shape: [2, 3], key: RandomKey(seed: 2))),
      CertifiedModel(
        "second order",
        SecondOrderField(
          AccelerationNetwork<Double>(2, hidden: [8], seesTime: true, key: RandomKey(seed: 3))),
        from: .normal(shape: [2, 4], key: RandomKey(seed: 4))),
      CertifiedModel(
        "data-controlled",
        {
          var field = DataControlledField<Double>(2, context: 3, hidden: [6, 6], key: RandomKey(seed: 5))
          field.context = .normal(shape: [4, 3], key: RandomKey(seed: 6))
          return field
        }(), from: .normal(shape: [4, 2], key: RandomKey(seed: 7))),
      CertifiedModel(
        "second order with a learned velocity",
        of: SecondOrderODE(
          AccelerationNetwork<Double>(2, hidden: [8], key: RandomKey(seed: 8)),
          velocity: MLP<Double>(2, 5, 2, activation: .tanh, key: RandomKey(seed: 9)), t1: 0.5, options: steps)
      ) { try $0.path(from: .normal(shape: [3, 2], key: RandomKey(seed: 10)), at: [0, 0.2, 0.5]) },
      CertifiedModel(
        "augmented by a layer",
        of: AugmentedODE(
          TimeConcatField<Double>(5, hidden: [6], key: RandomKey(seed: 11)),
          augmentation: .learned(3, by: Linear<Double>(2, 3, key: RandomKey(seed: 12))), options: steps)
      ) { try $0.path(from: .normal(shape: [3, 2], key: RandomKey(seed: 13)), at: [0, 0.5]) },
      CertifiedModel(
        "told its input",
        of: DataControlledODE(
          DataControlledField<Double>(2, context: 2, hidden: [6], key: RandomKey(seed: 14)), options: steps)
      ) { try $0.path(from: .normal(shape: [3, 2], key: RandomKey(seed: 15)), at: [0, 0.5]) },
      CertifiedModel(
        "piecewise constant",
        of: PiecewiseConstantODE(
          RandomKey(seed: 16).split(3).map {
            AutonomousField(MLP<Double>(2, 4, 2, activation: .tanh, key: $0))
          },
          options: steps)
      ) { try $0.solutions(from: .normal(shape: [3, 2], key: RandomKey(seed: 17))).last! },
    ]
    + DepthBasis.Family.allCases.map { family in
      CertifiedModel(
        "Galerkin, \(family.rawValue)",
        GalerkinField<Double>(
          2, hidden: [5], basis: DepthBasis(family, count: 3, on: 0...0.5), key: RandomKey(seed: 18)),
        from: .normal(shape: [2, 2], key: RandomKey(seed: 19)))
    }
}
