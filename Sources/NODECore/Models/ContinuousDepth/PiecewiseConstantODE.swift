/// A stack of vector fields, each on an interval of the depth (Massaroli et al. 2020, section 3:
/// piecewise-constant weights).
///
/// Every interval is a solve of its own that ends exactly at the boundary. A field that jumps there would be
/// integrated across the jump by a step that happens to lie over it, with an error of first order, or a
/// controller would reject steps until they are tiny.
public struct PiecewiseConstantODE<Field: VectorField>: Module {
  public typealias Scalar = Field.Scalar

  /// One for each interval, in the order of the boundaries; at least one.
  public var fields: [Field]
  /// Ends of the intervals, one more than fields, strictly increasing or strictly decreasing; the input holds
  /// at the first.
  public var boundaries: [Double]
  /// Of the solve of every interval.
  public var options: SolveOptions

  /// - Parameters:
  ///   - fields: at least one.
  ///   - boundaries: one more than fields, strictly increasing or strictly decreasing.
  public init(_ fields: [Field], boundaries: [Double], options: SolveOptions = SolveOptions()) {
    self.fields = fields
    self.boundaries = boundaries
    self.options = options
    requireBoundaries()
  }

  /// Intervals of equal length.
  public init(
    _ fields: [Field], t0: Double = 0, t1: Double = 1, options: SolveOptions = SolveOptions()
  ) {
    let count = Double(max(fields.count, 1))
    self.init(
      fields,
      // The last one is t1 itself, not what rounding makes of it.
      boundaries: fields.indices.map { t0 + (t1 - t0) * Double($0) / count } + [t1], options: options)
  }

  // Properties may be set after `init`, so what uses them looks again.
  private func requireBoundaries() {
    require(
      !fields.isEmpty && boundaries.count == fields.count + 1,
      "PiecewiseConstantODE: \(fields.count) fields need one boundary more than they are, got \(boundaries)")
    let rises = boundaries[0] < boundaries[1]
    require(
      zip(boundaries, boundaries.dropFirst()).allSatisfy { $0 < $1 && rises || $0 > $1 && !rises },
      "PiecewiseConstantODE: boundaries must be strictly increasing or decreasing, got \(boundaries)")
  }

  /// The state at the last boundary, shape of y0. Throws what `odeint` throws.
  public func callAsFunction(_ y0: Tensor<Scalar>) throws -> Tensor<Scalar> {
    try solutions(from: y0).last!.final
  }

  /// The solve of every interval, one after the other: their statistics and states.
  public func solutions(from y0: Tensor<Scalar>) throws -> [Solution<Scalar>] {
    try solutions(from: y0) { [boundaries[$0], boundaries[$0 + 1]] }
  }

  /// The states at the given times, [times, y0.shape...]; y0 holds at the first boundary. Times are in the
  /// order of the boundaries and between the first and the last of them.
  public func path(from y0: Tensor<Scalar>, at times: [Double]) throws -> Tensor<Scalar> {
    requireBoundaries()
    let way = boundaries[0] < boundaries[1] ? 1.0 : -1.0
    let ends = boundaries.map { $0 * way }, places = times.map { $0 * way }
    require(
      !times.isEmpty && zip(places, places.dropFirst()).allSatisfy { $0 < $1 } && places[0] >= ends[0]
        && places[places.count - 1] <= ends[ends.count - 1],
      "PiecewiseConstantODE: times must be in order between \(boundaries[0]) and \(boundaries.last!), got \(times)"
    )
    // A time at a boundary belongs to the interval that begins there: the states are the same.
    let inside = fields.indices.map { piece in
      places.filter { $0 > ends[piece] && $0 < ends[piece + 1] }.map { $0 * way }
    }
    let pieces = try solutions(from: y0) { [boundaries[$0]] + inside[$0] + [boundaries[$0 + 1]] }
    var rows: [Tensor<Scalar>] = []
    for (piece, solution) in pieces.enumerated() {
      let from = places.contains(ends[piece]) ? 0 : 1
      let isLast = piece + 1 == fields.count && places.contains(ends[piece + 1])
      let upTo = 1 + inside[piece].count + (isLast ? 1 : 0)
      if from < upTo { rows.append(solution.states.sliced(from..<upTo, axis: 0)) }
    }
    return .concatenated(rows, axis: 0)
  }

  private func solutions(
    from y0: Tensor<Scalar>, _ times: (Int) -> [Double]
  ) throws -> [Solution<Scalar>] {
    requireBoundaries()
    var y = y0
    return try fields.enumerated().map { piece, field in
      let solution = try NeuralODE(field, options: options).path(from: y, at: times(piece))
      y = solution.final
      return solution
    }
  }

  /// |y0 as integrating back through all intervals recovers it - y0| / |y0|; see
  /// `Solution.reconstructionError()`. Throws what the solves throw.
  public func reconstructionError(from y0: Tensor<Scalar>) throws -> Double {
    var back = self
    back.fields.reverse()
    back.boundaries.reverse()
    let difference = try back(self(y0)) - y0
    let norms = try [difference, y0].map {
      try square($0.converted(to: Double.self)).sum().evaluated().scalar.squareRoot()
    }
    return norms[0] == 0 ? 0 : norms[0] / norms[1]
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) { visit("fields", &fields) }
}
