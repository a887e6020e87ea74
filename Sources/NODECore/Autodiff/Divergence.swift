/// What probes are drawn from; both have the identity as covariance. Rademacher's have the least variance.
public enum ProbeDistribution: Sendable, Hashable, CaseIterable {
  /// -1 or 1.
  case rademacher
  /// Standard normal components.
  case gaussian
}

/// How the divergence of a field is found: the trace of its Jacobian, for every row of a state.
public enum DivergenceMethod: Sendable, Hashable {
  /// Exact where that costs at most about four evaluations of the field, else one Rademacher probe.
  case automatic
  /// No noise. Fields of linear layers with one or two elementwise functions between them have a closed form that costs no
  /// more than a probe; others cost a Jacobian-vector product for each column of the state.
  case exact
  /// The mean of e . J e over random probes e (Hutchinson 1990; Grathwohl et al. 2019): unbiased, of variance
  /// 2 (|J|² - sum of J_ii²) / probes for symmetric J and Rademacher probes. A Jacobian-vector product each.
  case hutchinson(probes: Int = 1, distribution: ProbeDistribution = .rademacher)
  /// Exact on the range of J times `probes` vectors, Hutchinson's estimate with as many on the rest (Meyer, Musco, Musco
  /// and Woodruff 2021, algorithm 1): for Jacobians of low rank. Three products each; at most as many as columns.
  ///
  /// Derivatives take the basis of that range as given. They stay unbiased, for the estimate is with any basis, but are not
  /// those of the number: the way through the basis divides by what a Jacobian of lower rank has nothing of.
  case hutchPlusPlus(probes: Int)

  /// How many vectors are drawn for a row of so many columns.
  func drawn(width: Int) -> Int {
    switch self {
    case .exact: 0
    case .automatic: 1
    case .hutchinson(let probes, _): probes
    case .hutchPlusPlus(let probes): 2 * probes
    }
  }
}

/// A field's divergence: div f = sum of df_i/dy_i, one number per row of a state [rows..., width].
///
/// The probes are drawn when it is made, and do not change: a field with its divergence stays a deterministic function of t
/// and y, as adaptive steps and gradients need it. Make a new one with another key for the next solve.
///
/// ```swift
/// let divergence = Divergence<Float>(.automatic, shape: y0.shape, key: key)
/// let (slope, trace) = divergence(at: y) { net($0) }      // [rows, width] and [rows]
/// ```
public struct Divergence<Scalar: FloatingScalar>: Sendable {
  /// Hutchinson's where the probes were given.
  public let method: DivergenceMethod
  /// Of the states: at least one axis of rows, then the columns.
  public let shape: Shape
  /// [rows..., count, width]; none where nothing is drawn.
  public let probes: Tensor<Scalar>?

  /// - Parameter shape: of the states that it will be taken at.
  public init(
    _ method: DivergenceMethod = .automatic, shape: Shape, key: RandomKey = RandomKey(seed: 0)
  ) {
    require(shape.rank >= 2, "Divergence: states need rows and columns, got shape \(shape)")
    let width = shape[shape.rank - 1]
    require(width > 0, "Divergence: states need columns, got shape \(shape)")
    self.method = method
    self.shape = shape
    let count = method.drawn(width: width)
    require(count > 0 || method == .exact, "Divergence: probes must be positive, got \(method)")
    let all = Shape(shape.dimensions.dropLast() + [count, width])
    switch method {
    case .exact:
      probes = nil
    case .hutchinson(_, .gaussian):
      probes = .normal(shape: all, key: key)
    case .automatic, .hutchinson(_, .rademacher):
      probes = Divergence.signs(all, key)
    case .hutchPlusPlus(let sketch):
      require(
        sketch > 0 && sketch <= width,
        "Divergence: Hutch++ takes 1 to as many probes as columns, got \(sketch) for \(width)")
      // The sketch is normal: vectors of signs are often parallel, and what is orthogonal to all but rounding would be
      // made of rounding, another at every state. Estimates of the rest are made with signs.
      let keys = key.split(2), half = Shape(shape.dimensions.dropLast() + [sketch, width])
      probes = .concatenated(
        [.normal(shape: half, key: keys[0]), Divergence.signs(half, keys[1])], axis: shape.rank - 1)
    }
  }

  /// Hutchinson's estimate with probes of your own, [rows..., count, width], whose components have covariance 1.
  public init(probes: Tensor<Scalar>) {
    require(
      probes.rank >= 3 && probes.shape.dimensions.suffix(2).allSatisfy { $0 > 0 },
      "Divergence: probes are [rows..., count, width], got shape \(probes.shape)")
    let dimensions = probes.shape.dimensions
    method = .hutchinson(probes: dimensions[dimensions.count - 2])
    shape = Shape(dimensions.dropLast(2) + [dimensions[dimensions.count - 1]])
    self.probes = probes
  }

  private static func signs(_ shape: Shape, _ key: RandomKey) -> Tensor<Scalar> {
    Tensor.bernoulli(shape: shape, probability: 0.5, key: key) * 2 - 1
  }

  /// The field's value at y, and its divergence, of shape [rows...].
  /// - Parameters:
  ///   - y: of the `shape` given.
  ///   - f: gives a tensor of y's shape, each row of which depends on the same row of y alone.
  public func callAsFunction(
    at y: Tensor<Scalar>, of f: (Tensor<Scalar>) throws -> Tensor<Scalar>
  ) rethrows -> (value: Tensor<Scalar>, divergence: Tensor<Scalar>) {
    try withJacobian(at: y, of: f) { jacobian in
      switch method {
      case .exact: return jacobian.trace()
      case .automatic:
        return jacobian.isTraceCheap ? jacobian.trace() : mean(jacobian.estimates(probes!.value))
      case .hutchinson: return mean(jacobian.estimates(probes!.value))
      case .hutchPlusPlus(let sketch): return hutchPlusPlus(jacobian, sketch)
      }
    }
  }

  /// As a call, and the mean over the probes of |e J|², [rows...]: an unbiased estimate of the squared Frobenius norm of the
  /// Jacobian, with the products that Hutchinson's estimate is made of. For methods that draw probes one by one.
  public func withSquaredNorm(
    at y: Tensor<Scalar>, of f: (Tensor<Scalar>) throws -> Tensor<Scalar>
  ) rethrows -> (value: Tensor<Scalar>, divergence: Tensor<Scalar>, squaredNorm: Tensor<Scalar>) {
    guard let probes = probes?.value, case .hutchinson = method else {
      fatalError("Divergence.withSquaredNorm: needs Hutchinson's probes, the method is \(method)")
    }
    var norm: Value?
    let (value, divergence) = try withJacobian(at: y, of: f) { jacobian in
      let products = jacobian.times(probes)
      norm = mean(products.map(.square).sum(axes: [rowRank + 1]))
      return mean((products * probes).sum(axes: [rowRank + 1]))
    }
    return (value, divergence, Tensor(norm!))
  }

  /// The field's value at y, and Hutchinson's estimate by each probe, [rows..., probes]: their spread tells the error of the
  /// mean. For methods that draw one by one.
  public func estimates(
    at y: Tensor<Scalar>, of f: (Tensor<Scalar>) throws -> Tensor<Scalar>
  ) rethrows -> (value: Tensor<Scalar>, estimates: Tensor<Scalar>) {
    guard case .hutchinson = method else {
      fatalError(
        "Divergence.estimates: needs Hutchinson's probes, one estimate each; the method is \(method)")
    }
    return try withJacobian(at: y, of: f) { $0.estimates(probes!.value) }
  }

  /// Whether a call at y draws on the probes: always but for `.exact` and, of `.automatic`, fields whose trace is cheap. The
  /// field is followed, nothing is computed.
  func isRandom(
    at y: Tensor<Scalar>, of f: (Tensor<Scalar>) throws -> Tensor<Scalar>
  ) rethrows -> Bool {
    guard case .automatic = method else { return method != .exact }
    var isCheap = false
    _ = try withJacobian(at: y, of: f) { jacobian in
      isCheap = jacobian.isTraceCheap
      return jacobian.output
    }
    return !isCheap
  }

  private func withJacobian(
    at y: Tensor<Scalar>, of f: (Tensor<Scalar>) throws -> Tensor<Scalar>, _ body: (RowJacobian) -> Value
  ) rethrows -> (Tensor<Scalar>, Tensor<Scalar>) {
    require(y.shape == shape, "Divergence: made for states of shape \(shape), taken at \(y.shape)")
    return try Graph.differentiating([y.value]) { arguments in
      let value = try f(Tensor<Scalar>(arguments[0]))
      require(value.shape == shape, "Divergence: the field of a state \(shape) has shape \(value.shape)")
      if let mixing = rowMixing(of: value.value, at: arguments[0]) {
        fatalError(
          "Divergence: a row of the field may depend on the same row of the state alone, but \(mixing) mixes the rows of a state "
            + "\(shape) (as batch normalisation or attention between samples do): the trace would be wrong")
      }
      return (value, Tensor<Scalar>(body(RowJacobian(of: value.value, at: arguments[0]))))
    }
  }

  private var rowRank: Int { shape.rank - 1 }

  private func mean(_ estimates: Value) -> Value {
    let count = estimates.shape[rowRank]
    return count == 1
      ? estimates.reshaped(to: Shape(shape.dimensions.dropLast()))
      : estimates.sum(axes: [rowRank]) / Double(count)
  }

  /// With q an orthonormal basis of the range of S J: tr J = tr(q J qᵀ) + tr of what is orthogonal to q, estimated. That holds
  /// for every q, so its derivative may be left out; it would divide by the triangle of the factorisation, which is singular
  /// where the rank is below the sketch.
  private func hutchPlusPlus(_ jacobian: RowJacobian, _ sketch: Int) -> Value {
    let all = probes!
    let s = all.sliced(0..<sketch, axis: rowRank), g = all.sliced(sketch..<2 * sketch, axis: rowRank)
    let image = Tensor<Scalar>(jacobian.times(s.value))
    let q = stopGradient(qr(image.transposed()).q.transposed())
    let rest = g - matmul(matmul(g, q.transposed()), q)
    let vectors = Tensor.concatenated([q, rest], axis: rowRank)
    let products = (Tensor<Scalar>(jacobian.times(vectors.value)) * vectors).sum(axes: [rowRank + 1])
    let range = products.sliced(0..<sketch, axis: rowRank).sum(axes: [rowRank])
    let others = products.sliced(sketch..<2 * sketch, axis: rowRank).sum(axes: [rowRank]) / Double(sketch)
    return (range + others).value
  }
}

/// The Jacobian of a field's rows with respect to those of its argument: as chains where it has that form, else as what
/// forward mode makes of it.
private struct RowJacobian {
  let output: Value, input: Value
  let rows: Shape, width: Int
  let chains: [JacobianChain]?

  init(of output: Value, at input: Value) {
    self.output = output
    self.input = input
    rows = Shape(input.shape.dimensions.dropLast())
    width = input.shape[rows.rank]
    chains = jacobianChains(of: output, at: input)
  }

  var isTraceCheap: Bool {
    guard let chains else { return width <= 4 }
    let width = width
    return chains.reduce(0) { $0 + $1.traceCost(width: width) } <= 4
      * chains.reduce(0) { $0 + $1.productCost }
  }

  func trace() -> Value {
    if let chains {
      return sum(chains.map { $0.trace(rows: rows, like: input) }, rows)
    }
    let columns = (0..<width).map { column in
      let unit = Value.identityMatrix(width, input.dtype)
        .sliced(start: [column, 0], limit: [column + 1, width], step: [1, 1]).reshaped(to: [width])
      let along = product(unit.broadcast(to: input.shape, axes: [rows.rank]))
      var start = Array(repeating: 0, count: rows.rank + 1), limit = input.shape.dimensions
      start[rows.rank] = column
      limit[rows.rank] = column + 1
      return along.sliced(start: start, limit: limit, step: start.map { _ in 1 }).reshaped(to: rows)
    }
    return sum(columns, rows)
  }

  /// [rows..., count] of probes [rows..., count, width].
  func estimates(_ probes: Value) -> Value {
    let shape = Shape(probes.shape.dimensions.dropLast())
    guard let chains else { return (times(probes) * probes).sum(axes: [rows.rank + 1]) }
    return sum(chains.map { $0.estimates(rows: rows, probes: probes) }, shape)
  }

  /// Vectors [rows..., count, width] times the Jacobian.
  func times(_ vectors: Value) -> Value {
    if let chains { return sum(chains.map { $0.applied(to: vectors, rows: rows) }, vectors.shape) }
    let dimensions = vectors.shape.dimensions
    let products = (0..<dimensions[rows.rank]).map { index in
      var start = Array(repeating: 0, count: dimensions.count), limit = dimensions
      start[rows.rank] = index
      limit[rows.rank] = index + 1
      let vector = vectors.sliced(start: start, limit: limit, step: start.map { _ in 1 })
      return product(vector.reshaped(to: input.shape)).reshaped(to: vector.shape)
    }
    return products.count == 1 ? products[0] : Graph.one(.concatenate(axis: rows.rank), products)
  }

  private func product(_ vector: Value) -> Value {
    pushforward(of: [output], inputs: [input], tangents: [vector])[0] ?? output.splat(0)
  }

  private func sum(_ values: [Value], _ shape: Shape) -> Value {
    guard let first = values.first else { return Graph.splat(0, TensorType(input.dtype, shape)) }
    return values.dropFirst().reduce(first) { $0 + $1 }
  }
}
