import Foundation
import Testing

@testable import NODECore

private typealias D = Tensor<Double>

/// The same velocity everywhere.
private struct ConstantField: RowTimedField {
  var velocity: Tensor<Double>
  func callAsFunction(_ t: Tensor<Double>, _ y: Tensor<Double>) -> Tensor<Double> {
    velocity.broadcast(to: y.shape)
  }
  mutating func visitParameters(_ visit: inout ParameterVisitor) { visit("velocity", &velocity) }
}

/// Lines from the origin: y / t. Rows have times of their own.
private struct RayField: RowTimedField {
  typealias Scalar = Double
  func callAsFunction(_ t: Tensor<Double>, _ y: Tensor<Double>) -> Tensor<Double> { y / t }
  mutating func visitParameters(_ visit: inout ParameterVisitor) {}
}

/// y' = y.
private struct GrowingField: RowTimedField {
  typealias Scalar = Double
  func callAsFunction(_ t: Tensor<Double>, _ y: Tensor<Double>) -> Tensor<Double> { y }
  mutating func visitParameters(_ visit: inout ParameterVisitor) {}
}

@Suite struct FlowMatchingTests {
  private let key = RandomKey(seed: 5)
  private let shift = [1.5, -0.75]
  private let data = D.normal(shape: [12, 2], key: RandomKey(seed: 1))

  private func batch(_ data: D, _ noise: D, _ coupling: FlowCoupling = .independent) throws -> MatchingBatch<
    Double
  > {
    try MatchingBatch(data: data, noise: noise, coupling: coupling, key: key)
  }

  /// A field with the velocity of the lines loses nothing, one beside it the square of the difference.
  @Test func theLossIsTheDistanceToTheVelocity() throws {
    let end = 2.5, pairs = try batch(data, data + D(shift))
    func loss(_ velocity: [Double], deviation: Double = 0) throws -> Double {
      let flow = ContinuousFlow(ConstantField(velocity: D(velocity)), dimensions: 2, endTime: end)
      return try flow.matchingLoss(pairs, deviation: deviation, key: key).evaluated().scalar
    }
    let exact = shift.map { $0 / end }
    #expect(try loss(exact) < 1e-24)
    #expect(try loss(exact, deviation: 0.5) < 1e-24)
    #expect(abs(try loss([exact[0] + 0.3, exact[1] - 0.4]) - 0.25) < 1e-12)
    // Places and times belong to each other: on a line from the origin, y / t is its velocity.
    let rays = ContinuousFlow(RayField(), dimensions: 2, endTime: end)
    #expect(try rays.matchingLoss(batch(data * 0, data), key: key).evaluated().scalar < 1e-20)
  }

  /// Of lines that stand still, what the field sees is the deviation alone, in the data's units.
  @Test func theDeviationIsThatOfThePlaces() throws {
    let still = try batch(.zeros([20_000, 2]), .zeros([20_000, 2]))
    let flow = ContinuousFlow(GrowingField(), dimensions: 2)
    #expect(try flow.matchingLoss(still, key: key).evaluated().scalar == 0)
    // The mean of 20,000 numbers 0.09 χ²(2), of deviation 0.18 each.
    let found = try flow.matchingLoss(still, deviation: 0.3, key: key).evaluated().scalar
    #expect(abs(found - 0.18) < 4 * 0.18 / 20_000.0.squareRoot(), "\(found)")
  }

  /// A later end makes all velocities smaller, so that a gradient there would have no end.
  @Test func theEndTimeIsNotLearned() throws {
    let flow = ContinuousFlow(
      ConstantField(velocity: D([1, 1])), dimensions: 2, endTime: 2, learnsEndTime: true)
    let pairs = try batch(data, data + D(shift))
    let gradient = try valueAndGradient(of: flow) { try $0.matchingLoss(pairs, key: key) }.gradient
    #expect(try gradient.rootOfEndTime.evaluated().scalar == 0)
    // 2 (v - shift / 2) by rows' mean.
    let slope: [Double] = try gradient.field.velocity.evaluated().scalars
    #expect(zip(slope, shift).allSatisfy { abs($0 - 2 * (1 - $1 / 2)) < 1e-12 })
  }

  @Test func pathsStartWhereTheyAreTold() throws {
    let flow = ContinuousFlow(ConstantField(velocity: D(shift)), dimensions: 2, endTime: 3)
    let way = try flow.path(of: data, at: [2, 1.5, 0]).evaluated()
    #expect(way.shape == [3, 12, 2])
    for (index, time) in [0, -0.5, -2].enumerated() {
      let error: [Double] = try (way[index] - (data + D(shift) * time)).evaluated().scalars
      #expect(error.allSatisfy { abs($0) < 1e-6 })
    }
  }

  /// Nothing is nearer to a set than its own shift, whatever the order.
  @Test func assignmentsFindAShiftedPermutation() throws {
    let order: [Int32] = [3, 7, 0, 11, 5, 1, 9, 2, 10, 4, 8, 6]
    let noise = (data + D([4, -3])).gather(at: Tensor(order))
    let pairs = try FlowCoupling.optimalTransport.pairs(data: data, noise: noise, key: key)
    #expect(pairs == (0..<12).map { order.firstIndex(of: Int32($0))! })
    let found = try batch(data, noise, .optimalTransport)
    #expect(found.coupling == .optimalTransport)
    let error: [Double] = try (found.noise - found.data - D([4, -3])).evaluated().scalars
    #expect(error.allSatisfy { abs($0) < 1e-12 })
    #expect(try FlowCoupling.independent.pairs(data: data, noise: noise, key: key) == Array(0..<12))
    #expect(try batch(data, noise).noise.evaluated().scalars == noise.evaluated().scalars)
  }

  /// Each row's draws are distributed as its part of the plan.
  @Test func sinkhornsDrawsHaveThePlansFrequencies() throws {
    let n = 4, draws = 1000, regularisation = 0.8
    let x = D([0, 0, 1, 0, 0, 1, 1.5, 1], shape: [4, 2]),
      y = D([0.2, 1, 1, 0.8, 0, -0.5, 2, 0], shape: [4, 2])
    let plan = sinkhornPlan(
      try squaredDistances(x, y), rows: n, columns: n, regularisation: regularisation, tolerance: 1e-2,
      iterations: 1000
    ).weights
    var counts = [Int](repeating: 0, count: n * n)
    for draw in 0..<draws {
      let pairs = try FlowCoupling.sinkhorn(regularisation: regularisation).pairs(
        data: x, noise: y, key: key.fold(in: draw))
      for (row, column) in pairs.enumerated() { counts[row * n + column] += 1 }
    }
    for row in 0..<n {
      let weights = plan[row * n..<(row + 1) * n], total = weights.reduce(0, +)
      for column in 0..<n {
        let p = plan[row * n + column] / total
        let error = (p * (1 - p) / Double(draws)).squareRoot()
        let found = Double(counts[row * n + column]) / Double(draws)
        #expect(abs(found - p) < 4.5 * error, "\(row), \(column): \(found), \(p)")
      }
    }
  }

  @Test func costsBeyondTheRegularisationAreAnError() {
    #expect(throws: TransportError.notFinite(sample: 0, row: 0)) {
      _ = try FlowCoupling.sinkhorn(regularisation: 1e-300).pairs(
        data: data * 1e10, noise: data * -1e10, key: key)
    }
  }

  /// Pairs that do not look at the context give another density under it.
  @Test func contextsTakeIndependentPairs() async throws {
    let field = ConcatSquashField<Double>(2, hidden: [4], context: 1, key: key)
    let flow = ContinuousFlow(field, dimensions: 2).given(.ones([12, 1]))
    #expect(try flow.matchingLoss(batch(data, -data), key: key).evaluated().scalar.isFinite)
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let field = ConcatSquashField<Double>(2, hidden: [4], context: 1)
      let key = RandomKey(seed: 0), x = Tensor<Double>.normal(shape: [12, 2], key: key)
      let pairs = try MatchingBatch(data: x, noise: -x, coupling: .optimalTransport, key: key)
      _ = try ContinuousFlow(field, dimensions: 2).given(.ones([12, 1])).matchingLoss(pairs, key: key)
    }
    let text = String(decoding: try #require(result).standardErrorContent, as: UTF8.self)
    #expect(text.contains("a context of 1 numbers") && text.contains("optimalTransport"), "\(text)")
  }
}
