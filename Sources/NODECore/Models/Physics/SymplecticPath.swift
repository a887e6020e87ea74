extension HamiltonianField {
  /// The states [times, rows, 2n] from rows x0 [rows, 2n] of a separable Hamiltonian, by an explicit symplectic method with
  /// equal steps in each interval; see `symplecticOdeint`.
  /// - Parameters:
  ///   - times: strictly increasing or strictly decreasing; the first is where x0 holds.
  ///   - stepsPerInterval: positive.
  public func symplecticPath<Kinetic, Potential>(
    from x0: Tensor<Scalar>, at times: [Double], method: SymplecticMethod = .velocityVerlet,
    stepsPerInterval: Int = 1
  ) -> Tensor<Scalar> where Energy == SeparableHamiltonian<Kinetic, Potential> {
    let path = symplecticOdeint(
      from: phaseHalves(x0, "symplecticPath"), at: times, method: method,
      stepsPerInterval: stepsPerInterval,
      velocity: { _, p in energy.kinetic.gradient(p) }, force: { _, q in -energy.potential.gradient(q) })
    return .concatenated([path.q, path.p], axis: 2)
  }

  /// The states [times, rows, 2n] of any Hamiltonian by the implicit midpoint rule, and the largest residual of its steps; see
  /// `implicitMidpoint`.
  public func midpointPath(
    from x0: Tensor<Scalar>, at times: [Double], stepsPerInterval: Int = 1,
    iterations: ImplicitIteration = .fixedPoint(8)
  ) -> (states: Tensor<Scalar>, residual: Tensor<Scalar>) {
    implicitMidpoint(
      from: x0, at: times, stepsPerInterval: stepsPerInterval, iterations: iterations
    ) { _, x in self(x) }
  }
}
