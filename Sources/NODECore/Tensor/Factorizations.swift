// Factorisations of batches of matrices; all leading axes are the batch. A matrix that has no factorisation (not positive
// definite, not finite) gets NaN in its own results and leaves its neighbours alone.

/// The lower triangular l with l l^T = a and a positive diagonal, for symmetric positive definite a [batch..., n, n].
///
/// The symmetric part (a + a^T)/2 is what is factored. NaN in all of l where it is not numerically positive definite.
/// Derivatives: Murray 2016, arXiv:1602.07527.
public func cholesky<S: FloatingScalar>(_ a: Tensor<S>) -> Tensor<S> {
  requireSquare("cholesky", a.shape)
  return Tensor(Graph.one(.matrix(.cholesky), [a.value]))
}

/// The logarithm of the determinant of symmetric positive definite matrices [batch..., n, n]: [batch...], by Cholesky factors.
/// NaN where a is not numerically positive definite.
public func logDeterminant<S: FloatingScalar>(_ a: Tensor<S>) -> Tensor<S> {
  let diagonal = cholesky(a).value.diagonal
  return Tensor(diagonal.map(.log).sum(axes: [diagonal.shape.rank - 1]) * 2)
}

/// The reduced QR factors of a [batch..., m, n], m >= n: q [batch..., m, n] with orthonormal columns, upper triangular
/// r [batch..., n, n] with a diagonal that is not negative, which makes the factors unique where a has full rank.
///
/// By Householder reflections. Derivatives: Walter and Lehmann 2010, arXiv:1001.1654; they need full rank.
public func qr<S: FloatingScalar>(_ a: Tensor<S>) -> (q: Tensor<S>, r: Tensor<S>) {
  requireTall("qr", a.shape)
  let results = Graph.node(.matrix(.qr), [a.value])
  return (Tensor(results[0]), Tensor(results[1]))
}

/// Eigenvalues [batch..., n], ascending, and eigenvectors [batch..., n, n], in columns, of symmetric a [batch..., n, n].
///
/// The symmetric part (a + a^T)/2 is what is factored. Eigenvectors have length 1, their component of largest magnitude is
/// positive. Derivatives: Giles 2008, section 3.1. Those of eigenvectors divide by the distance to the other eigenvalues.
/// Eigenvectors of equal eigenvalues have no derivative: the terms between them are left out. First derivatives of functions
/// of the eigenvalues alone that treat equal ones alike are right there too; all else is finite but incomplete.
public func symmetricEigen<S: FloatingScalar>(_ a: Tensor<S>) -> (values: Tensor<S>, vectors: Tensor<S>) {
  requireSquare("symmetricEigen", a.shape)
  let results = Graph.node(.matrix(.symmetricEigen), [a.value])
  return (Tensor(results[0]), Tensor(results[1]))
}
