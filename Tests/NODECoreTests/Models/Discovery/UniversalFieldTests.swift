import Foundation
import NODECore
import Testing

@Suite struct UniversalFieldTests {
  private static let system = DynamicalSystem.lotkaVolterra
  private static let x = Term(powers: [1, 0]), y = Term(powers: [0, 1])

  private static func known(learned: Bool = false) -> SymbolicField<Double> {
    SymbolicField(variables: ["x", "y"], equations: [[(x, 1.3)], [(y, -1.8)]], isLearned: learned)
  }

  @Test func parametersAreTheNetworksAndWhatIsLearnedOfTheKnown() {
    let network = MLP<Double>(2, 5, 5, 5, 2, activation: .gaussian)
    #expect(network.parameterCount == 87)
    #expect(UniversalField(known: Self.known(), unknown: network).parameterCount == 87)
    #expect(UniversalField(known: Self.known(learned: true), unknown: network).parameterCount == 89)
  }

  /// What leaves one compartment enters the next, whatever the network makes of it.
  @Test func nothingIsLostToTheNetwork() throws {
    let s = Term(powers: [1, 0, 0]), i = Term(powers: [0, 1, 0])
    _ = s
    let known = SymbolicField<Double>(
      variables: ["S", "I", "R"], equations: [[], [(i, -0.2)], [(i, 0.2)]], isLearned: false)
    let network = SelectedInputs([0, 1], MLP<Double>(2, 8, 1, activation: .tanh, key: RandomKey(seed: 2)))
    let field = UniversalField(known: known, unknown: network, mixing: [[-1, 1, 0]])
    let path = try odeint(from: Tensor<Double>([[0.9, 0.1, 0]]), at: [0, 1, 2, 5]) { t, y in field(t, y) }
    let sums = path.states.sum(axes: [2]).scalars
    #expect(sums.allSatisfy { abs($0 - 1) < 1e-15 * 8 })
    #expect(abs(path.final[0, 0].scalar - 0.9) > 1e-3)
  }

  @Test func formulasTakeTheNetworksPlace() {
    let network = MLP<Double>(2, 3, 2, activation: .gaussian)
    let formulas = SymbolicField<Double>(
      variables: ["x", "y"], equations: [[(Self.x * Self.y, -0.9)], [(Self.x * Self.y, 0.8)]])
    let field = UniversalField(known: Self.known(), unknown: network).replacing(unknown: formulas)
    #expect(field.equations.description == "dx/dt = 1.3 x - 0.9 x y\ndy/dt = -1.8 y + 0.8 x y")
    let state = Tensor<Double>([[0.4, 2]])
    let difference = abs(field(0, state) - Self.system.field(state)).max()
    #expect(difference.scalar < 1e-15)
    let mixed = UniversalField(
      known: Self.known(), unknown: SymbolicField<Double>(variables: ["x", "y"], equations: [[(Self.x, 2)]]),
      mixing: [[-1, 1]])
    #expect(mixed.equations.description == "dx/dt = -0.7 x\ndy/dt = -1.8 y + 2 x")
  }

  /// The whole way on generated data: smoothed derivatives, Adam, L-BFGS down to the noise, formulas with the right terms and no
  /// others, parameters within 5 %.
  @Test func theInteractionIsRecovered() throws {
    let data = try Self.system.observations(noise: 0.005, key: RandomKey(seed: 1)).evaluated()
    let noise = square(data - (try Self.system.trajectory())).sum().scalar
    let field = UniversalField(
      known: Self.known(),
      unknown: MLP<Double>(2, 5, 5, 5, 2, activation: .gaussian, key: RandomKey(seed: 2)))
    @Sendable func misfit<F>(_ field: UniversalField<F>) throws -> Tensor<Double> where F.Scalar == Double {
      let path = try odeint(from: data[0..<1], at: Self.system.times, method: .tsit5) { t, y in field(t, y) }
      return square(path.states.reshaped(to: data.shape) - data).sum()
    }
    let smooth = LocalPolynomial(degree: 3)(data, at: Self.system.times)
    let start = try LBFGS(maximumIterations: 100).minimize(field) {
      meanSquaredError($0(0, smooth.states), smooth.derivatives)
    }
    var trainer = Trainer(start.point, optimizer: .adam(learningRate: 1e-2)) {
      (field: UniversalField<MLP<Double>>, _: Tensor<Double>) in try misfit(field)
    }
    for _ in 0..<30 { try trainer.step(Tensor([0])) }
    let afterAdam = try misfit(trainer.model).scalar
    let fit = try LBFGS(maximumIterations: 300).minimize(trainer.model) { try misfit($0) }
    #expect(fit.value < 1.5 * noise && fit.value < 0.5 * afterAdam)
    let sindy = SINDy(
      library: .polynomials(of: 2, degree: 3) + .functions([.sin], of: 2),
      regression: SparseRegression(ridges: [1e-3]))
    let found = sindy.discover(["x", "y"], states: data, values: fit.point.unknown(data))
    let best = try #require(
      try found.selected(maximumTerms: 2, observations: data.count) { formulas in
        let fitted = try LBFGS(maximumIterations: 100).minimize(fit.point.replacing(unknown: formulas)) {
          try misfit($0)
        }
        return (fitted.point.unknown, fitted.value)
      })
    #expect(best.field.terms == [[Self.x * Self.y], [Self.x * Self.y]], "\(best.field)")
    for (found, truth) in zip(best.field.coefficients.scalars, [-0.9, 0.8]) {
      #expect(abs(found / truth - 1) < 0.05)
    }
  }
}
