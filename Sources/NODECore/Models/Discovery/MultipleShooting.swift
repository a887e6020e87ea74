/// A long series of observations as short pieces that are solved independently, lanes of one solve: a loss without the long
/// valleys and cliffs of one that integrates from end to end (Bock 1983; in this form Turan and Jäschke 2021, "Multiple shooting for
/// training neural differential equations on time series").
///
/// Piece k holds observations k (g - 1) ... k (g - 1) + g - 1, g being the group's size: the last of one is the first of the next, and
/// a penalty draws the end of each piece to the start of the next one.
///
/// ```swift
/// let shooting = MultipleShooting(times: times, observations: data, groupSize: 5, continuity: 200)
/// let loss = try shooting.loss(from: shooting.observedStarts) { t, y in field(t, y) }
/// ```
public struct MultipleShooting<Scalar: FloatingScalar>: Sendable {
  /// How an end that misses the next start counts.
  public enum Penalty: Sendable, Hashable, CaseIterable {
    /// The square of the distance: smooth, what quasi-Newton methods need.
    case squared
    /// The sum of the components' magnitudes, as DiffEqFlux has it.
    case absolute
  }

  /// Observations in a piece.
  public let groupSize: Int
  /// The penalty's weight.
  public let continuity: Double
  public let penalty: Penalty
  /// [pieces, groupSize]; the last piece may be shorter than the others, then it goes on for an instant, unobserved.
  public let times: Tensor<Double>
  /// [groupSize, pieces, components]; zeros where nothing was observed.
  public let targets: Tensor<Scalar>
  /// [groupSize, pieces, 1]: 1 where there is an observation.
  private let weights: Tensor<Scalar>
  /// Lanes of the solve: (times - 1) / (groupSize - 1), rounded up.
  public var pieces: Int { times.shape[0] }

  /// - Parameters:
  ///   - times: increasing, at least two.
  ///   - observations: [times, components].
  ///   - groupSize: at least two.
  ///   - continuity: not negative.
  public init(
    times: [Double], observations: Tensor<Scalar>, groupSize: Int, continuity: Double = 1,
    penalty: Penalty = .squared
  ) {
    require(
      observations.rank == 2 && observations.shape[0] == times.count && times.count >= 2,
      "MultipleShooting: \(times.count) times and observations \(observations.shape); [times, components], at least two"
        + " times are needed")
    require(
      zip(times, times.dropFirst()).allSatisfy { $0 < $1 },
      "MultipleShooting: times must increase, got \(times)")
    require(
      (2...times.count).contains(groupSize),
      "MultipleShooting: groups of \(groupSize) from \(times.count) observations; 2 to \(times.count) are possible"
    )
    require(
      continuity >= 0 && continuity.isFinite,
      "MultipleShooting: the continuity's weight must not be negative, got \(continuity)")
    self.groupSize = groupSize
    self.continuity = continuity
    self.penalty = penalty
    let last = times.count - 1, starts = Array(stride(from: 0, to: last, by: groupSize - 1))
    // Hardly past the last observation: farther on, a sound field may have a pole.
    let step = max(1e-6 * (times[last] - times[last - 1]), 8 * times[last].ulp)
    self.times = Tensor(
      starts.flatMap { start in
        (start..<start + groupSize).map { $0 <= last ? times[$0] : times[last] + Double($0 - last) * step }
      }, shape: [starts.count, groupSize])
    let places = (0..<groupSize).flatMap { offset in starts.map { Int32(min($0 + offset, last)) } }
    let isObserved = (0..<groupSize).flatMap { offset in starts.map { $0 + offset <= last } }
    weights = Tensor(isObserved.map { Scalar($0 ? 1.0 : 0.0) }, shape: [groupSize, starts.count, 1])
    targets =
      observations.gather(at: Tensor(places, shape: [groupSize, starts.count])) * weights
  }

  /// The first observation of every piece: [pieces, components].
  public var observedStarts: Tensor<Scalar> { targets[0] }

  /// The sum of squared differences from the observations, each once for every piece that it belongs to, and the penalty
  /// times its weight.
  /// - Parameters:
  ///   - starts: the states that the pieces start from, [pieces, components]: `observedStarts`, or parameters that are learned.
  ///   - field: of the state [pieces, components]; rows do not mix, t is the time of each piece.
  /// - Throws: what `odeint` throws.
  public func loss(
    from starts: Tensor<Scalar>, options: SolveOptions = SolveOptions(),
    field: (_ t: Tensor<Scalar>, _ y: Tensor<Scalar>) throws -> Tensor<Scalar>
  ) throws -> Tensor<Scalar> {
    let states = try path(from: starts, options: options, field: field)
    let misfit = square((states - targets) * weights).sum()
    guard pieces > 1, continuity > 0 else { return misfit }
    let gap = states[groupSize - 1, 0..<pieces - 1] - starts[1...]
    switch penalty {
    case .squared: return misfit + continuity * square(gap).sum()
    case .absolute: return misfit + continuity * abs(gap).sum()
    }
  }

  /// The states of all pieces, [groupSize, pieces, components].
  public func path(
    from starts: Tensor<Scalar>, options: SolveOptions = SolveOptions(),
    field: (_ t: Tensor<Scalar>, _ y: Tensor<Scalar>) throws -> Tensor<Scalar>
  ) throws -> Tensor<Scalar> {
    require(
      starts.shape == observedStarts.shape,
      "MultipleShooting: starts \(starts.shape) for \(pieces) pieces; \(observedStarts.shape) is needed")
    return try odeint(
      from: starts, at: times, method: options.method, rtol: options.rtol, atol: options.atol,
      controller: options.controller, sensitivity: options.sensitivity, maxSteps: options.maxSteps,
      field: field
    ).states
  }
}
