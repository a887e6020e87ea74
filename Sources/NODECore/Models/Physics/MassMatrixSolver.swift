/// How accelerations are found from the mass matrix H = ∂²L/∂q̇², [rows, n, n], and the forces b, [rows, n]. All are
/// differentiable to any order, and each row is its own. Derivatives are those of what is computed, but for a pseudo-inverse that drops
/// an eigenvalue other than zero.
///
/// A network's H need not be definite, and as it learns, its eigenvalues may pass zero, where accelerations are infinite.
public enum MassMatrixSolver: Sendable, Hashable {
  /// H⁻¹ b by LU factors with partial pivoting: exact, for definite and indefinite H; not finite where H is exactly singular.
  case lu
  /// H⁻¹ b by Cholesky factors: half the work, for Lagrangians whose H is positive definite by form; NaN where it is not.
  case cholesky
  /// (H + ε 1)⁻¹ b by Cholesky factors: for positive semidefinite H. `epsilon` is positive, a mass.
  case shifted(epsilon: Double)
  /// (H² + ε² 1)⁻¹ H b (Tikhonov): for indefinite H. What belongs to an eigenvalue h is multiplied by h / (h² + ε²), which is
  /// at most 1 / 2ε and smooth as h passes zero. `epsilon` is positive, a mass. The squares cost half of the digits: an
  /// ε of less than √(round-off) times the largest eigenvalue does nothing.
  case damped(epsilon: Double)
  /// H⁺ b: directions whose eigenvalue is at most `cutoff` times the largest in magnitude do not accelerate (what the authors
  /// of Lagrangian networks do). For H that are singular everywhere, as of coordinates that L does not depend on; where an
  /// eigenvalue passes the cut-off, accelerations jump. What is dropped counts as zero in derivatives, too: those of its direction
  /// are off by its share of the eigenvalues that are kept, at most `cutoff`. `cutoff` is in [0, 1).
  case pseudoInverse(cutoff: Double)

  /// - Parameters:
  ///   - h: symmetric, [rows, n, n].
  ///   - b: [rows, n].
  /// - Returns: [rows, n].
  public func callAsFunction<S: FloatingScalar>(_ h: Tensor<S>, _ b: Tensor<S>) -> Tensor<S> {
    require(
      h.rank == 3 && h.shape[1] == h.shape[2] && b.shape == [h.shape[0], h.shape[1]],
      "MassMatrixSolver: needs matrices [rows, n, n] and forces [rows, n], got \(h.shape) and \(b.shape)")
    func requirePositive(_ epsilon: Double) {
      require(
        epsilon.isFinite && epsilon > 0,
        "MassMatrixSolver: epsilon must be finite and positive, got \(epsilon)")
    }
    let one = Tensor<S>.identityMatrix(h.shape[1])
    switch self {
    case .lu: return solve(h, b)
    case .cholesky: return choleskySolve(NODECore.cholesky(h), b)
    case .shifted(let epsilon):
      requirePositive(epsilon)
      return choleskySolve(NODECore.cholesky(h + one * epsilon), b)
    case .damped(let epsilon):
      requirePositive(epsilon)
      let right = matmul(h, b.expandingShape(at: 2)).squeezed(axes: 2)
      return choleskySolve(NODECore.cholesky(matmul(h, h) + one * (epsilon * epsilon)), right)
    case .pseudoInverse(let cutoff):
      require(
        cutoff >= 0 && cutoff < 1, "MassMatrixSolver: the cut-off must be in [0, 1), got \(cutoff)")
      return pseudoSolve(h, b, cutoff)
    }
  }
}

/// x = H⁺ b for symmetric H [rows, n, n], b [rows, n].
///
/// Through the derivatives of eigenvectors its own would not be complete where eigenvalues are equal, as those of a free
/// particle are. So it has a derivative of its own, that of a pseudo-inverse P of constant rank (Golub and Pereyra 1973, SIAM J.
/// Numer. Anal. 10, 413, equation 4.12), here for symmetric matrices:
///
///     dP = -P dH P + P² dH (1 - H P) + (1 - H P) dH P²
///
/// It is made of pseudo-inverses again, so that it nests.
private func pseudoSolve<S: FloatingScalar>(_ h: Tensor<S>, _ b: Tensor<S>, _ cutoff: Double) -> Tensor<S> {
  customGradient(at: [h, b]) { arguments in
    let (values, vectors) = symmetricEigen(stopGradient(arguments[0]))
    let sizes = abs(values)
    let isKept = sizes .> sizes.max(axes: 1, keepingDimensions: true) * cutoff
    let factors = isKept / `where`(isKept, values, 1)
    let inside = product(vectors, stopGradient(arguments[1]), transposed: true) * factors
    return product(vectors, inside)
  } vjp: { arguments, x, cotangent in
    let (h, b) = (arguments[0], arguments[1])
    let u = pseudoSolve(h, cotangent, cutoff)
    let outer =
      dyad(pseudoSolve(h, u, cutoff), b - product(h, x)) - dyad(u, x)
      + dyad(cotangent - product(h, u), pseudoSolve(h, x, cutoff))
    return [(outer + outer.transposed()) * 0.5, u]
  }
}

/// [rows, n, n] times [rows, n].
private func product<S>(_ a: Tensor<S>, _ x: Tensor<S>, transposed: Bool = false) -> Tensor<S>
where S: FloatingScalar {
  matmul(a, x.expandingShape(at: 2), transposeA: transposed).squeezed(axes: 2)
}

/// a bᵀ for every row.
private func dyad<S: FloatingScalar>(_ a: Tensor<S>, _ b: Tensor<S>) -> Tensor<S> {
  a.expandingShape(at: 2) * b.expandingShape(at: 1)
}
