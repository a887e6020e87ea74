/// Motion by a Lagrangian's equations, with forces besides (Cranmer et al. 2020, equation 6):
///
///     q̈ = (∂²L/∂q̇²)⁻¹ (∂L/∂q + Q - ∂²L/∂q̇∂q q̇)
///
/// The state is [q, q̇], [rows, 2n]; a row is a lane, with a mass matrix and a system of its own, so steps per lane are to be had.
///
/// An evaluation costs n + 3 passes through L: its value and its gradient, a tangent for each velocity and one along q̇, from
/// which all second derivatives follow (`rowCurvature`). Forward over reverse takes 2 n + 4, and the mixed derivative as a
/// matrix (as the authors' `jax.jacobian(jax.jacobian(L))` has it) as many again.
public struct LagrangianField<L: Lagrangian>: VectorField {
  public typealias Scalar = L.Scalar

  /// L.
  public var lagrangian: L
  /// nil: none.
  public var force: (any GeneralisedForce<Scalar>)?
  /// Of accelerations by ∂²L/∂q̇².
  public var solver: MassMatrixSolver

  /// - Parameters:
  ///   - force: nil: none.
  ///   - solver: the default takes definite and indefinite mass matrices.
  public init(_ lagrangian: L, force: (any GeneralisedForce<Scalar>)? = nil, solver: MassMatrixSolver = .lu) {
    self.lagrangian = lagrangian
    self.force = force
    self.solver = solver
  }

  /// - Parameter y: [rows, 2n].
  public func callAsFunction(_ t: Tensor<Scalar>, _ y: Tensor<Scalar>) -> Tensor<Scalar> {
    let (q, v) = halves(y, "LagrangianField")
    return .concatenated([v, acceleration(t, q, v)], axis: 1)
  }

  /// [rows, n]. Not finite in the rows whose mass matrix the solver cannot solve with.
  public func acceleration(_ t: Tensor<Scalar>, _ q: Tensor<Scalar>, _ v: Tensor<Scalar>) -> Tensor<Scalar> {
    let terms = terms(q, v)
    return solver(terms.mass, push(terms, t, q, v))
  }

  /// ∂L/∂q + Q - ∂²L/∂q̇∂q q̇, [rows, n]: what mass times acceleration is.
  private func push(
    _ terms: Terms, _ t: Tensor<Scalar>, _ q: Tensor<Scalar>, _ v: Tensor<Scalar>
  ) -> Tensor<Scalar> {
    guard let force else { return terms.slope - terms.transport }
    let push = force(t, q, v)
    require(
      push.shape == q.shape,
      "LagrangianField: the force \(push.shape) is not of the coordinates' shape \(q.shape)")
    return terms.slope - terms.transport + push
  }

  /// How far observed accelerations are from fulfilling the equations of motion, as an acceleration: a scalar,
  ///
  ///     mean over rows |H q̈ + ∂²L/∂q̇∂q q̇ - ∂L/∂q - Q|₁ / |mean over rows (tr H / n)|
  ///
  /// A loss to learn L by without solving with its mass matrix H. An error of accelerations is infinite where H is singular, so
  /// that gradients follow the few rows near to that, and an H of the wrong signature is not left again; here the
  /// numerator is linear in L, the quotient does not change with L's scale (so that L cannot vanish), and is infinite only
  /// where the mean mass is zero. It is zero for the L whose motions the accelerations are. H should start definite:
  /// `LagrangianNetwork` with a kinetic prior and `.quiet`.
  /// - Parameters:
  ///   - q, v: coordinates and velocities, [rows, n].
  ///   - acceleration: what was observed, [rows, n].
  public func residual(
    _ t: Tensor<Scalar>, _ q: Tensor<Scalar>, _ v: Tensor<Scalar>, acceleration: Tensor<Scalar>
  ) -> Tensor<Scalar> {
    require(
      acceleration.shape == q.shape,
      "LagrangianField.residual: accelerations \(acceleration.shape) are not of the coordinates' shape \(q.shape)"
    )
    let terms = terms(q, v), n = q.shape[1]
    let inertia = matmul(terms.mass, acceleration.expandingShape(at: 2)).squeezed(axes: 2)
    let mass = (terms.mass * .identityMatrix(n)).sum(axes: [1, 2]).mean() * (1 / Double(n))
    return abs(inertia - push(terms, t, q, v)).sum(axes: 1).mean() / abs(mass)
  }

  /// What the equations of motion are made of.
  public struct Terms {
    /// ∂²L/∂q̇², [rows, n, n], symmetric.
    public var mass: Tensor<Scalar>
    /// ∂²L/∂q̇∂q q̇, [rows, n]: how momenta change for being carried along.
    public var transport: Tensor<Scalar>
    /// ∂L/∂q, [rows, n].
    public var slope: Tensor<Scalar>
    /// ∂L/∂q̇, [rows, n]: the canonical momenta.
    public var momentum: Tensor<Scalar>
    /// L, [rows].
    public var value: Tensor<Scalar>
  }

  /// - Parameters:
  ///   - q: [rows, n].
  ///   - v: [rows, n].
  public func terms(_ q: Tensor<Scalar>, _ v: Tensor<Scalar>) -> Terms {
    require(
      q.rank == 2 && q.shape == v.shape && q.shape[1] > 0,
      "LagrangianField: needs coordinates and velocities [rows, n], got \(q.shape) and \(v.shape)")
    let rows = q.shape[0], n = q.shape[1]
    return Graph.differentiating([q.value, v.value]) { arguments in
      let value = lagrangian(Tensor(arguments[0]), Tensor(arguments[1]))
      require(
        value.shape == [rows], "LagrangianField: the Lagrangian of \(rows) rows has shape \(value.shape)")
      let basis = Value.identityMatrix(n, q.value.dtype)
      let units: [[Value?]] = (0..<n).map { axis in
        let unit = basis.sliced(start: [axis, 0], limit: [axis + 1, n], step: [1, 1]).reshaped(to: [n])
        return [nil, unit.broadcast(to: v.shape, axes: [1])]
      }
      let upper = (0..<n).flatMap { i in (i..<n).map { (i, $0) } }
      let (gradients, seconds) = rowCurvature(
        of: value.value, at: arguments, along: units + [[v.value, nil]],
        pairs: upper + (0..<n).map { ($0, n) })
      let columns = seconds.map { Tensor<Scalar>($0 ?? value.value.splat(0)) }
      func place(_ i: Int, _ j: Int) -> Int { upper.firstIndex { $0 == (min(i, j), max(i, j)) }! }
      let mass = Tensor.stacked((0..<n * n).map { columns[place($0 / n, $0 % n)] }, axis: 1)
      return Terms(
        mass: mass.reshaped(to: [rows, n, n]),
        transport: .stacked(Array(columns[upper.count...]), axis: 1),
        slope: Tensor(gradients[0] ?? q.value.splat(0)), momentum: Tensor(gradients[1] ?? v.value.splat(0)),
        value: value)
    }
  }

  /// q̇ · ∂L/∂q̇ - L for states [rows, 2n]: [rows]. It does not change along the motion where there is no force; of a learned
  /// L it is the energy up to the gauge that accelerations do not fix, so compare it along one trajectory.
  public func energy(_ y: Tensor<Scalar>) -> Tensor<Scalar> {
    let (q, v) = halves(y, "LagrangianField.energy")
    let (value, back) = vjp(at: v) { lagrangian(q, $0) }
    return (v * back(.ones([q.shape[0]]))).sum(axes: 1) - value
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {
    visit("lagrangian", &lagrangian)
    if var force {
      visit("force", &force)
      self.force = force
    }
  }
}

/// Coordinates and velocities of states [rows, 2n].
func halves<Scalar>(_ y: Tensor<Scalar>, _ name: String) -> (q: Tensor<Scalar>, v: Tensor<Scalar>) {
  require(
    y.rank == 2 && y.shape[1] > 0 && y.shape[1] % 2 == 0,
    "\(name): needs states [rows, 2n] of coordinates and velocities, got \(y.shape)")
  let n = y.shape[1] / 2
  return (y.sliced(0..<n, axis: 1), y.sliced(n..<2 * n, axis: 1))
}
