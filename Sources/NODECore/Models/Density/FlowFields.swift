// Vector fields for flows: networks of the state and the time. All of them have chains (see `Divergence`): with one or two
// hidden layers their exact trace costs no more than a probe.

/// Layers that are gated and shifted by the time (Grathwohl et al. 2019, FFJORD's "concatsquash").
public struct ConcatSquashField<Scalar: FloatingScalar>: VectorField {
  public var layers: [ConcatSquashLinear<Scalar>]
  public var activation: Activation

  /// - Parameters:
  ///   - dimensions: components of the state.
  ///   - hidden: widths; at least one.
  public init(
    _ dimensions: Int, hidden: [Int], activation: Activation = .tanh, key: RandomKey = RandomKey(seed: 0)
  ) {
    require(!hidden.isEmpty, "ConcatSquashField: needs a hidden layer")
    let sizes = [dimensions] + hidden + [dimensions]
    layers = zip(zip(sizes, sizes.dropFirst()), key.split(sizes.count - 1)).map {
      ConcatSquashLinear($0.0, $0.1, key: $1)
    }
    self.activation = activation
  }

  public func callAsFunction(_ t: Tensor<Scalar>, _ y: Tensor<Scalar>) -> Tensor<Scalar> {
    var h = y
    for (index, layer) in layers.enumerated() {
      h = layer(t, h)
      if index + 1 < layers.count { h = activation(h) }
    }
    return h
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) { visit("layers", &layers) }
}

/// A network of the state with the time as one more input of its first layer.
public struct TimeConcatField<Scalar: FloatingScalar>: VectorField {
  public var first: ConcatLinear<Scalar>
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
