/// An acceleration d²x/dt² = a(t, x, v), v = dx/dt, with parameters.
public protocol AccelerationField<Scalar>: Module {
  associatedtype Scalar: FloatingScalar
  /// - Parameters:
  ///   - t: scalar.
  ///   - x, v: position and velocity, of one shape; the result has it, too.
  func callAsFunction(_ t: Tensor<Scalar>, _ x: Tensor<Scalar>, _ v: Tensor<Scalar>) throws -> Tensor<Scalar>
}

/// A second-order equation as a vector field of the state [x, v], positions and velocities side by side along
/// the last axis (Norcliffe et al. 2020, "On second order behaviour in augmented neural ODEs", eq. 3): dx/dt
/// = v, dv/dt = a(t, x, v).
///
/// That the first half of the slope is the second half of the state is not learned: what a solve calls
/// velocity is the derivative of its positions, whatever the acceleration is. Trajectories of positions may
/// cross.
public struct SecondOrderField<Acceleration: AccelerationField>: VectorField {
  public typealias Scalar = Acceleration.Scalar

  /// a; its result has the velocity's shape.
  public var acceleration: Acceleration

  public init(_ acceleration: Acceleration) { self.acceleration = acceleration }

  public func callAsFunction(_ t: Tensor<Scalar>, _ y: Tensor<Scalar>) throws -> Tensor<Scalar> {
    let x = Self.positions(of: y), v = Self.velocities(of: y)
    let a = try acceleration(t, x, v)
    require(
      a.shape == v.shape,
      "SecondOrderField: the acceleration has shape \(a.shape), the velocity \(v.shape); they must be equal")
    return .concatenated([v, a], axis: -1)
  }

  /// [..., d] and [..., d] -> [..., 2 d].
  public static func state(position x: Tensor<Scalar>, velocity v: Tensor<Scalar>) -> Tensor<Scalar> {
    require(
      x.rank > 0 && x.shape == v.shape,
      "SecondOrderField: positions \(x.shape) and velocities \(v.shape) must have one shape with an axis")
    return .concatenated([x, v], axis: -1)
  }

  /// The first half of the last axis.
  public static func positions(of states: Tensor<Scalar>) -> Tensor<Scalar> { half(states, 0) }

  /// The second half of the last axis.
  public static func velocities(of states: Tensor<Scalar>) -> Tensor<Scalar> { half(states, 1) }

  private static func half(_ states: Tensor<Scalar>, _ index: Int) -> Tensor<Scalar> {
    require(
      states.rank > 0 && states.shape[states.rank - 1] % 2 == 0,
      "SecondOrderField: the last axis holds positions and velocities, so it is even; got a state \(states.shape)"
    )
    let width = states.shape[states.rank - 1] / 2
    return states.sliced(index * width..<(index + 1) * width, axis: -1)
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {
    visit("acceleration", &acceleration)
  }
}

/// An acceleration by a network of [x, v], or of [t, x, v].
public struct AccelerationNetwork<Scalar: FloatingScalar>: AccelerationField {
  /// [..., 2 d] -> [..., d]; with a time [..., 1 + 2 d] -> [..., d].
  public var net: any Layer<Scalar>
  /// Whether the time is the network's first input.
  public var seesTime: Bool

  /// - Parameters:
  ///   - net: of [x, v], or of [t, x, v] where it sees the time.
  ///   - seesTime: the time is then a column in front of the others, one number for all rows.
  public init(_ net: any Layer<Scalar>, seesTime: Bool = false) {
    self.net = net
    self.seesTime = seesTime
  }

  /// A network with these hidden widths for d = `dimensions` positions.
  public init(
    _ dimensions: Int, hidden: [Int], activation: Activation = .tanh, seesTime: Bool = false,
    key: RandomKey = RandomKey(seed: 0)
  ) {
    let inputs = 2 * dimensions + (seesTime ? 1 : 0)
    self.init(
      MLP<Scalar>(sizes: [inputs] + hidden + [dimensions], activation: activation, key: key),
      seesTime: seesTime)
  }

  public func callAsFunction(
    _ t: Tensor<Scalar>, _ x: Tensor<Scalar>, _ v: Tensor<Scalar>
  ) -> Tensor<Scalar> {
    guard seesTime else { return net(.concatenated([x, v], axis: -1)) }
    let column = Shape(x.shape.dimensions.dropLast() + [1])
    return net(.concatenated([t.reshaped(to: []).broadcast(to: column), x, v], axis: -1))
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) { visit("net", &net) }
}
