/// What a continuous flow may be made to pay for its way, integrated over the time and added to the loss with a weight:
/// fields that are cheap to solve (Finlay et al. 2020, "How to train your neural ODE").
public enum FlowPenalty: Sendable, Hashable, CaseIterable {
  /// |f|².
  case kinetic
  /// |e J|², whose expectation is the squared Frobenius norm of the Jacobian, with the probes of the trace.
  case jacobian
}

/// A flow along a vector field (Chen et al. 2018; Grathwohl et al. 2019, FFJORD): data at t = 0, the base at the end time.
///
///     dy/dt = f(t, y)        log |det| = integral of div f
///
/// ```swift
/// let field = ConcatSquashField<Float>(2, hidden: [64, 64], activation: .tanh, key: key)
/// let density = FlowDensity(ContinuousFlow(field, dimensions: 2), base: NormalDistribution(dimensions: 2))
/// var trainer = Trainer(density, optimizer: .adam(learningRate: 1e-3)) { density, x, key in
///   Objective(loss: -(try density.logDensity(x, key: key)).mean())
/// }
/// ```
public struct ContinuousFlow<Field: VectorField>: InvertibleFlow {
  public typealias Scalar = Field.Scalar

  /// Its rows do not mix.
  public var field: Field
  public let dimensions: Int
  /// How the divergence is found; in training a few probes may do, densities that are reported deserve `.exact`.
  public var divergence: DivergenceMethod
  /// Integrated beside the log-determinant; `Transported.penalties` has them in this order.
  public var penalties: [FlowPenalty]
  /// Of the solves in both directions.
  public var options: SolveOptions
  /// Half the width of the uniform distribution that is added to the end time (STEER, Ghosh et al. 2020), below the end time
  /// itself; 0 for densities that are reported. The rows of a solve share what was drawn.
  public var endTimeJitter: Double
  /// The end time is the square of this, so that it stays positive whatever an optimizer does.
  public var rootOfEndTime: Tensor<Scalar>
  /// Whether the end time is a parameter.
  public let learnsEndTime: Bool

  /// - Parameters:
  ///   - dimensions: components of a vector.
  ///   - endTime: positive.
  ///   - penalties: `.jacobian` needs Hutchinson's divergence.
  public init(
    _ field: Field, dimensions: Int, endTime: Double = 1, learnsEndTime: Bool = false,
    divergence: DivergenceMethod = .automatic, penalties: [FlowPenalty] = [], endTimeJitter: Double = 0,
    options: SolveOptions = SolveOptions(rtol: 1e-5, atol: 1e-5)
  ) {
    require(dimensions > 0, "ContinuousFlow: dimensions must be positive, got \(dimensions)")
    requireSetting("ContinuousFlow", "the end time", endTime, .positive)
    require(
      endTimeJitter >= 0 && endTimeJitter < endTime,
      "ContinuousFlow: the jitter of the end time is in [0, \(endTime)), got \(endTimeJitter)")
    if penalties.contains(.jacobian) {
      guard case .hutchinson = divergence else {
        fatalError(
          "ContinuousFlow: the penalty on the Jacobian needs Hutchinson's divergence, got \(divergence)")
      }
    }
    self.field = field
    self.dimensions = dimensions
    self.divergence = divergence
    self.penalties = penalties
    self.options = options
    self.endTimeJitter = endTimeJitter
    self.learnsEndTime = learnsEndTime
    rootOfEndTime = Tensor(Scalar(endTime.squareRoot()))
  }

  /// The same flow for densities that are reported: no noise in the trace or the end time, nothing to pay, and adaptive steps at
  /// this tolerance, by `.dopri5` where the flow's method has fixed steps only.
  public func evaluating(tolerance: Double = 1e-7) -> ContinuousFlow {
    requireSetting("ContinuousFlow", "the tolerance", tolerance, .positive)
    var copy = self
    copy.divergence = .exact
    copy.penalties = []
    copy.endTimeJitter = 0
    if copy.options.hasFixedSteps {
      let isPerLane = options.controller.isPerLane
      copy.options.controller = isPerLane ? .perLane : .automatic
      if !options.method.isAdaptive { copy.options.method = .dopri5 }
      copy.options.maxSteps = nil  // was of the fixed ones
    }
    copy.options.rtol = tolerance
    copy.options.atol = tolerance
    return copy
  }

  public func noise(rows: Int) throws -> FlowNoise {
    let y = Tensor<Scalar>.zeros([rows, dimensions])
    let hasProbes = try Divergence<Scalar>(divergence, shape: y.shape).isRandom(at: y) {
      try field(Tensor(0), $0)
    }
    return (hasProbes ? .ofRows : FlowNoise()).union(endTimeJitter > 0 ? .shared : [])
  }

  public func toBase(_ x: Tensor<Scalar>, key: RandomKey) throws -> Transported<Scalar> {
    try transported(x, toBase: true, key)
  }

  public func fromBase(_ z: Tensor<Scalar>, key: RandomKey) throws -> Transported<Scalar> {
    try transported(z, toBase: false, key)
  }

  public func stateFromBase(_ z: Tensor<Scalar>, key: RandomKey) throws -> Tensor<Scalar> {
    requireVectors("ContinuousFlow", z, dimensions)
    return try solved(z, at: times(toBase: false, key: key.split(2)[1])) { t, y in try field(t, y) }
      .sliced(1..<2, axis: 0).reshaped(to: z.shape)
  }

  /// Vectors at the given times, [times, rows, dimensions], from where they are at the first one: pictures of the way.
  public func path(of vectors: Tensor<Scalar>, at times: [Double]) throws -> Tensor<Scalar> {
    requireVectors("ContinuousFlow", vectors, dimensions)
    return try solved(vectors, at: Tensor<Double>(times)) { t, y in try field(t, y) }
  }

  private func transported(_ start: Tensor<Scalar>, toBase: Bool, _ key: RandomKey) throws -> Transported<
    Scalar
  > {
    requireVectors("ContinuousFlow", start, dimensions)
    let rows = start.shape[0], keys = key.split(2)
    let trace = Divergence<Scalar>(divergence, shape: start.shape, key: keys[0])
    let columns = 1 + penalties.count
    let state = Tensor.concatenated([start, .zeros([rows, columns])], axis: 1)
    let end = try solved(state, at: times(toBase: toBase, key: keys[1])) { t, state in
      let y = state.sliced(0..<dimensions, axis: 1)
      return .concatenated(try slopes(t, y, trace), axis: 1)
    }.sliced(1..<2, axis: 0).reshaped(to: state.shape)
    func column(_ index: Int) -> Tensor<Scalar> {
      end.sliced(dimensions + index..<dimensions + index + 1, axis: 1).reshaped(to: [rows])
    }
    return Transported(
      state: end.sliced(0..<dimensions, axis: 1), logDeterminant: column(0),
      penalties: penalties.indices.map { abs(column(1 + $0)) })
  }

  /// The field, its divergence, and what the penalties are integrals of: columns of the solve's field.
  private func slopes(
    _ t: Tensor<Scalar>, _ y: Tensor<Scalar>, _ trace: Divergence<Scalar>
  ) throws -> [Tensor<Scalar>] {
    var slope: Tensor<Scalar>, divergence: Tensor<Scalar>, norm: Tensor<Scalar>?
    if penalties.contains(.jacobian) {
      (slope, divergence, norm) = try trace.withSquaredNorm(at: y) { try field(t, $0) }
    } else {
      (slope, divergence) = try trace(at: y) { try field(t, $0) }
    }
    let others = penalties.map { penalty in
      switch penalty {
      case .kinetic: square(slope).sum(axes: 1)
      case .jacobian: norm!
      }
    }
    return [slope] + ([divergence] + others).map { $0.reshaped(to: [y.shape[0], 1]) }
  }

  private func times(toBase: Bool, key: RandomKey) -> Tensor<Double> {
    var end = square(rootOfEndTime.converted(to: Double.self))
    if endTimeJitter > 0 {
      // An end time that was learned may have come below the jitter.
      let width = minimum(Tensor<Double>(endTimeJitter), end * 0.99)
      end = end + width * Tensor<Double>.uniform(shape: [], in: -1..<1, key: key)
    }
    let ends = [Tensor<Double>.zeros([1]), end.reshaped(to: [1])]
    return .concatenated(toBase ? ends : ends.reversed(), axis: 0)
  }

  private func solved(
    _ state: Tensor<Scalar>, at times: Tensor<Double>,
    _ field: (Tensor<Scalar>, Tensor<Scalar>) throws -> Tensor<Scalar>
  ) throws -> Tensor<Scalar> {
    try odeint(
      from: state, at: times, method: options.method, rtol: options.rtol, atol: options.atol,
      controller: options.controller, sensitivity: options.sensitivity, maxSteps: options.maxSteps,
      field: field
    ).states
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {
    visit("field", &field)
    if learnsEndTime { visit("rootOfEndTime", &rootOfEndTime) }
  }
}
