/// A number of the state that a trajectory should keep: an energy, a component of a momentum, the residual of a constraint.
///
/// ```swift
/// let energy = Invariant<Double>("energy") { y in 0.5 * square(y).sum(axes: 1) }        // y [rows, width] -> [rows]
/// let length = Invariant<Double>("length", equals: 1) { y in sqrt(square(y[.all, 0..<2]).sum(axes: 1)) }
/// ```
public struct Invariant<Scalar: FloatingScalar>: Sendable {
  /// In a report each name stands once.
  public var name: String
  /// What the number should be; nil: what it is at the first time.
  public var target: Double?
  /// States [rows, width...] to numbers [rows].
  public var values: @Sendable (Tensor<Scalar>) throws -> Tensor<Scalar>

  /// - Parameters:
  ///   - target: what it should be, as 0 for a constraint; nil: what it is at the first time. Finite.
  ///   - values: states [rows, width...] -> [rows]. The rows are those of all times together.
  public init(
    _ name: String, equals target: Double? = nil,
    _ values: @escaping @Sendable (Tensor<Scalar>) throws -> Tensor<Scalar>
  ) {
    require(
      target?.isFinite ?? true, "Invariant: the value of \(name) must be finite, got \(target ?? 0)")
    self.name = name
    self.target = target
    self.values = values
  }
}

/// How the coordinates of several bodies stand in a row, and their momenta after them.
public enum BodyLayout: Sendable, Hashable, CaseIterable {
  /// One body after the other: x1, y1, x2, y2.
  case bodies
  /// One axis after the other: x1, x2, y1, y2, as in `HamiltonianTask.twoBodies` and `threeBodies`.
  case axes
}

extension Invariant {
  /// The components of the linear momentum of bodies; see ``linearMomentum(_:dimensions:masses:layout:)``.
  public static func linearMomentum(
    dimensions: Int, masses: [Double]? = nil, layout: BodyLayout = .bodies
  ) -> [Invariant] {
    require(dimensions > 0, "Invariant.linearMomentum: the dimensions must be positive, got \(dimensions)")
    return (0..<dimensions).map { axis in
      Invariant("momentum \(axisName(axis))") { y in
        NODECore.linearMomentum(y, dimensions: dimensions, masses: masses, layout: layout)[.all, axis]
      }
    }
  }

  /// The components of the angular momentum of bodies; see ``angularMomentum(_:dimensions:masses:layout:)``.
  public static func angularMomentum(
    dimensions: Int, masses: [Double]? = nil, layout: BodyLayout = .bodies
  ) -> [Invariant] {
    requirePlaneOrSpace(dimensions, "Invariant.angularMomentum")
    return (0..<(dimensions == 2 ? 1 : 3)).map { axis in
      let name = dimensions == 2 ? "angular momentum" : "angular momentum \(axisName(axis))"
      return Invariant(name) { y in
        NODECore.angularMomentum(y, dimensions: dimensions, masses: masses, layout: layout)[.all, axis]
      }
    }
  }

  private static func axisName(_ axis: Int) -> String { axis < 3 ? ["x", "y", "z"][axis] : "\(axis)" }
}

/// The momentum that belongs to a symmetry by Noether's theorem, p · ξ(q): conserved where the Lagrangian does not change
/// when q is moved along ξ.
/// - Parameters:
///   - y: [rows, 2n]: positions q, then momenta p.
///   - generator: ξ, [rows, n] -> [rows, n]; ones in a component for a translation along it.
/// - Returns: [rows].
public func noetherMomentum<S: FloatingScalar>(
  _ y: Tensor<S>, generator: (_ q: Tensor<S>) throws -> Tensor<S>
) rethrows -> Tensor<S> {
  let (q, p) = phaseHalves(y, "noetherMomentum")
  let direction = try generator(q)
  require(
    direction.shape == p.shape,
    "noetherMomentum: the generator returns \(direction.shape) for positions \(q.shape); they must be equal")
  return (p * direction).sum(axes: 1)
}

/// The sum of the bodies' momenta.
/// - Parameters:
///   - y: [rows, 2 bodies dimensions]: all coordinates, then the momenta in the same order.
///   - dimensions: of the space.
///   - masses: of the bodies, where the second half of y is velocities; nil where it is momenta.
///   - layout: the order of the coordinates.
/// - Returns: [rows, dimensions].
public func linearMomentum<S: FloatingScalar>(
  _ y: Tensor<S>, dimensions: Int, masses: [Double]? = nil, layout: BodyLayout = .bodies
) -> Tensor<S> {
  bodies(y, dimensions, masses, layout, "linearMomentum").p.sum(axes: 1)
}

/// The sum over the bodies of q × p about the origin.
/// - Parameters:
///   - y: [rows, 2 bodies dimensions]: all coordinates, then the momenta in the same order.
///   - dimensions: of the space, 2 or 3.
///   - masses: of the bodies, where the second half of y is velocities; nil where it is momenta.
///   - layout: the order of the coordinates.
/// - Returns: [rows, 1] in two dimensions, [rows, 3] in three.
public func angularMomentum<S: FloatingScalar>(
  _ y: Tensor<S>, dimensions: Int, masses: [Double]? = nil, layout: BodyLayout = .bodies
) -> Tensor<S> {
  requirePlaneOrSpace(dimensions, "angularMomentum")
  let (q, p) = bodies(y, dimensions, masses, layout, "angularMomentum")
  func component(_ i: Int, _ j: Int) -> Tensor<S> {
    (q[..., i] * p[..., j] - q[..., j] * p[..., i]).sum(axes: 1)
  }
  let components = dimensions == 2 ? [(0, 1)] : [(1, 2), (2, 0), (0, 1)]
  return .stacked(components.map { component($0.0, $0.1) }, axis: 1)
}

/// Positions and momenta, [rows, n] each, of y [rows, 2n].
func phaseHalves<S: FloatingScalar>(_ y: Tensor<S>, _ operation: String) -> (q: Tensor<S>, p: Tensor<S>) {
  require(
    y.rank == 2 && y.shape[1] % 2 == 0 && y.shape[1] > 0,
    "\(operation): states must be [rows, 2n], positions and then momenta, got shape \(y.shape)")
  let n = y.shape[1] / 2
  return (y.sliced(0..<n, axis: 1), y.sliced(n..<2 * n, axis: 1))
}

/// [rows, bodies, dimensions] each.
private func bodies<S: FloatingScalar>(
  _ y: Tensor<S>, _ dimensions: Int, _ masses: [Double]?, _ layout: BodyLayout,
  _ operation: String
) -> (q: Tensor<S>, p: Tensor<S>) {
  let (q, second) = phaseHalves(y, operation)
  require(
    dimensions > 0 && q.shape[1] % dimensions == 0,
    "\(operation): \(q.shape[1]) coordinates are not those of bodies in \(dimensions) dimensions")
  let count = q.shape[1] / dimensions
  require(
    masses?.count ?? count == count, "\(operation): \(masses?.count ?? 0) masses for \(count) bodies")
  func split(_ x: Tensor<S>) -> Tensor<S> {
    switch layout {
    case .bodies: x.reshaped(to: [y.shape[0], count, dimensions])
    case .axes: x.reshaped(to: [y.shape[0], dimensions, count]).permuted(to: 0, 2, 1)
    }
  }
  guard let masses else { return (split(q), split(second)) }
  return (split(q), split(second) * Tensor(masses.map { S($0) }, shape: [count, 1]))
}

private func requirePlaneOrSpace(_ dimensions: Int, _ operation: String) {
  require(
    dimensions == 2 || dimensions == 3, "\(operation): the dimensions must be 2 or 3, got \(dimensions)")
}
