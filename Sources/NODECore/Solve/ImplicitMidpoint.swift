/// How the equation of an implicit step is solved: a number of iterations that is fixed, so that the step is one map with
/// exact derivatives. What is left of the equation is reported.
public enum ImplicitIteration: Sendable, Hashable {
  /// k <- f(y + h k / 2): converges where half the step times the field's Lipschitz constant is below 1, by that factor
  /// each.
  case fixedPoint(Int)
  /// Newton's method with the Jacobian of each row: the error is squared each time. For rows of few columns: an iteration costs
  /// as many tangents as there are columns, and a solve.
  case newton(Int)

  var count: Int {
    switch self {
    case .fixedPoint(let count), .newton(let count): count
    }
  }
}

/// Integrates y' = f(t, y) by the implicit midpoint rule, y1 = y0 + h f(t + h/2, (y0 + y1) / 2), with equal steps between the
/// times.
///
/// Of order 2, symmetric, and symplectic for the field of any Hamiltonian, separable or not, to the accuracy to which its
/// equation is solved; it keeps every quadratic invariant (Hairer, Lubich, Wanner, "Geometric Numerical Integration", IV.2.1
/// and VI.4). Derivatives are those of the iterations that are made, to any order.
/// - Parameters:
///   - start: rows [rows, columns] that the field does not mix; or any shape with fixed-point iterations.
///   - times: [times], strictly increasing or strictly decreasing; the first is where y0 holds.
///   - stepsPerInterval: positive.
///   - iterations: positive; each step starts from the slope at its beginning.
///   - field: f(t, y) at a scalar t, of y's shape.
/// - Returns: the states [times, y0's shape...], and the largest residual of all steps, a scalar: the largest element of
///   |h f(t + h/2, (y0 + y1) / 2) - (y1 - y0)|.
public func implicitMidpoint<Scalar: FloatingScalar>(
  from start: Tensor<Scalar>, at times: Tensor<Double>, stepsPerInterval: Int = 1,
  iterations: ImplicitIteration = .fixedPoint(8),
  field: (_ t: Tensor<Scalar>, _ y: Tensor<Scalar>) throws -> Tensor<Scalar>
) rethrows -> (states: Tensor<Scalar>, residual: Tensor<Scalar>) {
  require(iterations.count > 0, "implicitMidpoint: iterations must be positive, got \(iterations.count)")
  if case .newton = iterations {
    require(
      start.rank == 2,
      "implicitMidpoint: Newton's method needs rows [rows, columns], got shape \(start.shape)")
  }
  // The largest residual so far is carried along.
  let path = try equalSteps(
    "implicitMidpoint", from: [start, Tensor<Scalar>(0)], at: times, stepsPerInterval: stepsPerInterval
  ) { t, h, carry in
    let y = carry[0], half = h * 0.5
    let middle = t + half
    var slope = try field(t, y)
    require(
      slope.shape == y.shape,
      "implicitMidpoint: the state has shape \(y.shape), but the field returns \(slope.shape); they must be equal"
    )
    for _ in 0..<iterations.count {
      switch iterations {
      case .fixedPoint: slope = try field(middle, y + half * slope)
      case .newton: slope = try newton(slope, y, half) { try field(middle, $0) }
      }
    }
    let residual = abs(h * (try field(middle, y + half * slope) - slope))
    return [y + h * slope, maximum(carry[1], residual.reshaped(to: [residual.count]).max(axes: [0]))]
  }
  return (path[0], path[1][times.count - 1])
}

/// `implicitMidpoint` with times that are numbers.
public func implicitMidpoint<Scalar: FloatingScalar>(
  from start: Tensor<Scalar>, at times: [Double], stepsPerInterval: Int = 1,
  iterations: ImplicitIteration = .fixedPoint(8),
  field: (_ t: Tensor<Scalar>, _ y: Tensor<Scalar>) throws -> Tensor<Scalar>
) rethrows -> (states: Tensor<Scalar>, residual: Tensor<Scalar>) {
  try implicitMidpoint(
    from: start, at: Tensor<Double>(times), stepsPerInterval: stepsPerInterval, iterations: iterations,
    field: field)
}

/// One iteration for k - f(y + half k) = 0: k - (1 - half f')⁻¹ (k - f).
private func newton<Scalar: FloatingScalar>(
  _ slope: Tensor<Scalar>, _ y: Tensor<Scalar>, _ half: Tensor<Scalar>,
  _ field: (Tensor<Scalar>) throws -> Tensor<Scalar>
) rethrows -> Tensor<Scalar> {
  let columns = y.shape[1]
  let identity = Tensor<Scalar>.identityMatrix(columns)
  let at = y + half * slope
  // Column j of every row's Jacobian: the tangent along e_j in all rows at once.
  let tangents = try (0..<columns).map { column in
    try jvp(at: at, along: identity[column].broadcast(to: y.shape), of: field).tangent
  }
  let matrix = identity - half * Tensor.stacked(tangents, axis: 2)
  let defect = slope - (try field(at))
  let shape: Shape = [y.shape[0], columns, 1]
  return slope - solve(matrix, defect.reshaped(to: shape)).reshaped(to: y.shape)
}
