/// Forces Q(t, q, q̇) that no Lagrangian has: friction, drives, controls. They are what d/dt ∂L/∂q̇ - ∂L/∂q is.
public protocol GeneralisedForce<Scalar>: Module {
  associatedtype Scalar: FloatingScalar
  /// - Parameters:
  ///   - t: scalar.
  ///   - q: generalised coordinates, [rows, n].
  ///   - v: their velocities, [rows, n].
  /// - Returns: [rows, n].
  func callAsFunction(_ t: Tensor<Scalar>, _ q: Tensor<Scalar>, _ v: Tensor<Scalar>) -> Tensor<Scalar>
}

/// Friction that can only take energy away: Q = -(A Aᵀ) q̇, with a learned A.
public struct LinearFriction<Scalar: FloatingScalar>: GeneralisedForce {
  /// A, [n, n].
  public var root: Tensor<Scalar>

  /// - Parameter root: A; its square has the coefficients of friction.
  public init(root: Tensor<Scalar>) {
    require(
      root.rank == 2 && root.shape[0] == root.shape[1],
      "LinearFriction: the root must be square, got \(root.shape)")
    self.root = root
  }

  /// The same coefficient, positive, for each of n coordinates: A = 0 would have no gradient to leave zero by.
  public init(_ coordinates: Int, coefficient: Double) {
    require(coordinates > 0, "LinearFriction: there must be a coordinate, got \(coordinates)")
    require(
      coefficient > 0 && coefficient.isFinite,
      "LinearFriction: the coefficient must be finite and positive, got \(coefficient)")
    self.init(root: .identityMatrix(coordinates) * coefficient.squareRoot())
  }

  /// A Aᵀ, [n, n]: the coefficients of friction.
  public var coefficients: Tensor<Scalar> { matmul(root, root, transposeB: true) }

  public func callAsFunction(_ t: Tensor<Scalar>, _ q: Tensor<Scalar>, _ v: Tensor<Scalar>) -> Tensor<Scalar>
  {
    require(
      v.rank == 2 && v.shape[1] == root.shape[0],
      "LinearFriction: friction of \(root.shape[0]) coordinates on velocities \(v.shape)")
    return -matmul(matmul(v, root), root, transposeB: true)
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) { visit("root", &root) }
}

/// A force that is a network of the time, the coordinates and the velocities.
public struct ForceNetwork<Scalar: FloatingScalar>: GeneralisedForce {
  /// t and [q, q̇], [rows, 2n] -> [rows, n].
  public var field: TimeConcatField<Scalar>

  /// - Parameters:
  ///   - coordinates: n.
  ///   - hidden: widths; at least one.
  public init(
    _ coordinates: Int, hidden: [Int], activation: Activation = .tanh, key: RandomKey = RandomKey(seed: 0)
  ) {
    field = TimeConcatField(2 * coordinates, hidden: hidden, activation: activation, key: key)
    let last = field.rest.layers.count - 1
    // Nothing but the coordinates accelerates.
    field.rest.layers[last] = Linear(hidden[hidden.count - 1], coordinates, key: key.split(3)[2])
  }

  public func callAsFunction(_ t: Tensor<Scalar>, _ q: Tensor<Scalar>, _ v: Tensor<Scalar>) -> Tensor<Scalar>
  {
    field(t, .concatenated([q, v], axis: 1))
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) { visit("field", &field) }
}
