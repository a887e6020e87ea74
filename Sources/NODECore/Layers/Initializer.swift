import Foundation

/// How a parameter starts. Drawn from a key: the same key gives the same parameter on every machine.
public enum Initializer: Sendable, Hashable {
  case zeros
  case ones
  case constant(Double)
  case uniform(Range<Double>)
  case normal(mean: Double = 0, standardDeviation: Double)
  /// Normal, restricted to a range of values (not of multiples of the deviation): PyTorch's trunc_normal_.
  case truncatedNormal(mean: Double = 0, standardDeviation: Double = 1, in: ClosedRange<Double> = -2...2)
  /// Uniform with variance 1 / fanIn (LeCun et al. 1998, section 4.6).
  case lecunUniform
  /// Normal with variance 1 / fanIn.
  case lecunNormal
  /// Uniform with variance 2 gain^2 / (fanIn + fanOut) (Glorot, Bengio 2010, eq. 16).
  case xavierUniform(gain: Double = 1)
  /// Normal with variance 2 gain^2 / (fanIn + fanOut).
  case xavierNormal(gain: Double = 1)
  /// Uniform with variance gain^2 / fanIn (He et al. 2015, eq. 10 for gain = sqrt 2, which suits relu).
  case kaimingUniform(gain: Double = 2.0.squareRoot())
  /// Normal with variance gain^2 / fanIn.
  case kaimingNormal(gain: Double = 2.0.squareRoot())
  /// Uniform on (-1/sqrt(fanIn), 1/sqrt(fanIn)): what PyTorch gives weights and biases of linear and
  /// convolution layers.
  case fanIn
  /// Rows or columns, whichever are fewer, orthonormal times gain (Saxe et al. 2014); leading axes are
  /// merged.
  case orthogonal(gain: Double = 1)

  /// - Parameters:
  ///   - fanIn: inputs that one output sums over.
  ///   - fanOut: outputs that one input contributes to.
  public func callAsFunction<Scalar: FloatingScalar>(
    _ shape: Shape, fanIn: Int, fanOut: Int, key: RandomKey
  ) -> Tensor<Scalar> {
    func uniform(_ range: Range<Double>) -> Tensor<Scalar> {
      let width = range.upperBound - range.lowerBound
      let unit: [Scalar] = RandomStream.draw(normal: false, key.hostWords, count: shape.count)
      return Tensor(unit.map { Scalar($0.asDouble * width + range.lowerBound) }, shape: shape)
    }
    func normal(_ mean: Double, _ deviation: Double) -> Tensor<Scalar> {
      let unit: [Scalar] = RandomStream.draw(normal: true, key.hostWords, count: shape.count)
      return Tensor(unit.map { Scalar($0.asDouble * deviation + mean) }, shape: shape)
    }
    func symmetric(_ bound: Double) -> Tensor<Scalar> { uniform(-bound..<bound) }
    let fanIn = Double(fanIn), fanOut = Double(fanOut)
    switch self {
    case .zeros: return .zeros(shape)
    case .ones: return .ones(shape)
    case .constant(let value): return Tensor(repeating: Scalar(value), shape: shape)
    case .uniform(let range): return uniform(range)
    case .normal(let mean, let deviation): return normal(mean, deviation)
    case .truncatedNormal(let mean, let deviation, let range):
      let truncated = TruncatedNormal(mean: mean, deviation: deviation, range: range)
      let unit: [Double] = RandomStream.draw(normal: false, key.hostWords, count: shape.count)
      return Tensor(unit.map { Scalar(truncated($0)) }, shape: shape)
    case .lecunUniform: return symmetric((3 / fanIn).squareRoot())
    case .lecunNormal: return normal(0, 1 / fanIn.squareRoot())
    case .xavierUniform(let gain): return symmetric(gain * (6 / (fanIn + fanOut)).squareRoot())
    case .xavierNormal(let gain): return normal(0, gain * (2 / (fanIn + fanOut)).squareRoot())
    case .kaimingUniform(let gain): return symmetric(gain * (3 / fanIn).squareRoot())
    case .kaimingNormal(let gain): return normal(0, gain / fanIn.squareRoot())
    case .fanIn: return symmetric(1 / fanIn.squareRoot())
    case .orthogonal(let gain):
      require(shape.rank >= 2, "Initializer.orthogonal: needs a matrix, got shape \(shape)")
      let columns = shape[shape.rank - 1], rows = shape.count / max(columns, 1)
      let draws: [Double] = RandomStream.draw(normal: true, key.hostWords, count: shape.count)
      let matrix = orthonormal(draws, rows: rows, columns: columns)
      return Tensor(matrix.map { Scalar(gain * $0) }, shape: shape)
    }
  }
}

/// Orthonormalises the rows (or columns, if those are fewer) of a Gaussian matrix. Gram and Schmidt twice
/// over: once is not orthogonal to round-off, twice is (Giraud et al. 2005). The result is uniform over the
/// orthogonal group because its triangular factor has a positive diagonal.
private func orthonormal(_ matrix: [Double], rows: Int, columns: Int) -> [Double] {
  let wide = rows <= columns
  let count = wide ? rows : columns, length = wide ? columns : rows
  var vectors = (0..<count).map { i in
    (0..<length).map { j in wide ? matrix[i * columns + j] : matrix[j * columns + i] }
  }
  for i in 0..<count {
    for _ in 0..<2 {
      for k in 0..<i {
        let overlap = zip(vectors[i], vectors[k]).reduce(0) { $0 + $1.0 * $1.1 }
        for j in 0..<length { vectors[i][j] -= overlap * vectors[k][j] }
      }
      let norm = vectors[i].reduce(0) { $0 + $1 * $1 }.squareRoot()
      for j in 0..<length { vectors[i][j] /= norm }
    }
  }
  return (0..<rows * columns).map { at in
    wide ? vectors[at / columns][at % columns] : vectors[at % columns][at / columns]
  }
}
