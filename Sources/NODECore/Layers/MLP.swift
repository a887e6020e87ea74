/// Linear layers with an activation between them: [..., sizes.first] -> [..., sizes.last].
public struct MLP<Scalar: FloatingScalar>: Layer {
  /// One less than sizes.
  public var layers: [Linear<Scalar>]
  /// Between the layers.
  public var activation: Activation
  /// After the last layer.
  public var outputActivation: Activation

  /// - Parameters:
  ///   - sizes: inputs, hidden widths, outputs; at least two.
  ///   - key: layer i draws from child i of it. Two networks made with the same key start the same.
  public init(
    _ sizes: Int..., activation: Activation, outputActivation: Activation = .identity,
    weightInitializer: Initializer = .fanIn, biasInitializer: Initializer = .fanIn,
    key: RandomKey = RandomKey(seed: 0)
  ) {
    self.init(
      sizes: sizes, activation: activation, outputActivation: outputActivation,
      weightInitializer: weightInitializer, biasInitializer: biasInitializer, key: key)
  }

  /// As above, with the sizes as an array.
  public init(
    sizes: [Int], activation: Activation, outputActivation: Activation = .identity,
    weightInitializer: Initializer = .fanIn, biasInitializer: Initializer = .fanIn,
    key: RandomKey = RandomKey(seed: 0)
  ) {
    require(sizes.count >= 2, "MLP: needs inputs and outputs, got sizes \(sizes)")
    let keys = key.split(sizes.count - 1)
    layers = zip(zip(sizes, sizes.dropFirst()), keys).map { extents, key in
      Linear(
        extents.0, extents.1, weightInitializer: weightInitializer, biasInitializer: biasInitializer, key: key
      )
    }
    self.activation = activation
    self.outputActivation = outputActivation
  }

  public func callAsFunction(_ x: Tensor<Scalar>) -> Tensor<Scalar> {
    var h = x
    for (i, layer) in layers.enumerated() {
      h = layer(h)
      h = i + 1 < layers.count ? activation(h) : outputActivation(h)
    }
    return h
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) { visit("layers", &layers) }
}
