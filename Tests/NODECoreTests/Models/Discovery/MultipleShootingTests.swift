import Foundation
import NODECore
import Testing

@Suite struct MultipleShootingTests {
  private static let system = DynamicalSystem.lotkaVolterra
  private static let options = SolveOptions(method: .dopri5, rtol: 1e-9, atol: 1e-9)

  /// The true field from true starts leaves nothing to lose, whether the last piece is whole (31 = 1 + 6 x 5) or not.
  @Test(arguments: [2, 4, 6, 9, 31]) func theTruthCostsNothing(groupSize: Int) throws {
    let data = try Self.system.trajectory().evaluated()
    let shooting = MultipleShooting(
      times: Self.system.times, observations: data, groupSize: groupSize, continuity: 10)
    #expect(shooting.pieces == Int((30 / Double(groupSize - 1)).rounded(.up)))
    let loss = try shooting.loss(from: shooting.observedStarts, options: Self.options) { _, y in
      Self.system.field(y)
    }
    #expect(loss.scalar < 1e-12)
  }

  /// The loss against its definition, with one solve a piece.
  @Test(arguments: MultipleShooting<Double>.Penalty.allCases)
  func theLossIsTheSumOverPieces(penalty: MultipleShooting<Double>.Penalty) throws {
    let times = [0, 0.2, 0.5, 0.6, 1, 1.1],
      data = Tensor<Double>.normal(shape: [6, 2], key: RandomKey(seed: 3))
    let shooting = MultipleShooting(
      times: times, observations: data, groupSize: 3, continuity: 7, penalty: penalty)
    let loss = try shooting.loss(from: shooting.observedStarts, options: Self.options) { t, y in
      sin(y + t)
    }
    var expected = 0.0, last: Tensor<Double>?
    for range in [0...2, 2...4, 4...5] {
      let path = try odeint(
        from: data[range.lowerBound..<range.lowerBound + 1], at: Array(times[range]), rtol: 1e-9, atol: 1e-9
      ) { t, y in sin(y + t) }.states.reshaped(to: [range.count, 2])
      expected += square(path - data[range.lowerBound...range.upperBound]).sum().scalar
      if let last {
        let gap = last - data[range.lowerBound]
        expected += 7 * (penalty == .squared ? square(gap) : abs(gap)).sum().scalar
      }
      last = path[range.count - 1]
    }
    #expect(abs(loss.scalar - expected) < 1e-6 * expected)
  }

  /// From a bad guess a long solve is lost in; coefficients and starts are found together.
  @Test func coefficientsAndStartsAreFound() throws {
    struct Model: Module {
      var field: SymbolicField<Double>
      var starts: Tensor<Double>
      mutating func visitParameters(_ visit: inout ParameterVisitor) {
        visit("field", &field)
        visit("starts", &starts)
      }
    }
    let data = try Self.system.trajectory().evaluated()
    let shooting = MultipleShooting(
      times: Self.system.times, observations: data, groupSize: 6, continuity: 10)
    var field = Self.system.field
    field.coefficients = Tensor([1, -0.5, 0.5, -1])
    let found = try LBFGS(maximumIterations: 100, gradientTolerance: 1e-8).minimize(
      Model(field: field, starts: shooting.observedStarts * 1.1)
    ) { model in
      try shooting.loss(from: model.starts, options: SolveOptions(rtol: 1e-8, atol: 1e-8)) { t, y in
        model.field(t, y)
      }
    }
    for (a, b) in zip(found.point.field.coefficients.scalars, [1.3, -0.9, 0.8, -1.8]) {
      #expect(abs(a - b) < 1e-3)
    }
  }

  /// y' = y² from 1 has its pole at t = 1: a last piece that is short ends before it.
  @Test func aShortPieceEndsWithTheObservations() throws {
    let times = [0, 0.3, 0.6, 0.9]
    let data = Tensor<Double>(times.map { [1 / (1 - $0)] })
    let shooting = MultipleShooting(times: times, observations: data, groupSize: 3, continuity: 10)
    let loss = try shooting.loss(from: shooting.observedStarts, options: Self.options) { _, y in square(y) }
    #expect(loss.scalar < 1e-10)
  }
}
