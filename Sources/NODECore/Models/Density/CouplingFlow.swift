/// An affine coupling layer (Dinh, Sohl-Dickstein and Bengio 2017, RealNVP, equations 4 to 9): one part of the components is
/// scaled and shifted by a network of the others, which stay. Its inverse is exact to rounding and as cheap as itself.
///
/// From data to base: y2 = (x2 - shift(x1)) exp(-scale(x1)).
public struct CouplingFlow<Scalar: FloatingScalar>: InvertibleFlow {
  public let dimensions: Int
  /// Whether the components before the middle stay, or those behind it.
  public let keepsFirst: Bool
  /// The kept ones -> scales and shifts of the others.
  public var net: MLP<Scalar>
  /// [changed]: scales are this times a tanh, so that no exponential overflows.
  public var largestScale: Tensor<Scalar>

  /// - Parameters:
  ///   - dimensions: at least 2.
  ///   - hidden: widths of the network.
  public init(
    _ dimensions: Int, hidden: [Int], keepsFirst: Bool, activation: Activation = .tanh,
    key: RandomKey = RandomKey(seed: 0)
  ) {
    require(dimensions >= 2, "CouplingFlow: needs two dimensions to couple, got \(dimensions)")
    self.dimensions = dimensions
    self.keepsFirst = keepsFirst
    let middle = dimensions / 2, kept = keepsFirst ? middle : dimensions - middle
    net = MLP(sizes: [kept] + hidden + [2 * (dimensions - kept)], activation: activation, key: key)
    largestScale = .ones([dimensions - kept])
  }

  /// Layers that keep the two parts in turns.
  public static func alternating(
    _ dimensions: Int, layers: Int, hidden: [Int], activation: Activation = .tanh,
    key: RandomKey = RandomKey(seed: 0)
  ) -> FlowChain<CouplingFlow> {
    require(layers > 0, "CouplingFlow: layers must be positive, got \(layers)")
    return FlowChain(
      key.split(layers).enumerated().map { index, key in
        CouplingFlow(
          dimensions, hidden: hidden, keepsFirst: index % 2 == 0, activation: activation, key: key)
      })
  }

  public func toBase(_ x: Tensor<Scalar>, key: RandomKey) throws -> Transported<Scalar> {
    coupled(x) { changed, scale, shift in ((changed - shift) * exp(-scale), -scale) }
  }

  public func fromBase(_ z: Tensor<Scalar>, key: RandomKey) throws -> Transported<Scalar> {
    coupled(z) { changed, scale, shift in (changed * exp(scale) + shift, scale) }
  }

  private func coupled(
    _ x: Tensor<Scalar>,
    _ map: (_ changed: Tensor<Scalar>, _ scale: Tensor<Scalar>, _ shift: Tensor<Scalar>) -> (
      Tensor<Scalar>, logarithms: Tensor<Scalar>
    )
  ) -> Transported<Scalar> {
    requireVectors("CouplingFlow", x, dimensions)
    let middle = dimensions / 2
    let first = x.sliced(0..<middle, axis: 1), second = x.sliced(middle..<dimensions, axis: 1)
    let kept = keepsFirst ? first : second, count = dimensions - kept.shape[1]
    let both = net(kept)
    let scale = tanh(both.sliced(0..<count, axis: 1)) * largestScale
    let (changed, logarithms) = map(
      keepsFirst ? second : first, scale, both.sliced(count..<2 * count, axis: 1))
    return Transported(
      state: .concatenated(keepsFirst ? [kept, changed] : [changed, kept], axis: 1),
      logDeterminant: logarithms.sum(axes: 1))
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {
    visit("net", &net)
    visit("largestScale", &largestScale)
  }
}
