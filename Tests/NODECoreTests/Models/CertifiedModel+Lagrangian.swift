import NODECore

extension CertifiedModel {
  static let lagrangian: [CertifiedModel] = [
    CertifiedModel(
      "Lagrangian network",
      LagrangianField(LagrangianNetwork<Double>(2, hidden: [8, 8], key: RandomKey(seed: 3))),
      // Untrained ones run away where their mass is near to singular.
      from: .normal(shape: [2, 4], key: RandomKey(seed: 4)), end: 0.02),
    CertifiedModel(
      "Lagrangian network of angles with forces, damped",
      LagrangianField(
        LagrangianNetwork<Double>(2, hidden: [8], encoding: .circle, start: .fanIn, key: RandomKey(seed: 5)),
        force: ForceNetwork<Double>(2, hidden: [4], key: RandomKey(seed: 6)), solver: .damped(epsilon: 0.3)),
      from: .normal(shape: [2, 4], key: RandomKey(seed: 7))),
    CertifiedModel(
      "Lagrangian network with a kinetic prior",
      LagrangianField(
        LagrangianNetwork<Double>(
          2, hidden: [8, 8], activation: .silu, encoding: .circle, kineticPrior: 1, speed: 2, start: .quiet,
          key: RandomKey(seed: 8))),
      from: .normal(shape: [2, 4], key: RandomKey(seed: 9))),
    CertifiedModel(
      "Lagrangian network of wrapped angles",
      LagrangianField(
        LagrangianNetwork<Double>(
          2, hidden: [6], encoding: .wrappedAngles, kineticPrior: 1, start: .quiet, key: RandomKey(seed: 10)),
        solver: .shifted(epsilon: 0.1)),
      // One to two turns on: none passes where turns meet.
      from: .uniform(shape: [2, 4], in: 1..<2, key: RandomKey(seed: 11)) + Tensor([6, 6, 0, 0])),
    CertifiedModel(
      "known Lagrangian with friction",
      LagrangianField(
        DoublePendulum<Double>(), force: LinearFriction(root: Tensor([[0.7, 0], [-0.3, 0.4]])),
        solver: .cholesky),
      from: .normal(shape: [2, 4], key: RandomKey(seed: 12))),
  ]
}
