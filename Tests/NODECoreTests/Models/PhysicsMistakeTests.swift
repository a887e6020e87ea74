import NODECore
import Testing

/// Mistakes with models of physics and their integrators stop the program with a message that names the operation and what it
/// was given.
enum PhysicsMistake: String, CaseIterable, Codable, Sendable {
  case oddState, vectorState, energyShape, momentaShape, forceShape, noSteps, times, newtonVector,
    coefficients
  case nanObservation, nanValue, fieldShape, friction, noise, momenta, noParameters
  case partOfEnergy, inputRows, unknownShape, priorCount, lanesOfTimes, choice
  case turns, controlWithoutInput, inputShape, quantityShape, rate, diagonal
  case pictures, phases, matrixEntries, inputEntries, mixing, infiniteNoise
  case decodedRank, statesRank, lyapunovRank, noWindow, inputMomenta, positions, coefficientCount, matrixRows,
    badTerm

  var words: [String] {
    switch self {
    case .oddState: ["HamiltonianField", "[2, 3]"]
    case .vectorState: ["KnownEnergy", "[4]"]
    case .energyShape: ["KnownEnergy", "[2, 4]", "[]"]
    case .momentaShape: ["symplecticOdeint", "[2, 2]", "[2, 3]"]
    case .forceShape: ["symplecticOdeint", "force", "[2, 2]", "[2]"]
    case .noSteps: ["symplecticOdeint", "0"]
    case .times: ["implicitMidpoint", "strictly increasing", "1.0 before 1.0"]
    case .newtonVector: ["implicitMidpoint", "[4]"]
    case .coefficients: ["SymplecticMethod half", "sum to 1"]
    case .turns: ["SymplecticMethod twice", "turns"]
    case .controlWithoutInput: ["PortHamiltonianField", "input matrix"]
    case .inputShape: ["InputMatrix", "[2, 3]", "[2, 1]"]
    case .nanObservation: ["LocalPolynomial", "time 1.0", "nan", "column 1"]
    case .nanValue: ["SINDy", "row 2", "values", "inf"]
    case .fieldShape: ["StableField", "[2, 3]", "[2, 4]"]
    case .friction: ["LinearFriction", "3 coordinates", "[2, 2]"]
    case .noise: ["observations", "noise", "-1.0"]
    case .momenta: ["linearMomentum", "-1"]
    case .noParameters: ["LBFGS", "no parameters"]
    case .partOfEnergy: ["KnownEnergy", "[2, 2]", "[]"]
    case .inputRows: ["InputMatrix", "[1, 1]", "[2, 2]"]
    case .unknownShape: ["UniversalField", "[2, 1]", "[2, 2]"]
    case .priorCount: ["PixelMechanics", "1 prior", "2 columns"]
    case .lanesOfTimes: ["TrajectoryReport", "3 rows", "[2, 3]"]
    case .choice: ["SINDy", "[0]"]
    case .quantityShape: ["ConservingField", "[2, 4]", "[]"]
    case .rate: ["StableField", "rate", "-1.0"]
    case .diagonal: ["PositiveMatrix", "diagonal", "0.0"]
    case .pictures: ["PixelMechanics", "[4, 2, 1]", "[4, 2, 4]"]
    case .phases: ["NoisyPhaseModel", "[3, 1, 2]", "[3, 1, 1]"]
    case .matrixEntries: ["PositiveMatrix", "size 2 has 3 entries", "[1, 1]"]
    case .inputEntries: ["InputMatrix", "[2, 1]", "[1, 1]"]
    case .mixing: ["UniversalField", "nan"]
    case .infiniteNoise: ["SINDy", "noise", "inf"]
    case .decodedRank: ["PixelMechanics", "[3, 2]"]
    case .statesRank: ["VariationalIntegrator", "[times, rows, width]", "[3, 2]"]
    case .lyapunovRank: ["LyapunovFunction", "[3]"]
    case .noWindow: ["FrameWindows", "length 0"]
    case .inputMomenta: ["InputMatrix", "[2, 2]", "[5, 2]"]
    case .positions: ["VariationalIntegrator", "[rows, 1]", "[2, 2]"]
    case .coefficientCount: ["SymbolicField", "1 terms", "[2]"]
    case .matrixRows: ["PositiveMatrix", "2 rows", "[5, 2]"]
    case .badTerm: ["SINDy", "log", "row 1"]
    }
  }

  func make() {
    let rows = Tensor<Double>.ones([2, 4]), half = Tensor<Double>.ones([2, 2])
    let energy = KnownEnergy<Double> { square($0).sum(axes: 1) }, total = KnownEnergy<Double> { $0.sum() }
    let field = HamiltonianField(energy)
    switch self {
    case .oddState: _ = field(Tensor.ones([2, 3]))
    case .vectorState: _ = field(Tensor.ones([4]))
    case .energyShape: _ = total.gradient(rows)
    case .momentaShape: path(half, Tensor.ones([2, 3]))
    case .forceShape: path(half, half) { $0.sum(axes: 1) }
    case .noSteps: path(half, half, steps: 0)
    case .times: _ = implicitMidpoint(from: rows, at: [0, 1, 1]) { _, y in y }
    case .newtonVector:
      _ = implicitMidpoint(from: Tensor<Double>.ones([4]), at: [0, 1], iterations: .newton(2)) { _, y in y }
    case .coefficients: _ = SymplecticMethod(name: "half", stages: [.drift(1), .kick(0.5)])
    case .turns: _ = SymplecticMethod(name: "twice", stages: [.drift(0.5), .drift(0.5), .kick(1)])
    case .controlWithoutInput: _ = PortHamiltonianField(energy, control: { _, _ in half })(0, rows)
    case .inputShape:
      _ = PortHamiltonianField(
        energy, input: InputMatrix(constant: Tensor.ones([2, 1])), control: { _, _ in Tensor.ones([2, 3]) })(
          0, rows)
    case .nanObservation:
      _ = LocalPolynomial(degree: 1)(Tensor([[0, 0], [1, .nan], [2, 0], [3, 1]]), at: [0, 1, 2, 3])
    case .nanValue:
      _ = SINDy(library: .polynomials(of: 1, degree: 1)).discover(
        ["x"], states: Tensor.ones([4, 1]), values: Tensor([[0], [1], [.infinity], [1]]))
    case .fieldShape:
      _ = try? StableField(KnownField<Double> { _, y in y[.all, 0..<3] }, lyapunov: energy)(0, rows)
    case .friction: _ = LinearFriction<Double>(3, coefficient: 1)(0, half, half)
    case .noise: _ = try? DynamicalSystem.lotkaVolterra.observations(noise: -1, key: RandomKey(seed: 1))
    case .momenta: _ = Invariant<Double>.linearMomentum(dimensions: -1)
    case .noParameters: _ = try? LBFGS().minimize(energy) { $0(rows).sum() }
    case .partOfEnergy:
      _ = SeparableHamiltonian(kinetic: total, potential: KnownEnergy { square($0).sum(axes: 1) })(rows)
    case .inputRows:
      _ = PortHamiltonianField(
        energy, input: InputMatrix(constant: Tensor.ones([1, 1])), control: { _, _ in Tensor.ones([2, 1]) })(
          0, rows)
    case .unknownShape:
      let known = SymbolicField<Double>(variables: ["x", "y"], equations: [[], []])
      _ = UniversalField(known: known, unknown: MLP<Double>(2, 5, 1, activation: .tanh))(0, half)
    case .priorCount:
      pictures(pixels: 4, priorDeviations: [1])
    case .lanesOfTimes:
      let lanes = try? odeint(
        from: Tensor<Double>.ones([3]), at: Tensor<Double>.ones([3, 1]) * Tensor([[0, 1]])
      ) {
        _, y in -y
      }
      _ = try? TrajectoryReport(lanes!, [Invariant("y") { $0.sum(axes: 1) }])
    case .choice:
      _ = SINDy(library: .polynomials(of: 2, degree: 1)).discover(
        ["x", "y"], states: rows.reshaped(to: [4, 2]), values: rows.reshaped(to: [4, 2])
      )
      .field(choosing: [0])
    case .quantityShape: _ = try? ConservingField(field, keeping: total)(0, rows)
    case .rate: _ = StableField(field, lyapunov: energy, rate: -1)
    case .diagonal: _ = PositiveMatrix<Double>(constant: 2, diagonal: 0)
    case .pictures: pictures(pixels: 1, priorDeviations: [1, 1])
    case .phases:
      _ = NoisyPhaseModel(
        map, encoder: RecurrentStateEncoder(observation: 1, width: 2, hidden: [3], memory: 3), encoded: 2
      ).negativeLogLikelihood(ofWindows: Tensor.ones([3, 1, 1]))
    case .matrixEntries:
      var matrix = PositiveMatrix<Double>(constant: 2)
      matrix.entries = .constant(Tensor([1]))
      _ = matrix.product(half, half)
    case .inputEntries:
      var input = InputMatrix(constant: Tensor<Double>.ones([2, 1]))
      input.entries = .constant(Tensor.ones([1, 1]))
      _ = input.product(half, Tensor([1]))
    case .mixing:
      _ = UniversalField(
        known: SymbolicField<Double>(variables: ["x"], equations: [[]]),
        unknown: MLP<Double>(1, 5, 1, activation: .tanh), mixing: [[.nan]])
    case .decodedRank: _ = pixels(4).decoded(Tensor.ones([3, 2]))
    case .statesRank: _ = map.phases(ofStates: Tensor.ones([3, 2]))
    case .lyapunovRank: _ = LyapunovFunction<Double>(3, hidden: [4])(Tensor.ones([3]))
    case .noWindow: _ = FrameWindows(films: Tensor<Double>.ones([3, 1, 4]), length: 0)
    case .inputMomenta:
      _ = InputMatrix(constant: Tensor<Double>.ones([2, 3])).transposedProduct(half, Tensor.ones([5, 2]))
    case .positions: _ = map.discreteLagrangian(half, half)
    case .coefficientCount:
      var field = SymbolicField<Double>(variables: ["x"], equations: [[(Term(powers: [1]), 1)]])
      field.coefficients = Tensor([1, 2])
      _ = field(Tensor.ones([3, 1]))
    case .matrixRows:
      _ = PositiveMatrix<Double>(2, inputs: 2, hidden: [3]).product(half, Tensor.ones([5, 2]))
    case .badTerm:
      _ = SINDy(library: TermLibrary([Term(powers: [1]), Term(.log, of: 0, variables: 1)])).discover(
        ["x"], states: Tensor([[1], [-2], [1], [3]]), values: Tensor.ones([4, 1]))
    case .infiniteNoise:
      _ = SINDy(library: .polynomials(of: 1, degree: 1)).discover(
        ["x"], states: Tensor.ones([4, 1]), values: Tensor.ones([4, 1]), noise: .infinity)
    }
  }

  private var map: VariationalIntegrator<MLP<Double>> {
    VariationalIntegrator(potential: MLP(1, 3, 1, activation: .tanh), coordinates: 1, stepSize: 0.1)
  }

  /// Films of two windows of four frames of four pixels.
  private func pictures(pixels count: Int, priorDeviations: [Double]) {
    _ = pixels(count, priorDeviations: priorDeviations).negativeELBO(
      FrameWindows(films: Tensor.ones([5, 1, 4]), length: 4), length: 4, key: RandomKey(seed: 1))
  }

  private func pixels(_ count: Int, priorDeviations: [Double] = [1, 1]) -> PixelMechanics<
    VariationalIntegrator<MLP<Double>>
  > {
    PixelMechanics(
      map, encoder: RecurrentStateEncoder(observation: 4, width: 2, hidden: [3], memory: 3),
      decoder: MLP(2, 3, count, activation: .tanh), view: .phase, priorDeviations: priorDeviations, encoded: 2
    )
  }

  private func path(
    _ q: Tensor<Double>, _ p: Tensor<Double>, steps: Int = 1,
    force: (Tensor<Double>) -> Tensor<Double> = { -$0 }
  ) {
    _ = symplecticOdeint(
      from: (q, p), at: [0, 1], stepsPerInterval: steps, velocity: { _, p in p }, force: { _, q in force(q) })
  }
}

@Suite struct PhysicsMistakeTests {
  @Test(arguments: PhysicsMistake.allCases)
  func stopsWithAMessage(_ mistake: PhysicsMistake) async throws {
    let result = try await #require(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) { [mistake] in
      mistake.make()
    }
    let message = String(decoding: result.standardErrorContent, as: UTF8.self)
    for word in mistake.words { #expect(message.contains(word), "\(mistake): \(message.prefix(300))") }
  }
}
