/// Layers z + u tanh(w . z + b) one after the other (Rezende and Mohamed 2015, "Variational inference with normalizing
/// flows", equations 10 to 13): a discrete flow whose inverse has no formula, so it gives samples with their density, not
/// the density of data (turned around by `ReversedFlow`, it is the other way). The flow that `PlanarField` is the continuous limit of.
public struct PlanarFlow<Scalar: FloatingScalar>: SamplingFlow {
  public let dimensions: Int
  /// [layers, dimensions] each, and [layers].
  public var directions: Tensor<Scalar>, normals: Tensor<Scalar>, biases: Tensor<Scalar>

  /// - Parameters:
  ///   - dimensions: components of a vector.
  ///   - layers: K.
  public init(_ dimensions: Int, layers: Int, key: RandomKey = RandomKey(seed: 0)) {
    require(
      dimensions > 0 && layers > 0,
      "PlanarFlow: dimensions and layers must be positive, got \(dimensions) and \(layers)")
    self.dimensions = dimensions
    let keys = key.split(3)
    let small = Initializer.uniform(-0.1..<0.1)
    directions = small([layers, dimensions], fanIn: dimensions, fanOut: 1, key: keys[0])
    normals = small([layers, dimensions], fanIn: dimensions, fanOut: 1, key: keys[1])
    biases = small([layers], fanIn: 1, fanOut: 1, key: keys[2])
  }

  public func fromBase(_ z: Tensor<Scalar>, key: RandomKey) throws -> Transported<Scalar> {
    requireVectors("PlanarFlow", z, dimensions)
    var state = z
    var logDeterminant = Tensor<Scalar>.zeros([z.shape[0]])
    for layer in 0..<directions.shape[0] {
      let w = normals[layer], u = directions[layer]
      // w . u > -1 makes the layer invertible (their appendix A.1).
      let product = (w * u).sum()
      let direction = u + w * ((softplus(product) - 1 - product) / (square(w).sum() + 1e-12))
      let h = tanh(matmul(state, w.reshaped(to: [dimensions, 1])) + biases[layer])  // [rows, 1]
      state = state + h * direction
      let slope = 1 - square(h)
      logDeterminant = logDeterminant + log1p(slope * (w * direction).sum()).reshaped(to: [z.shape[0]])
    }
    return Transported(state: state, logDeterminant: logDeterminant)
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {
    visit("directions", &directions)
    visit("normals", &normals)
    visit("biases", &biases)
  }
}
