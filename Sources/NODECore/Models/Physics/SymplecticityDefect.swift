/// How far a map of phase space is from a symplectic one: the largest element of |JᵀΩJ − Ω| for every row, where J is the
/// map's Jacobian and Ω = [[0, I], [-I, 0]]. Round-off for a symplectic integrator, of the order of the local error for any
/// other one (Hairer, Lubich, Wanner 2006, definition VI.2.2).
///
/// ```swift
/// let defect = try symplecticityDefect(of: { y in leapfrog(y) }, at: states)
/// ```
/// J is made of Jacobian-vector products, one for each of the 2n columns: meant for systems of few coordinates. The defect
/// has the map's precision; ask in Double.
/// - Parameters:
///   - step: states to states, [rows, 2n]; rows do not mix. A step of an integrator, or a whole solve.
///   - y: [rows, 2n]: positions q, then momenta p. For velocities in place of momenta the defect is the same where all
///     masses are equal.
/// - Returns: [rows].
public func symplecticityDefect<S: FloatingScalar>(
  of step: (Tensor<S>) throws -> Tensor<S>, at y: Tensor<S>
) rethrows -> Tensor<S> {
  _ = phaseHalves(y, "symplecticityDefect")
  let rows = y.shape[0], width = y.shape[1], n = width / 2
  let columns = try Graph.differentiating([y.value]) { arguments in
    let result = try step(Tensor<S>(arguments[0]))
    require(
      result.shape == y.shape,
      "symplecticityDefect: the step makes \(result.shape) of \(y.shape); they must be equal")
    return (0..<width).map { column in
      var unit = Array(repeating: S(0.0), count: width)
      unit[column] = S(1.0)
      let direction = Graph.constant(unit, [width]).broadcast(to: y.shape, axes: [1])
      let tangent = pushforward(of: [result.value], inputs: arguments, tangents: [direction])[0]
      return Tensor<S>(tangent ?? result.value.splat(0))
    }
  }
  // [rows, 2n, 2n]: row j of a matrix is column j of J.
  let transposed = Tensor.stacked(columns, axis: 1)
  // Element (i, j) of JᵀΩJ: the momenta of column j with the positions of column i, less the other way around.
  let q = transposed.sliced(0..<n, axis: 2), p = transposed.sliced(n..<width, axis: 2)
  let product = matmul(q, p.transposed())
  let form = product - product.transposed()
  var omega = Array(repeating: S(0.0), count: width * width)
  for i in 0..<n {
    omega[i * width + n + i] = S(1.0)
    omega[(n + i) * width + i] = S(-1.0)
  }
  let difference = abs(form - Tensor(omega, shape: [width, width]))
  return difference.reshaped(to: [rows, width * width]).max(axes: 1)
}
