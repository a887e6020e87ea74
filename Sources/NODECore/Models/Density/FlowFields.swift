// Vector fields for flows: networks of the state and the time. All of them have chains (see `Divergence`): with one or two
// hidden layers their exact trace costs no more than a probe.

/// A field whose rows may have times of their own: what flow matching asks for.
public protocol RowTimedField<Scalar>: VectorField {
  // As a vector field, and t may be [rows, 1] for a state [rows, columns].
}

/// A field whose rows may each be told something more than the time: conditional densities.
public protocol ConditionalField<Scalar>: VectorField {
  /// Numbers that each row is told; 0: none.
  var contextSize: Int { get }
  /// [rows, contextSize]; no parameter. Set it by `given`.
  var context: Tensor<Scalar>? { get set }
}

/// Layers that are gated and shifted by the time, and by a context where there is one (Grathwohl et al. 2019, FFJORD's
/// "concatsquash").
public struct ConcatSquashField<Scalar: FloatingScalar>: ConditionalField, RowTimedField {
  /// State -> hidden widths -> slope.
  public var layers: [ConcatSquashLinear<Scalar>]
  /// Between the layers.
  public var activation: Activation
  public let contextSize: Int
  public var context: Tensor<Scalar>?

  /// - Parameters:
  ///   - dimensions: components of the state.
  ///   - hidden: widths; at least one.
  ///   - context: numbers that each row is told.
  public init(
    _ dimensions: Int, hidden: [Int], context: Int = 0, activation: Activation = .tanh,
    key: RandomKey = RandomKey(seed: 0)
  ) {
    require(!hidden.isEmpty, "ConcatSquashField: needs a hidden layer")
    require(context >= 0, "ConcatSquashField: the context must not be negative, got \(context)")
    let sizes = [dimensions] + hidden + [dimensions]
    layers = zip(zip(sizes, sizes.dropFirst()), key.split(sizes.count - 1)).map {
      ConcatSquashLinear($0.0, $0.1, conditions: 1 + context, key: $1)
    }
    self.activation = activation
    contextSize = context
  }

  public func callAsFunction(_ t: Tensor<Scalar>, _ y: Tensor<Scalar>) -> Tensor<Scalar> {
    var conditions = t
    if contextSize > 0 {
      let rows = y.shape[0]
      guard let context, context.shape == [rows, contextSize] else {
        fatalError(
          "ConcatSquashField: \(rows) rows need a context of shape [\(rows), \(contextSize)], "
            + "got \(context.map { "\($0.shape)" } ?? "none: see `given`")")
      }
      let time = t.count == 1 ? t.reshaped(to: [1, 1]).broadcast(to: [rows, 1]) : t
      conditions = .concatenated([time, context], axis: 1)
    }
    var h = y
    for (index, layer) in layers.enumerated() {
      h = layer(conditions, h)
      if index + 1 < layers.count { h = activation(h) }
    }
    return h
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) { visit("layers", &layers) }
}

extension ContinuousFlow where Field: ConditionalField {
  /// The flow of rows that are told `context`, [rows, context size].
  public func given(_ context: Tensor<Scalar>) -> ContinuousFlow {
    require(
      field.contextSize > 0 && context.rank == 2 && context.shape[1] == field.contextSize,
      "ContinuousFlow.given: the field takes [rows, \(field.contextSize)], got a context \(context.shape)")
    var copy = self
    copy.field.context = context
    return copy
  }
}

extension FlowDensity {
  /// The density of rows x under the condition of the same rows of `context`, [rows, context size].
  public func given<Field: ConditionalField>(_ context: Tensor<Field.Scalar>) -> FlowDensity
  where Map == ContinuousFlow<Field> {
    var copy = self
    copy.flow = flow.given(context)
    return copy
  }
}

/// A network whose weights are made by another one of the time (Ha, Dai and Le 2017, "HyperNetworks"; FFJORD's "hyper").
public struct HypernetworkField<Scalar: FloatingScalar>: VectorField {
  /// [dimensions] + hidden + [dimensions]
  public let sizes: [Int]
  /// Of the network of the state; that of the time has tanh.
  public var activation: Activation
  /// 1 -> all weights and biases.
  public var net: MLP<Scalar>

  /// - Parameters:
  ///   - dimensions: components of the state.
  ///   - hidden: widths of the network of the state; at least one.
  ///   - timeHidden: widths of the network of the time.
  public init(
    _ dimensions: Int, hidden: [Int], timeHidden: [Int] = [32, 32], activation: Activation = .tanh,
    key: RandomKey = RandomKey(seed: 0)
  ) {
    require(
      dimensions > 0 && !hidden.isEmpty && hidden.allSatisfy { $0 > 0 },
      "HypernetworkField: needs dimensions and a hidden layer, got \(dimensions) and \(hidden)")
    sizes = [dimensions] + hidden + [dimensions]
    self.activation = activation
    let count = zip(sizes, sizes.dropFirst()).reduce(0) { $0 + ($1.0 + 1) * $1.1 }
    net = MLP(sizes: [1] + timeHidden + [count], activation: .tanh, key: key)
  }

  public func callAsFunction(_ t: Tensor<Scalar>, _ y: Tensor<Scalar>) -> Tensor<Scalar> {
    require(t.count == 1, "HypernetworkField: one time for all rows, got \(t.shape)")
    var all = net(t.reshaped(to: [1, 1]))[0]
    func take(_ shape: Shape) -> Tensor<Scalar> {
      let part = all[0..<shape.count].reshaped(to: shape)
      all = all[shape.count...]
      return part
    }
    var h = y
    for index in 1..<sizes.count {
      // As wide as its input, or sums of many weights of order one would saturate every unit.
      let weight = take([sizes[index - 1], sizes[index]]) * (1 / Double(sizes[index - 1]).squareRoot())
      h = matmul(h, weight) + take([sizes[index]])
      if index + 1 < sizes.count { h = activation(h) }
    }
    return h
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) { visit("net", &net) }
}

/// A network of the state with the time as one more input of its first layer.
public struct TimeConcatField<Scalar: FloatingScalar>: RowTimedField {
  /// [t, state] -> first hidden width.
  public var first: ConcatLinear<Scalar>
  /// First hidden width -> slope. Its activation follows `first`, too.
  public var rest: MLP<Scalar>

  /// - Parameters:
  ///   - dimensions: components of the state.
  ///   - hidden: widths; at least one.
  public init(
    _ dimensions: Int, hidden: [Int], activation: Activation = .tanh, key: RandomKey = RandomKey(seed: 0)
  ) {
    require(!hidden.isEmpty, "TimeConcatField: needs a hidden layer")
    let keys = key.split(2)
    first = ConcatLinear(dimensions, hidden[0], key: keys[0])
    rest = MLP(sizes: hidden + [dimensions], activation: activation, key: keys[1])
  }

  public func callAsFunction(_ t: Tensor<Scalar>, _ y: Tensor<Scalar>) -> Tensor<Scalar> {
    rest(rest.activation(first(t, y)))
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {
    visit("first", &first)
    visit("rest", &rest)
  }
}

/// A planar continuous flow whose M hidden units are made by a network of the time (Chen et al. 2018, section 4; torchdiffeq's
/// cnf.py): f(t, y) = sum over units of u tanh(w . y + b) sigmoid(g) / M, with w, u, g and b functions of t.
public struct PlanarField<Scalar: FloatingScalar>: VectorField {
  /// Components of the state, and M.
  public let dimensions: Int, units: Int
  /// 1 -> 3 units dimensions + units.
  public var net: MLP<Scalar>

  /// - Parameters:
  ///   - dimensions: components of the state.
  ///   - units: M.
  ///   - hidden: widths of the network of the time.
  public init(
    _ dimensions: Int, units: Int, hidden: [Int] = [32, 32], key: RandomKey = RandomKey(seed: 0)
  ) {
    require(
      dimensions > 0 && units > 0,
      "PlanarField: dimensions and units must be positive, got \(dimensions) and \(units)")
    self.dimensions = dimensions
    self.units = units
    net = MLP(sizes: [1] + hidden + [3 * units * dimensions + units], activation: .tanh, key: key)
  }

  public func callAsFunction(_ t: Tensor<Scalar>, _ y: Tensor<Scalar>) -> Tensor<Scalar> {
    let all = net(t.reshaped(to: [1, 1])).reshaped(to: [3 * units * dimensions + units])
    func matrix(_ index: Int) -> Tensor<Scalar> {
      all.sliced(index * units * dimensions..<(index + 1) * units * dimensions, axis: 0)
        .reshaped(to: [units, dimensions])
    }
    let w = matrix(0), u = matrix(1) * sigmoid(matrix(2))
    let b = all.sliced(3 * units * dimensions..<3 * units * dimensions + units, axis: 0)
    return matmul(tanh(matmul(y, w.transposed()) + b), u) * (1 / Double(units))
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) { visit("net", &net) }
}
