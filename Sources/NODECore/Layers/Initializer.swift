import Foundation

/// How a parameter starts. Drawn from a key: the same key gives the same parameter on every machine.
///
/// Means and ends of ranges are finite, deviations and gains finite and not negative (the deviation of a truncated normal
/// positive, the gain of an orthogonal matrix of either sign), and fans that a variance is made of positive.
public enum Initializer: Sendable, Hashable {
  case zeros
  case ones
  case constant(Double)
  /// The range may be no wider than the largest number of the element type.
  case uniform(Range<Double>)
  case normal(mean: Double = 0, standardDeviation: Double)
  /// Normal, restricted to a range of values (not of multiples of the deviation): PyTorch's trunc_normal_. The range may
  /// begin up to 35 deviations from the mean: further out the distribution function is too small for a Double.
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
  ///   - fanIn: inputs that one output sums over; positive for initializers that divide by it.
  ///   - fanOut: outputs that one input contributes to; likewise.
  public func callAsFunction<Scalar: FloatingScalar>(
    _ shape: Shape, fanIn: Int, fanOut: Int, key: RandomKey
  ) -> Tensor<Scalar> {
    shape.requireMemory(for: name, Double.dtype)
    requireSettings(Scalar.self, fanIn: fanIn, fanOut: fanOut)
    func uniform(_ range: Range<Double>) -> Tensor<Scalar> {
      let width = range.upperBound - range.lowerBound
      // Rounding to the element type may reach the end, which does not belong to the range, or fall below its beginning.
      let begin = Scalar(range.lowerBound), end = Scalar(range.upperBound)
      let least = begin.asDouble < range.lowerBound ? begin.nextUp : begin
      let largest = max(least, end.asDouble < range.upperBound ? end : end.nextDown)
      let unit: [Scalar] = RandomStream.draw(normal: false, key.hostWords, count: shape.count)
      return Tensor(
        unit.map { min(max(Scalar($0.asDouble * width + range.lowerBound), least), largest) }, shape: shape)
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
      require(shape.rank >= 2, "\(name): needs a matrix, got shape \(shape)")
      let columns = shape[shape.rank - 1], rows = shape.count / max(columns, 1)
      let draws: [Double] = RandomStream.draw(normal: true, key.hostWords, count: shape.count)
      let matrix = orthonormal(draws, rows: rows, columns: columns)
      return Tensor(matrix.map { Scalar(gain * $0) }, shape: shape)
    }
  }
}

extension Initializer {
  /// "Initializer.uniform": what messages begin with.
  private var name: String {
    switch self {
    case .zeros: "Initializer.zeros"
    case .ones: "Initializer.ones"
    case .constant: "Initializer.constant"
    case .uniform: "Initializer.uniform"
    case .normal: "Initializer.normal"
    case .truncatedNormal: "Initializer.truncatedNormal"
    case .lecunUniform: "Initializer.lecunUniform"
    case .lecunNormal: "Initializer.lecunNormal"
    case .xavierUniform: "Initializer.xavierUniform"
    case .xavierNormal: "Initializer.xavierNormal"
    case .kaimingUniform: "Initializer.kaimingUniform"
    case .kaimingNormal: "Initializer.kaimingNormal"
    case .fanIn: "Initializer.fanIn"
    case .orthogonal: "Initializer.orthogonal"
    }
  }

  private func requireSettings<Scalar: FloatingScalar>(_ type: Scalar.Type, fanIn: Int, fanOut: Int) {
    func requireFans(_ fans: Int...) {
      require(
        fans.allSatisfy { $0 > 0 }, "\(name): fans must be positive, got in \(fanIn) and out \(fanOut)")
    }
    switch self {
    case .zeros, .ones, .constant: break
    case .uniform(let range):
      let ends = [range.lowerBound, range.upperBound, range.upperBound - range.lowerBound]
      require(
        ends.allSatisfy { Scalar($0).isFinite }, "\(name): the range \(range) is not finite or too wide")
    case .normal(let mean, let deviation):
      requireSetting(name, "the mean", mean, .finite)
      requireSetting(name, "the standard deviation", deviation, .notNegative)
    case .truncatedNormal: break  // TruncatedNormal looks itself.
    case .lecunUniform, .lecunNormal, .fanIn: requireFans(fanIn)
    case .xavierUniform(let gain), .xavierNormal(let gain):
      requireFans(fanIn, fanOut)
      requireSetting(name, "the gain", gain, .notNegative)
    case .kaimingUniform(let gain), .kaimingNormal(let gain):
      requireFans(fanIn)
      requireSetting(name, "the gain", gain, .notNegative)
    case .orthogonal(let gain): requireSetting(name, "the gain", gain, .finite)
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
