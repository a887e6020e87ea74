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

/// The baseline: accelerations by a network with `relu` (as the authors') that is told coordinates like the Lagrangian one.
struct AngleAccelerations<Scalar: FloatingScalar>: AccelerationModel {
  var net: MLP<Scalar>
  var encoding: CoordinateEncoding

  init(_ coordinates: Int, hidden: [Int], encoding: CoordinateEncoding, key: RandomKey) {
    self.encoding = encoding
    net = MLP(
      sizes: [coordinates * (1 + encoding.width)] + hidden + [coordinates], activation: .relu, key: key)
  }

  func acceleration(_ t: Tensor<Scalar>, _ q: Tensor<Scalar>, _ v: Tensor<Scalar>) -> Tensor<Scalar> {
    net(.concatenated([encoding(q), v], axis: 1))
  }

  mutating func visitParameters(_ visit: inout ParameterVisitor) { visit("net", &net) }
}
