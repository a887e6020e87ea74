import NODECore

extension CertifiedModel {
  /// Hamiltonian fields, and fields that are stable or keep quantities by construction.
  static let hamiltonian: [CertifiedModel] = [
    CertifiedModel(
      "Hamiltonian network",
      HamiltonianField(NetworkEnergy<Double>(4, hidden: [8, 8], key: RandomKey(seed: 3))),
      from: states),
    CertifiedModel(
      "separable Hamiltonian",
      HamiltonianField(
        SeparableHamiltonian(
          kinetic: QuadraticEnergy<Double>(2),
          potential: NetworkEnergy(2, hidden: [8], key: RandomKey(seed: 4)))),
      from: states),
    CertifiedModel(
      "mass matrix of positions",
      HamiltonianField(
        MechanicalHamiltonian(
          inverseMass: PositiveMatrix<Double>(2, inputs: 2, hidden: [6], key: RandomKey(seed: 5)),
          potential: NetworkEnergy(2, hidden: [6], key: RandomKey(seed: 6)))),
      from: states),
    CertifiedModel(
      "controlled Hamiltonian with friction",
      PortHamiltonianField(
        NetworkEnergy<Double>(4, hidden: [6], key: RandomKey(seed: 7)),
        dissipation: .rayleigh(PositiveMatrix(2, inputs: 2, hidden: [5], key: RandomKey(seed: 8))),
        input: InputMatrix(momenta: 2, inputs: 1, hidden: [5], key: RandomKey(seed: 9)),
        control: { t, _ in sin(t * 3).reshaped(to: [1]) }),
      from: states),
    CertifiedModel(
      "controlled Hamiltonian of angles, constant matrices",
      PortHamiltonianField(
        MechanicalHamiltonian(
          inverseMass: PositiveMatrix<Double>(constant: 2, diagonal: 0.8),
          potential: PeriodicPotential(NetworkEnergy(4, hidden: [6], key: RandomKey(seed: 19)))),
        dissipation: .rayleigh(PositiveMatrix(constant: 2, diagonal: 0.3)),
        input: InputMatrix(constant: Tensor([[0.5], [-1]])),
        control: { t, _ in cos(t * 3).reshaped(to: [1]) }),
      from: states),
    CertifiedModel(
      "port-Hamiltonian",
      PortHamiltonianField(
        NetworkEnergy<Double>(4, hidden: [6], key: RandomKey(seed: 10)),
        dissipation: .full(
          PositiveMatrix(4, inputs: 4, hidden: [5], diagonal: 0.3, key: RandomKey(seed: 11))),
        input: InputMatrix(constant: Tensor([[0.5], [-1]])),
        control: { _, x in tanh(x.sliced(0..<1, axis: 1)) }),
      from: states),
    CertifiedModel(
      "stable by construction",
      StableField(
        TimeConcatField<Double>(4, hidden: [6], key: RandomKey(seed: 12)),
        lyapunov: LyapunovFunction(4, hidden: [6, 6], smoothing: 5, key: RandomKey(seed: 13)), rate: 2),
      from: states),
    CertifiedModel(
      "Lyapunov function beyond its rectifier's bend",
      of: LyapunovFunction<Double>(4, hidden: [6, 6], key: RandomKey(seed: 20)), at: states * 4
    ) { energy, x in (energy(x) + square(energy.gradient(x)).sum(axes: 1)).mean() },
    CertifiedModel(
      "conserving two quantities",
      ConservingField(
        TimeConcatField<Double>(4, hidden: [6], key: RandomKey(seed: 14)),
        keeping: MLP(
          4, 8, 2, activation: .tanh, weightInitializer: .orthogonal(), key: RandomKey(seed: 15))),
      from: states),
    CertifiedModel(
      "conserving one quantity",
      ConservingField(
        TimeConcatField<Double>(4, hidden: [6], key: RandomKey(seed: 17)),
        keeping: NetworkEnergy(4, hidden: [6], key: RandomKey(seed: 18))),
      from: states),
  ]

  /// Rows of two positions and two momenta.
  private static let states = Tensor<Double>.normal(shape: [2, 4], key: RandomKey(seed: 16))
}
