import Foundation

/// Layers z + u tanh(w . z + b) one after the other (Rezende and Mohamed 2015, "Variational inference with normalizing
/// flows", equations 10 to 13): a discrete flow whose inverse has no formula, so it gives samples with their density, not
/// the density of data (turned around by `ReversedFlow`, it is the other way). The flow that `PlanarField` is the continuous limit of.
public struct PlanarFlow<Scalar: FloatingScalar>: SamplingFlow {
  public let dimensions: Int
  /// [layers, dimensions] each, and [layers].
  public var directions: Tensor<Scalar>, normals: Tensor<Scalar>, biases: Tensor<Scalar>

  /// Starts as the identity but for steps of a hundredth. With small random u and w instead, the appendix's formula makes every
  /// layer shrink the space along w to 0.69 of it, however small w: of 32 layers in a plane little is left.
  /// - Parameters:
  ///   - dimensions: components of a vector.
  ///   - layers: K.
  ///   - spread: standard deviation of the components of w, and of b: the inverse of a layer's width in the data's space.
  public init(
    _ dimensions: Int, layers: Int, spread: Double = 1, key: RandomKey = RandomKey(seed: 0)
  ) {
    require(
      dimensions > 0 && layers > 0,
      "PlanarFlow: dimensions and layers must be positive, got \(dimensions) and \(layers)")
    requireSetting("PlanarFlow", "the spread", spread, .positive)
    self.dimensions = dimensions
    let keys = key.split(3)
    let wide = Initializer.normal(standardDeviation: spread)
    normals = wide([layers, dimensions], fanIn: dimensions, fanOut: 1, key: keys[1])
    biases = wide([layers], fanIn: 1, fanOut: 1, key: keys[2])
    let step = Initializer.normal(standardDeviation: 0.01)
    let moves: Tensor<Scalar> = step([layers, dimensions], fanIn: dimensions, fanOut: 1, key: keys[0])
    // Where w . u = log(e - 1), the formula takes the whole of what u has along w away.
    let along = Foundation.log(Foundation.exp(1.0) - 1)
    let w = normals.scalars.map(\.asDouble)
    let squared = (0..<layers).map { layer in
      w[layer * dimensions..<(layer + 1) * dimensions].reduce(PlanarFlow.tiny) { $0 + $1 * $1 }
    }
    directions = Tensor(
      zip(w.indices, moves.scalars).map { Scalar(along * w[$0] / squared[$0 / dimensions] + $1.asDouble) },
      shape: [layers, dimensions])
  }

  /// Keeps a layer whose w is zero from dividing by it.
  private static var tiny: Double { 1e-12 }

  public func fromBase(_ z: Tensor<Scalar>, key: RandomKey) throws -> Transported<Scalar> {
    requireVectors("PlanarFlow", z, dimensions)
    let layers = normals.shape[0]
    // w . u > -1 makes a layer invertible (their appendix A.1): u' = u + (softplus(w . u) - 1 - w . u) w / |w|².
    let product = (normals * directions).sum(axes: 1), squared = square(normals).sum(axes: 1)
    let positive = softplus(product)
    let change = ((positive - 1 - product) / (squared + PlanarFlow.tiny)).reshaped(to: [layers, 1])
    let moves = directions + normals * change
    // 1 + w . u', which is softplus(w . u) unless w is zero. Written so that rounding leaves it positive.
    let whole = squared / (squared + PlanarFlow.tiny)
    let stretch = (1 + product) * (1 - whole) + positive * whole
    // Components as rows: a layer is a few operations on all vectors at once, however few components they have.
    var state = z.transposed()
    let heights = (0..<layers).map { layer -> Tensor<Scalar> in
      let own = layer..<layer + 1
      let h = tanh(matmul(normals.sliced(own, axis: 0), state) + biases[layer])  // [1, rows]
      state = state + moves.sliced(own, axis: 0).reshaped(to: [dimensions, 1]) * h
      return h
    }
    // 1 + h' w . u' = h² + (1 - h²) (1 + w . u')
    let flat = square(Tensor.concatenated(heights, axis: 0))
    let slopes = flat + (1 - flat) * stretch.reshaped(to: [layers, 1])
    return Transported(state: state.transposed(), logDeterminant: log(slopes).sum(axes: 0))
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {
    visit("directions", &directions)
    visit("normals", &normals)
    visit("biases", &biases)
  }
}
