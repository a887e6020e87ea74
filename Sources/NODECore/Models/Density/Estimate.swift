import Foundation

/// A mean of independent numbers, and how far it may be from the expectation.
public struct Estimate: Sendable, Hashable, CustomStringConvertible {
  public var mean: Double
  /// Of the mean: the samples' standard deviation over the root of their number.
  public var standardError: Double
  /// Of the numbers. The standard error of a single one is infinite.
  public var count: Int

  /// The estimate of the numbers' expectation; there is at least one.
  public init(of numbers: some Collection<Double>) {
    require(!numbers.isEmpty, "Estimate: there are no numbers")
    let n = Double(numbers.count)
    let mean = numbers.reduce(0, +) / n
    let squares = numbers.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    self.mean = mean
    standardError = n > 1 ? (squares / (n - 1) / n).squareRoot() : .infinity
    count = numbers.count
  }

  public var description: String { "\(mean) ± \(standardError)" }

  /// A mean of -log p in nats, p a density on the unit cube of `dimensions` components that had `bins` values each before noise
  /// was added, as bits for each component: (nats / dimensions + log bins) / log 2.
  public func bitsPerDimension(_ dimensions: Int, bins: Int = 256) -> Estimate {
    require(
      dimensions > 0 && bins > 0,
      "Estimate.bitsPerDimension: dimensions and bins must be positive, got \(dimensions) and \(bins)")
    var bits = self
    let scale = 1 / (Double(dimensions) * Foundation.log(2.0))
    bits.mean = mean * scale + Foundation.log2(Double(bins))
    bits.standardError = standardError * scale
    return bits
  }
}

extension FlowDensity where Map: SamplingFlow {
  /// - E log q of the density's own samples, in nats.
  public func entropy(samples count: Int, batch: Int = 1000, key: RandomKey) throws -> Estimate {
    try ownSamples(count, batch, key) { _, logDensity in -logDensity }
  }

  /// The Kullback-Leibler divergence from the density to exp(logTarget) / Z, in nats: E_q[log q - log target] + log Z.
  /// - Parameters:
  ///   - logTarget: [rows, dimensions] -> [rows], not normalised.
  ///   - logNormaliser: log Z, added to the mean.
  public func divergence(
    to logTarget: (Tensor<Scalar>) throws -> Tensor<Scalar>, logNormaliser: Double = 0, samples count: Int,
    batch: Int = 1000, key: RandomKey
  ) throws -> Estimate {
    var estimate = try ownSamples(count, batch, key) { x, logDensity in try logDensity - logTarget(x) }
    estimate.mean += logNormaliser
    return estimate
  }

  private func ownSamples(
    _ count: Int, _ batch: Int, _ key: RandomKey,
    _ number: (_ x: Tensor<Scalar>, _ logDensity: Tensor<Scalar>) throws -> Tensor<Scalar>
  ) throws -> Estimate {
    require(
      count > 0 && batch > 0,
      "FlowDensity: the number of samples and the batch must be positive, got \(count) and \(batch)")
    var numbers: [Double] = []
    for start in stride(from: 0, to: count, by: batch) {
      let (x, logDensity) = try sampleWithLogDensity(
        Swift.min(batch, count - start), key: key.fold(in: start / batch))
      numbers += try number(x, logDensity).evaluated().scalars.map(\.asDouble)
    }
    return Estimate(of: numbers)
  }
}

extension FlowDensity where Map: DensityFlow {
  /// The mean of -log q(x) over data [rows, dimensions], in nats.
  public func negativeLogLikelihood(
    of data: Tensor<Scalar>, batch: Int = 1000, key: RandomKey = RandomKey(seed: 0)
  ) throws -> Estimate {
    try meanNegative(data, batch) { part, rows, number in
      try logDensity(part, key: key.fold(in: number))
    }
  }

  /// The mean of -log q(x | context) over the rows of data [rows, dimensions] and of context [rows, context size], in nats.
  public func negativeLogLikelihood<Field: ConditionalField>(
    of data: Tensor<Scalar>, given context: Tensor<Field.Scalar>, batch: Int = 1000,
    key: RandomKey = RandomKey(seed: 0)
  ) throws -> Estimate where Map == ContinuousFlow<Field> {
    require(
      context.rank == 2 && data.rank == 2 && context.shape[0] == data.shape[0],
      "FlowDensity: data \(data.shape) and context \(context.shape) must have the same rows")
    return try meanNegative(data, batch) { part, rows, number in
      try given(context.sliced(rows, axis: 0)).logDensity(part, key: key.fold(in: number))
    }
  }

  private func meanNegative(
    _ data: Tensor<Scalar>, _ batch: Int,
    _ logDensity: (_ part: Tensor<Scalar>, _ rows: Range<Int>, _ number: Int) throws -> Tensor<Scalar>
  ) throws -> Estimate {
    requireVectors("FlowDensity", data, flow.dimensions)
    require(batch > 0, "FlowDensity: the batch must be positive, got \(batch)")
    let data = try data.evaluated(), count = data.shape[0]
    var numbers: [Double] = []
    for start in stride(from: 0, to: count, by: batch) {
      let rows = start..<Swift.min(start + batch, count)
      let logs = try logDensity(data.sliced(rows, axis: 0), rows, start / batch)
      numbers += try logs.evaluated().scalars.map { -$0.asDouble }
    }
    return Estimate(of: numbers)
  }
}
