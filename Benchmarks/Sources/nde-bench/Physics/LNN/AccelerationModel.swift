import NODECore

/// A field of states [q, v], [rows, 2n], that tells accelerations: what both models of the comparison are.
protocol AccelerationModel<Scalar>: VectorField {
  /// [rows, n] of q and v [rows, n].
  func acceleration(_ t: Tensor<Scalar>, _ q: Tensor<Scalar>, _ v: Tensor<Scalar>) -> Tensor<Scalar>
}

extension AccelerationModel {
  func callAsFunction(_ t: Tensor<Scalar>, _ y: Tensor<Scalar>) -> Tensor<Scalar> {
    let n = y.shape[1] / 2
    let (q, v) = (y[0..., 0..<n], y[0..., n...])
    return .concatenated([v, acceleration(t, q, v)], axis: 1)
  }
}

extension LagrangianField: AccelerationModel {}

/// The baseline: accelerations by a network that is told coordinates, and measures times, like the Lagrangian one.
struct AngleAccelerations<Scalar: FloatingScalar>: AccelerationModel {
  var net: MLP<Scalar>
  var encoding: CoordinateEncoding
  /// Velocities are in units of it, accelerations in units of its square.
  var speed: Double

  init(
    _ coordinates: Int, hidden: [Int], activation: Activation, encoding: CoordinateEncoding, speed: Double,
    key: RandomKey
  ) {
    self.encoding = encoding
    self.speed = speed
    net = MLP(
      sizes: [coordinates * (1 + encoding.width)] + hidden + [coordinates], activation: activation, key: key)
  }

  func acceleration(_ t: Tensor<Scalar>, _ q: Tensor<Scalar>, _ v: Tensor<Scalar>) -> Tensor<Scalar> {
    net(.concatenated([encoding(q), v * (1 / speed)], axis: 1)) * (speed * speed)
  }

  mutating func visitParameters(_ visit: inout ParameterVisitor) { visit("net", &net) }
}
