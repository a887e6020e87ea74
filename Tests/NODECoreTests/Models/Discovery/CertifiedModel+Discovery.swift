import NODECore

extension CertifiedModel {
  /// Known terms beside networks, and formulas.
  static let discovery: [CertifiedModel] = [
    CertifiedModel(
      "universal field, known part learned",
      UniversalField(
        known: DynamicalSystem.lotkaVolterra.field,
        unknown: MLP<Double>(2, 5, 5, 5, 2, activation: .gaussian, key: RandomKey(seed: 3))),
      from: Tensor([[0.4, 4.6], [1.2, 0.7]])),
    CertifiedModel(
      "universal field, exposure",
      UniversalField(
        known: DynamicalSystem.sir.field,
        unknown: SelectedInputs([0, 1], MLP<Double>(2, 8, 1, activation: .tanh, key: RandomKey(seed: 4))),
        mixing: [[-1, 1, 0]]),
      from: Tensor([[0.9, 0.1, 0], [0.5, 0.3, 0.2]])),
    CertifiedModel(
      "formulas with functions",
      SymbolicField<Double>(
        variables: ["x", "y"],
        equations: [
          [(Term(powers: [2, 1]), 0.3), (Term(.sin, of: 1, variables: 2, frequency: 2), -1)],
          [(Term(.exp, of: 0, variables: 2) * Term(powers: [0, 1]), -0.2), (Term(powers: [0, 0]), 0.1)],
        ]),
      from: Tensor([[0.4, 1.6], [-0.2, 0.7]])),
  ]

  /// Losses over many pieces, by the field and by what the pieces start from.
  static let shooting = MultipleShooting<Double>.Penalty.allCases.map { penalty in
    // The last piece is shorter than the others; steps do not depend on the parameters.
    let times = DynamicalSystem.lotkaVolterra.times
    let shooting = MultipleShooting<Double>(
      times: times, observations: .uniform(shape: [times.count, 2], in: 0.5..<3, key: RandomKey(seed: 5)),
      groupSize: 8, continuity: 3, penalty: penalty)
    return CertifiedModel(
      "multiple shooting, \(penalty) gaps", of: DynamicalSystem.lotkaVolterra.field,
      at: shooting.observedStarts + 0.05
    ) { field, starts in
      try shooting.loss(from: starts, options: SolveOptions(method: .rk4)) { t, y in field(t, y) }
    }
  }
}
