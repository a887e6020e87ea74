/// How well trajectories keep what they should: for every quantity its values over time, its drift for every row, and the
/// figures over all rows.
///
/// ```swift
/// let path = try odeint(from: y0, at: times, method: .rk4) { t, y in model(t, y) }
/// let report = try TrajectoryReport(path, [Invariant("energy") { y in energy(y) }])
/// print(report)                                  // a line for every quantity
/// report["energy"]!.largestDrift                 // of the worst row
/// ```
/// Rows that became infinite or NaN are counted in `nonfiniteRows`, and their figures are infinite: a run that diverged is
/// the worst one, not one less.
public struct TrajectoryReport: Sendable, Codable, Hashable {
  /// The times of each row; one list where all rows have the same.
  public var times: [[Double]]
  /// In the order of the invariants.
  public var quantities: [Quantity]

  /// The quantity with this name.
  public subscript(name: String) -> Quantity? { quantities.first { $0.name == name } }

  /// The times of a row.
  public func times(ofRow row: Int) -> [Double] { times.count == 1 ? times[0] : times[row] }

  /// How one quantity of one row behaves. Drifts are distances from the target: the initial value, unless the invariant
  /// names one. Infinite where the row is not finite throughout.
  public struct Drift: Sendable, Codable, Hashable {
    /// At the first time.
    public var initial: Double
    /// The invariant's, or `initial`.
    public var target: Double
    /// Largest distance from the target.
    public var largest: Double
    /// Distance at the last time.
    public var final: Double
    /// Mean over the times of the squared distance.
    public var meanSquaredError: Double
    /// Secular drift: the slope of the least-squares line through the values, per unit of time.
    public var slope: Double
    /// Oscillation: the root of the mean squared distance from that line.
    public var oscillation: Double
    /// Index of the first time at which the state or the quantity is not finite; nil where there is none.
    public var firstNonfinite: Int?

    /// `largest` over the target's magnitude; infinite for a target of zero that was missed.
    public var relative: Double { ratio(largest) }
    /// `final` over the target's magnitude.
    public var relativeFinal: Double { ratio(final) }
    /// Whether state and quantity are finite at all times.
    public var isFinite: Bool { firstNonfinite == nil }

    private func ratio(_ distance: Double) -> Double {
      // The target may be what was not finite.
      guard isFinite else { return .infinity }
      return distance == 0 ? 0 : distance / target.magnitude
    }
  }

  /// One quantity of all rows.
  public struct Quantity: Sendable, Codable, Hashable {
    /// The invariant's.
    public var name: String
    /// [row][time].
    public var values: [[Double]]
    /// Of each row.
    public var drifts: [Drift]

    /// How many rows are not finite throughout.
    public var nonfiniteRows: Int { drifts.count { !$0.isFinite } }
    /// Of the worst row.
    public var largestDrift: Double { worst(\.largest) }
    /// Of `largest` over the rows; of an even number the mean of the two in the middle.
    public var medianDrift: Double { median(\.largest) }
    /// Of the row that is worst at the last time.
    public var finalDrift: Double { worst(\.final) }
    /// Of `final` over the rows.
    public var medianFinalDrift: Double { median(\.final) }
    /// `largest` over the target's magnitude, of the worst row.
    public var relativeDrift: Double { worst(\.relative) }
    /// Of `relative` over the rows.
    public var medianRelativeDrift: Double { median(\.relative) }
    /// The mean over rows and times.
    public var meanSquaredError: Double {
      drifts.map(\.meanSquaredError).reduce(0, +) / Double(drifts.count)
    }
    /// Of the row whose slope has the largest magnitude.
    public var largestSlope: Double {
      drifts.map(\.slope).max { $0.magnitude < $1.magnitude } ?? 0
    }
    /// Of the worst row.
    public var largestOscillation: Double { worst(\.oscillation) }

    /// The distance from the target at each time, of a row.
    public func distances(ofRow row: Int) -> [Double] {
      values[row].map { ($0 - drifts[row].target).magnitude }
    }

    private func worst(_ figure: (Drift) -> Double) -> Double { drifts.map(figure).max() ?? 0 }

    private func median(_ figure: (Drift) -> Double) -> Double {
      let sorted = drifts.map(figure).sorted(), middle = sorted.count / 2
      return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    }
  }
}

extension TrajectoryReport {
  /// - Parameters:
  ///   - solution: of any state [rows, width...], or of one row [width]; times may be per row.
  ///   - invariants: what to watch, each under a name of its own.
  /// - Throws: what the solve and the invariants throw.
  public init<S: FloatingScalar>(_ solution: Solution<S>, _ invariants: [Invariant<S>]) throws {
    let count = solution.times.shape.dimensions.last!
    let numbers = try solution.times.evaluated().scalars
    let times = stride(from: 0, to: numbers.count, by: count).map { Array(numbers[$0..<$0 + count]) }
    try self.init(timesOfRows: times, states: solution.states, invariants)
  }

  /// - Parameters:
  ///   - times: of the states; at least one, finite.
  ///   - states: [times, rows, width...], or [times, width] of one row.
  ///   - invariants: what to watch, each under a name of its own.
  /// - Throws: what evaluating the states and the invariants throws.
  public init<S: FloatingScalar>(times: [Double], states: Tensor<S>, _ invariants: [Invariant<S>]) throws {
    try self.init(timesOfRows: [times], states: states, invariants)
  }

  private init<S: FloatingScalar>(
    timesOfRows times: [[Double]], states: Tensor<S>, _ invariants: [Invariant<S>]
  ) throws {
    let names = invariants.map(\.name)
    require(Set(names).count == names.count, "TrajectoryReport: two quantities have one name: \(names)")
    require(
      states.rank >= 2 && states.count > 0 && times.allSatisfy { $0.count == states.shape[0] },
      "TrajectoryReport: states \(states.shape) must be [times, rows, width] or [times, width], of "
        + "\(times[0].count) times")
    require(
      times.allSatisfy { $0.allSatisfy(\.isFinite) },
      "TrajectoryReport: the times must be finite, got \(times)")
    let count = states.shape[0], rows = states.rank == 2 ? 1 : states.shape[1]
    require(
      times.count == 1 || times.count == rows,
      "TrajectoryReport: there are times of \(times.count) rows, but states \(states.shape) are of \(rows)")
    let width = Array(states.shape.dimensions.dropFirst(states.rank == 2 ? 1 : 2))
    let flat = try states.evaluated().reshaped(to: Shape([count * rows] + width))
    let size = width.reduce(1, *), scalars = flat.scalars
    // [time][row]: of the states; a quantity may look at a part of the state only.
    let sound = (0..<count * rows).map { row in
      scalars[row * size..<(row + 1) * size].allSatisfy(\.isFinite)
    }
    let symbols = try invariants.map { invariant in
      let values = try invariant.values(flat)
      require(
        values.shape == [count * rows],
        "TrajectoryReport: \(invariant.name) makes \(values.shape) of states \(flat.shape); it must be "
          + "[\(count * rows)]")
      return values
    }
    self.times = times
    quantities = zip(invariants, try NODECore.evaluated(symbols)).map { invariant, values in
      let numbers = values.scalars
      let series = (0..<rows).map { row in
        (0..<count).map { time in
          sound[time * rows + row] ? numbers[time * rows + row].asDouble : .nan
        }
      }
      let drifts = series.enumerated().map { row, values in
        Drift(values, target: invariant.target, times: times.count == 1 ? times[0] : times[row])
      }
      return Quantity(name: invariant.name, values: series, drifts: drifts)
    }
  }
}

extension TrajectoryReport.Drift {
  /// The drift of a series of values.
  /// - Parameters:
  ///   - values: one for each time, at least one.
  ///   - target: what they should be; nil: the first of them.
  ///   - times: as many as values; the slope is per unit of them.
  public init(_ values: [Double], target: Double? = nil, times: [Double]) {
    require(
      !values.isEmpty && values.count == times.count,
      "TrajectoryReport.Drift: \(values.count) values at \(times.count) times; there must be as many, and one"
    )
    initial = values[0]
    self.target = target ?? values[0]
    firstNonfinite = values.firstIndex { !$0.isFinite }
    guard firstNonfinite == nil else {
      (largest, final, meanSquaredError, slope, oscillation) = (
        .infinity, .infinity, .infinity, .infinity, .infinity
      )
      return
    }
    let n = Double(values.count), target = self.target
    let distances = values.map { ($0 - target).magnitude }
    largest = distances.max()!
    final = distances.last!
    meanSquaredError = distances.reduce(0) { $0 + $1 * $1 } / n
    // The line through what is left of the values after their mean, at times after theirs: no cancellation.
    let middle = times.reduce(0, +) / n, level = values.reduce(0) { $0 + ($1 - target) } / n
    let spread = times.reduce(0) { $0 + ($1 - middle) * ($1 - middle) }
    let slope =
      spread > 0
      ? zip(times, values).reduce(0) { $0 + ($1.0 - middle) * ($1.1 - target - level) } / spread : 0
    self.slope = slope
    let residual = zip(times, values).reduce(0) { sum, point in
      let rest = point.1 - target - level - slope * (point.0 - middle)
      return sum + rest * rest
    }
    oscillation = (residual / n).squareRoot()
  }
}
