/// Which noise each data point is paired with in flow matching.
///
/// Pairs other than `.independent` look at data and noise alone. Under a context they are wrong: noise that goes to rows of one
/// context would no longer be distributed as the base, which the flow starts from for every context.
public enum FlowCoupling: Sendable, Hashable {
  /// As they come.
  case independent
  /// The pairing of a batch that is shortest in squared distance (Tong et al. 2024, OT-CFM; Pooladian et al. 2023).
  case optimalTransport
  /// Pairs drawn from the entropic plan of a batch (Sinkhorn); the regularisation, positive, in units of squared distance.
  case sinkhorn(regularisation: Double)

  /// Rows of `noise` for the rows of `data` [n, d]: a permutation, but for `.sinkhorn`, whose draws may repeat.
  /// - Throws: `TransportError`; what evaluating the tensors throws.
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
    requireSetting("FlowCoupling.sinkhorn", "the regularisation", regularisation, .positive)
    if let index = cost.firstIndex(where: { !($0 / regularisation).isFinite }) {
      throw TransportError.notFinite(sample: 0, row: index / n)
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
  /// How they were paired.
  public let coupling: FlowCoupling

  /// The noise's rows are put where the coupling pairs them with the data's.
  /// - Parameters:
  ///   - data: [n, d].
  ///   - noise: [n, d], samples of the base.
  ///   - key: of the pairs that `.sinkhorn` draws.
  /// - Throws: `TransportError`; what evaluating the tensors throws.
  public init(data: Tensor<Scalar>, noise: Tensor<Scalar>, coupling: FlowCoupling, key: RandomKey) throws {
    self.data = data
    self.coupling = coupling
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
  ///
  /// No gradient reaches the end time: the later the end, the smaller velocities and their distances, so it would grow for ever.
  /// - Parameters:
  ///   - batch: for a field that is told a context, of independent pairs; see `FlowCoupling`.
  ///   - deviation: of normal noise added to the places, in the data's units.
  ///   - key: of times and that noise.
  public func matchingLoss(
    _ batch: MatchingBatch<Scalar>, deviation: Double = 0, key: RandomKey
  ) throws -> Tensor<Scalar> {
    requireVectors("ContinuousFlow.matchingLoss", batch.data, dimensions)
    requireSetting("ContinuousFlow.matchingLoss", "the deviation", deviation, .notNegative)
    let context = (field as? any ConditionalField)?.contextSize ?? 0
    require(
      context == 0 || batch.coupling == .independent,
      "ContinuousFlow.matchingLoss: the field is told a context of \(context) numbers, which pairs of the coupling "
        + "\(batch.coupling) do not look at: take independent ones")
    let rows = batch.data.shape[0], keys = key.split(2)
    let share = Tensor<Scalar>.uniform(shape: [rows, 1], key: keys[0])
    let end = stopGradient(square(rootOfEndTime))
    var place = batch.data * (1 - share) + batch.noise * share
    if deviation > 0 {
      let away = Tensor<Scalar>.normal(
        shape: batch.data.shape, standardDeviation: deviation, key: keys[1])
      place = place + away
    }
    let velocity = (batch.noise - batch.data) / end
    return square(try field(share * end, place) - velocity).sum(axes: 1).mean()
  }
}
