/// A field of positions and velocities: the state [rows, 2n] is [q, v], dq/dt = v, dv/dt = the acceleration.
public protocol SecondOrderField<Scalar>: VectorField {
  /// - Parameters:
  ///   - t: scalar.
  ///   - q: [rows, n].
  ///   - v: [rows, n].
  /// - Returns: [rows, n].
  func acceleration(_ t: Tensor<Scalar>, _ q: Tensor<Scalar>, _ v: Tensor<Scalar>) throws -> Tensor<Scalar>
}

extension SecondOrderField {
  /// - Parameter y: [rows, 2n].
  public func callAsFunction(_ t: Tensor<Scalar>, _ y: Tensor<Scalar>) throws -> Tensor<Scalar> {
    let (q, v) = halves(y, "\(Self.self)")
    return .concatenated([v, try acceleration(t, q, v)], axis: 1)
  }
}

/// Positions and velocities of states [rows, 2n].
func halves<Scalar>(_ y: Tensor<Scalar>, _ name: String) -> (q: Tensor<Scalar>, v: Tensor<Scalar>) {
  require(
    y.rank == 2 && y.shape[1] > 0 && y.shape[1] % 2 == 0,
    "\(name): needs states [rows, 2n] of positions and velocities, got \(y.shape)")
  let n = y.shape[1] / 2
  return (y.sliced(0..<n, axis: 1), y.sliced(n..<2 * n, axis: 1))
}

/// Accelerations by a network of positions and velocities, which knows nothing of energies: what Lagrangian networks are
/// compared with.
public struct AccelerationNetwork<Scalar: FloatingScalar>: SecondOrderField {
  /// n (1 + encoding width) -> hidden -> n.
  public var net: MLP<Scalar>
  public let encoding: CoordinateEncoding

  /// - Parameters:
  ///   - coordinates: n.
  ///   - hidden: widths.
  public init(
    _ coordinates: Int, hidden: [Int], activation: Activation = .relu, encoding: CoordinateEncoding = .plain,
    key: RandomKey = RandomKey(seed: 0)
  ) {
    require(coordinates > 0, "AccelerationNetwork: needs coordinates, got \(coordinates)")
    self.encoding = encoding
    net = MLP(
      sizes: [coordinates * (1 + encoding.width)] + hidden + [coordinates], activation: activation, key: key)
  }

  public func acceleration(_ t: Tensor<Scalar>, _ q: Tensor<Scalar>, _ v: Tensor<Scalar>) -> Tensor<Scalar> {
    net(.concatenated([encoding(q), v], axis: 1))
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) { visit("net", &net) }
}
