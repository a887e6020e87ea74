/// A linear layer whose weights vary with the depth: W(t) = sum over k of psi_k(t) W_k, the bias likewise,
/// with the functions psi of a ``DepthBasis`` (Massaroli et al. 2020, section 3). [..., inputs] -> [...,
/// outputs].
///
/// The weights of a depth are made before the product with the rows: K inputs outputs multiply-adds once for
/// all rows. Summing products with every W_k would cost K times the product.
public struct GalerkinLinear<Scalar: FloatingScalar>: Module {
  /// psi_k, K = `basis.count` functions.
  public let basis: DepthBasis
  /// [basis.count, inputs, outputs].
  public var weight: Tensor<Scalar>
  /// [basis.count, outputs].
  public var bias: Tensor<Scalar>

  /// Coefficients start with the variance of a linear layer's weights divided by the number of functions:
  /// with functions that are at most 1 no weight starts larger than there.
  public init(
    _ inputs: Int, _ outputs: Int, basis: DepthBasis, weightInitializer: Initializer = .fanIn,
    biasInitializer: Initializer = .fanIn, key: RandomKey = RandomKey(seed: 0)
  ) {
    require(
      inputs > 0 && outputs > 0, "GalerkinLinear: extents must be positive, got \(inputs) and \(outputs)")
    let keys = key.split(2), scale = 1 / Double(basis.count).squareRoot()
    func coefficients(_ shape: Shape, _ initializer: Initializer, _ key: RandomKey) -> Tensor<Scalar> {
      let drawn: Tensor<Scalar> = initializer(shape, fanIn: inputs, fanOut: outputs, key: key)
      return Tensor(drawn.scalars.map { Scalar($0.asDouble * scale) }, shape: shape)
    }
    self.basis = basis
    weight = coefficients([basis.count, inputs, outputs], weightInitializer, keys[0])
    bias = coefficients([basis.count, outputs], biasInitializer, keys[1])
  }

  /// - Parameter t: scalar.
  public func callAsFunction(_ t: Tensor<Scalar>, _ x: Tensor<Scalar>) -> Tensor<Scalar> {
    let inputs = weight.shape[1], outputs = weight.shape[2]
    require(
      x.rank >= 1 && x.shape[x.rank - 1] == inputs,
      "GalerkinLinear: input \(x.shape) for weights \(weight.shape)")
    let psi: Tensor<Scalar> = basis(t)
    let here = matmul(psi, weight.reshaped(to: [basis.count, inputs * outputs]))
    return matmul(x, here.reshaped(to: [inputs, outputs])) + matmul(psi, bias).reshaped(to: [outputs])
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {
    visit("weight", &weight)
    visit("bias", &bias)
  }
}

/// A network of the state whose weights are functions of the depth. With one constant function it is the
/// network that does not depend on it.
public struct GalerkinField<Scalar: FloatingScalar>: VectorField {
  /// State -> hidden widths -> slope, all in one basis.
  public var layers: [GalerkinLinear<Scalar>]
  /// Between the layers.
  public var activation: Activation

  /// - Parameters:
  ///   - dimensions: components of the state.
  ///   - hidden: widths; at least one.
  ///   - basis: of all layers' weights, on the interval that is integrated over.
  public init(
    _ dimensions: Int, hidden: [Int], basis: DepthBasis, activation: Activation = .tanh,
    key: RandomKey = RandomKey(seed: 0)
  ) {
    require(!hidden.isEmpty, "GalerkinField: needs a hidden layer")
    let sizes = [dimensions] + hidden + [dimensions]
    layers = zip(zip(sizes, sizes.dropFirst()), key.split(sizes.count - 1)).map {
      GalerkinLinear($0.0, $0.1, basis: basis, key: $1)
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
