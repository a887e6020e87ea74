import NODECore

extension CertifiedModel {
  /// Paths of maps: symplectic steps, step maps, and what is learned through them from noise and from pictures.
  static let maps: [CertifiedModel] =
    [
      CertifiedModel(
        "separable Hamiltonian by symplectic steps",
        of: HamiltonianField(
          SeparableHamiltonian(
            kinetic: QuadraticEnergy<Double>(2, diagonal: 0.7),
            potential: NetworkEnergy(2, hidden: [6], key: RandomKey(seed: 1)))),
        at: phases
      ) { square($0.symplecticPath(from: $1, at: [0, 0.2, 0.5], method: .forestRuth)).mean() },
      CertifiedModel(
        "known potential by symplectic steps",
        of: HamiltonianField(
          SeparableHamiltonian(
            kinetic: QuadraticEnergy<Double>(2), potential: KnownEnergy { (1 - cos($0)).sum(axes: 1) })),
        at: phases
      ) { square($0.symplecticPath(from: $1, at: [0, 0.2, 0.5], stepsPerInterval: 2)).mean() },
      CertifiedModel(
        "mass matrix of positions by the midpoint rule",
        of: HamiltonianField(
          MechanicalHamiltonian(
            inverseMass: PositiveMatrix<Double>(2, inputs: 2, hidden: [5], key: RandomKey(seed: 2)),
            potential: NetworkEnergy(2, hidden: [5], key: RandomKey(seed: 3)))),
        at: phases
      ) { square($0.midpointPath(from: $1, at: [0, 0.2, 0.4]).states).mean() },
      CertifiedModel(
        "residual map",
        of: ResidualMap(MLP<Double>(4, 6, 4, activation: .tanh, key: RandomKey(seed: 4)), stepSize: 0.2),
        at: phases
      ) { square($0.phases(from: $1, steps: 5)).mean() },
      CertifiedModel(
        "noisy phases", of: NoisyPhaseModel(integrator, encoder: encoder(of: 2), encoded: 3),
        at: .normal(shape: [5, 4, 2], key: RandomKey(seed: 5))
      ) { $0.negativeLogLikelihood(ofWindows: $1) },
    ]
    + VariationalIntegratorTests.Kind.all.map { kind in
      CertifiedModel("variational integrator, \(kind.testDescription)", of: kind.map(), at: phases) {
        square($0.phases(from: $1, steps: 5)).mean()
      }
    }
    + PhaseView.allCases.map { view in
      CertifiedModel(
        "pictures, decoder of \(view.rawValue)",
        of: PixelMechanics(
          integrator, encoder: encoder(of: 6),
          decoder: MLP(view.width(coordinates: 1), 8, 6, activation: .tanh, key: RandomKey(seed: 6)),
          view: view, priorDeviations: [1, 0.3], encoded: 3),
        at: .uniform(shape: [6, 2, 6], key: RandomKey(seed: 7))
      ) { $0.negativeELBO(FrameWindows(films: $1, length: 4), length: 4, key: RandomKey(seed: 8)).loss }
    }

  /// Rows of two positions and two momenta or velocities.
  private static let phases = Tensor<Double>.normal(shape: [3, 4], key: RandomKey(seed: 9))

  private static let integrator = VariationalIntegrator(
    potential: MLP<Double>(1, 6, 1, activation: .tanh, key: RandomKey(seed: 10)), coordinates: 1,
    stepSize: 0.3)

  private static func encoder(of size: Int) -> RecurrentStateEncoder<Double> {
    RecurrentStateEncoder(
      observation: size, width: 2, hidden: [7], memory: 5, activation: .tanh, key: RandomKey(seed: 11))
  }
}
