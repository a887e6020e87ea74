/// Which noise each data point is paired with in flow matching.
public enum FlowCoupling: Sendable, Hashable {
  /// As they come.
  case independent
  /// The pairing of a batch that is shortest in squared distance (Tong et al. 2024, OT-CFM; Pooladian et al. 2023).
  case optimalTransport
  /// Pairs drawn from the entropic plan of a batch (Sinkhorn); the regularisation in units of squared distance.
  case sinkhorn(regularisation: Double)

  /// Rows of `noise` for the rows of `data` [n, d]: a permutation, but for `.sinkhorn`, whose draws may repeat.
  public func pairs<Scalar: FloatingScalar>(
    data: Tensor<Scalar>, noise: Tensor<Scalar>, key: RandomKey
  ) throws -> [Int] {
    require(
      data.rank == 2 && data.shape == noise.shape,
      "FlowCoupling: data and noise must be [n, d] of one shape, got \(data.shape) and \(noise.shape)")
    let n = data.shape[0]
    if self == .independent { return Array(0..<n) }
    let cost = try squaredDistances(data, noise)
    guard case .sinkhorn(let regularisation) = self else {
      return leastCostAssignment(cost, rows: n, columns: n)
    }
    // Draws do not show more digits of the plan.
    let found = sinkhornPlan(
      cost, rows: n, columns: n, regularisation: regularisation, tolerance: 1e-2, iterations: 1000)
    guard found.rowError <= 0.1 else {
      throw TransportError.notConverged(rowError: found.rowError, iterations: found.iterations)
    }
    let plan = found.weights
    let uniform: [Double] = try Tensor<Double>.uniform(shape: [n], key: key).evaluated().scalars
    return (0..<n).map { row in
      // Rows' sums are 1 / n but for an error.
      let total = plan[row * n..<(row + 1) * n].reduce(0, +)
      var rest = uniform[row] * total
      for column in 0..<n {
        rest -= plan[row * n + column]
        if rest < 0 { return column }
      }
      return n - 1
    }
  }
}

/// Pairs of data and noise, a batch of flow matching.
public struct MatchingBatch<Scalar: FloatingScalar>: Module {
  /// [n, d] each.
  public var data: Tensor<Scalar>, noise: Tensor<Scalar>

  /// The noise's rows are put where the coupling pairs them with the data's.
  /// - Parameters:
  ///   - data: [n, d].
  ///   - noise: [n, d], samples of the base.
  ///   - key: of the pairs that `.sinkhorn` draws.
  /// - Throws: `TransportError`; what evaluating the tensors throws.
  public init(data: Tensor<Scalar>, noise: Tensor<Scalar>, coupling: FlowCoupling, key: RandomKey) throws {
    self.data = data
    let pairs = try coupling.pairs(data: data, noise: noise, key: key)
    self.noise = try noise.gather(at: Tensor<Int32>(pairs.map { Int32($0) })).evaluated()
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {
    visit("data", &data)
    visit("noise", &noise)
  }
}

extension ContinuousFlow where Field: RowTimedField {
  /// The loss of conditional flow matching (Lipman et al. 2023; Tong et al. 2024): the mean squared distance of the field to
  /// the velocity of straight lines from data at t = 0 to noise at the end time, at random places on them. No solve.
  /// - Parameters:
  ///   - deviation: of normal noise added to the places.
  ///   - key: of times and that noise.
  public func matchingLoss(
    _ batch: MatchingBatch<Scalar>, deviation: Double = 0.01, key: RandomKey
  ) throws -> Tensor<Scalar> {
    requireVectors("ContinuousFlow.matchingLoss", batch.data, dimensions)
    requireSetting("ContinuousFlow.matchingLoss", "the deviation", deviation, .notNegative)
    let rows = batch.data.shape[0], keys = key.split(2)
    let share = Tensor<Scalar>.uniform(shape: [rows, 1], key: keys[0])
    let end = square(rootOfEndTime)
    let jitter = Tensor<Scalar>.normal(
      shape: batch.data.shape, standardDeviation: deviation, key: keys[1])
    let place = batch.data * (1 - share) + batch.noise * share + jitter
    let velocity = (batch.noise - batch.data) / end
    return square(try field(share * end, place) - velocity).sum(axes: 1).mean()
  }
}
