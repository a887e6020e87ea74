import Foundation

/// A symmetric positive definite matrix A = L Lᵀ by its Cholesky factor L, whose diagonal is the softplus of what is learned:
/// one matrix for all rows, or one for each, made by a network of that row. Nothing has to be factored or inverted.
///
/// Inverse mass matrices and dissipation are made of it (Zhong, Dey, Chakraborty 2020, "Symplectic ODE-Net", section 3.3).
public struct PositiveMatrix<Scalar: FloatingScalar>: Module {
  /// n.
  public let size: Int
  /// The n (n + 1) / 2 entries of L: the diagonal's first, then those below it, row by row; [n (n + 1) / 2], or of the network
  /// [rows, n (n + 1) / 2].
  public var entries: MatrixEntries<Scalar>
  /// What the diagonal of L is where the learned entries are zero.
  public let startingDiagonal: Double
  /// [entries, n²]: puts entries into their places.
  private let places: Tensor<Scalar>

  /// One matrix for all rows, at first the identity times the square of `diagonal`.
  /// - Parameter diagonal: of the factor at the start, positive.
  public init(constant size: Int, diagonal: Double = 1) {
    self.init(size: size, diagonal: diagonal, entries: .constant(.zeros([size * (size + 1) / 2])))
  }

  /// A matrix for every row of what the network is shown.
  /// - Parameters:
  ///   - inputs: columns of a row.
  ///   - diagonal: of the factor where the network gives zero, positive.
  public init(
    _ size: Int, inputs: Int, hidden: [Int], activation: Activation = .tanh, diagonal: Double = 1,
    key: RandomKey = RandomKey(seed: 0)
  ) {
    let net = MLP<Scalar>(
      sizes: [inputs] + hidden + [size * (size + 1) / 2], activation: activation, key: key)
    self.init(size: size, diagonal: diagonal, entries: .network(net))
  }

  private init(size: Int, diagonal: Double, entries: MatrixEntries<Scalar>) {
    require(size > 0, "PositiveMatrix: the size must be positive, got \(size)")
    requireSetting("PositiveMatrix", "the diagonal at the start", diagonal, .positive)
    self.size = size
    self.entries = entries
    startingDiagonal = diagonal
    let below = (0..<size).flatMap { i in (0..<i).map { i * size + $0 } }
    var places = [Scalar](repeating: Scalar(0.0), count: (size + below.count) * size * size)
    for (entry, place) in ((0..<size).map { $0 * (size + 1) } + below).enumerated() {
      places[entry * size * size + place] = Scalar(1.0)
    }
    self.places = Tensor(places, shape: [size + below.count, size * size])
  }

  /// L: [1, n, n] of a constant matrix, whatever x is, or [rows, n, n] for the rows x [rows, inputs].
  public func factor(_ x: Tensor<Scalar>) -> Tensor<Scalar> {
    let raw: Tensor<Scalar> =
      switch entries {
      case .constant(let entries): entries.reshaped(to: [1, entries.count])
      case .network(let net): net(x)
      }
    require(
      raw.rank == 2 && raw.shape[1] == size * (size + 1) / 2,
      "PositiveMatrix: a matrix of size \(size) has \(size * (size + 1) / 2) entries, got \(raw.shape)"
    )
    // softplus(offset) is the diagonal at the start; expm1 keeps small ones exact.
    let offset = startingDiagonal > 30 ? startingDiagonal : Foundation.log(Foundation.expm1(startingDiagonal))
    let diagonal = softplus(raw.sliced(0..<size, axis: 1) + offset)
    let all =
      size == 1
      ? diagonal : .concatenated([diagonal, raw.sliced(size..<raw.shape[1], axis: 1)], axis: 1)
    return matmul(all, places).reshaped(to: [raw.shape[0], size, size])
  }

  /// A itself, [1, n, n], or [rows, n, n] for the rows x [rows, inputs]: to read it. Products need less.
  public func matrix(_ x: Tensor<Scalar>) -> Tensor<Scalar> {
    let factor = factor(x)
    return matmul(factor, factor, transposeB: true)
  }

  /// Lᵀ v, [rows, n], for rows v [rows, n]; x are the rows that the matrix is made of.
  public func halfProduct(_ x: Tensor<Scalar>, _ v: Tensor<Scalar>) -> Tensor<Scalar> {
    half(factor(x), v)
  }

  private func half(_ factor: Tensor<Scalar>, _ v: Tensor<Scalar>) -> Tensor<Scalar> {
    requireVectors("PositiveMatrix", v, size)
    require(
      factor.shape[0] == 1 || factor.shape[0] == v.shape[0],
      "PositiveMatrix: matrices of \(factor.shape[0]) rows for vectors \(v.shape)")
    return (factor * v.reshaped(to: [v.shape[0], size, 1])).sum(axes: 1)
  }

  /// A v, [rows, n].
  public func product(_ x: Tensor<Scalar>, _ v: Tensor<Scalar>) -> Tensor<Scalar> {
    let factor = factor(x)
    return (factor * half(factor, v).reshaped(to: [v.shape[0], 1, size])).sum(axes: 2)
  }

  /// vᵀ A v, [rows].
  public func quadraticForm(_ x: Tensor<Scalar>, _ v: Tensor<Scalar>) -> Tensor<Scalar> {
    square(halfProduct(x, v)).sum(axes: 1)
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) { visit("entries", &entries) }
}
