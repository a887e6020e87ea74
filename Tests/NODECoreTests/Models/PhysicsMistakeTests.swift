import NODECore
import Testing

/// Mistakes with models of physics and their integrators stop the program with a message that names the operation and what it
/// was given.
enum PhysicsMistake: String, CaseIterable, Codable, Sendable {
  case oddState, vectorState, energyShape, momentaShape, forceShape, noSteps, times, newtonVector,
    coefficients
  case turns, controlWithoutInput, inputShape, quantityShape, rate, diagonal

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
    case .quantityShape: ["ConservingField", "[2, 4]", "[]"]
    case .rate: ["StableField", "rate", "-1.0"]
    case .diagonal: ["PositiveMatrix", "diagonal", "0.0"]
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
    case .quantityShape: _ = try? ConservingField(field, keeping: total)(0, rows)
    case .rate: _ = StableField(field, lyapunov: energy, rate: -1)
    case .diagonal: _ = PositiveMatrix<Double>(constant: 2, diagonal: 0)
    }
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
