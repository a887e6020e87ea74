/// Compares derivatives of `f` at `x` with finite differences and with each other, by random projections, to any order.
///
/// At order 1 the forward mode is compared with an extrapolated central difference along a random direction, and the
/// reverse mode with the forward mode (duality: w^T (J v) = (J^T w)^T v, which holds to round-off). At order n the same is
/// done to the function differentiated n - 1 times, in every combination of modes. `x` has to be a point where `f` is
/// smooth, in Double: differences of Float say nothing.
///
/// ```swift
/// try checkGradient(of: { tanh($0[0]).sum() }, at: [x], order: 2).verify()
/// ```
///
/// - Parameters:
///   - f: Results of any shape.
///   - tolerance: Bound of the mismatch with finite differences, relative to the derivative along the direction, or to a
///     10,000th of `f` where that is more (`GradientReport.Comparison.scale`); a hundredth of it for duality. About 1e-8 is
///     what the differences can tell for functions whose derivatives are as large as they are.
/// - Returns: Every comparison; `passed` says whether all held, `worst` which was worst, `verify()` throws it.
public func checkGradient(
  of f: @escaping ([Tensor<Double>]) throws -> Tensor<Double>, at x: [Tensor<Double>], order: Int = 1,
  modes: Set<DerivativeMode> = [.forward, .reverse], tolerance: Double = 1e-7, seed: UInt64 = 0
) throws -> GradientReport {
  require(!x.isEmpty, "checkGradient: there must be a tensor to differentiate by")
  return try DerivativeCheck.run(
    { [try f($0.map { Tensor<Double>($0) }).value] }, at: x.map(\.value), order: order, modes: modes,
    tolerance: tolerance, seed: seed
  ) { values in
    try zip(evaluate(values), values).map { $0.array(of: Double.self, count: $1.shape.count) }
  }
}

/// Compares derivatives of a function of one tensor; see ``checkGradient(of:at:order:modes:tolerance:seed:)``.
public func checkGradient(
  of f: @escaping (Tensor<Double>) throws -> Tensor<Double>, at x: Tensor<Double>, order: Int = 1,
  modes: Set<DerivativeMode> = [.forward, .reverse], tolerance: Double = 1e-7, seed: UInt64 = 0
) throws -> GradientReport {
  try checkGradient(
    of: { try f($0[0]) }, at: [x], order: order, modes: modes, tolerance: tolerance, seed: seed)
}
