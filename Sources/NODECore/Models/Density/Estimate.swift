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
    require(!numbers.isEmpty, "Estimate: needs at least one number to take the mean of, got none")
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

extension FlowDensity {
  /// A number that the rows of a batch share makes them one draw: standard errors would be too small.
  fileprivate func requireIndependentRows(_ rows: Int) throws {
    let noise = try flow.noise(rows: rows)
    require(
      !noise.contains(.shared),
      "FlowDensity: the rows of a batch share an end time with jitter, so a standard error of \(rows) rows would be too small; "
        + "take the flow without (`evaluating()`, or `endTimeJitter` 0)")
  }
}

extension FlowDensity where Map: SamplingFlow {
  /// - E log q of the density's own samples, in nats. The flow's end time has no jitter.
  public func entropy(samples count: Int, batch: Int = 1000, key: RandomKey) throws -> Estimate {
    try ownSamples(count, batch, key) { _, logDensity in -logDensity }
  }

  /// The Kullback-Leibler divergence from the density to exp(logTarget) / Z, in nats: E_q[log q - log target] + log Z. The
  /// flow's end time has no jitter.
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
    try requireIndependentRows(Swift.min(batch, count))
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
  /// The mean of -log q(x) over data [rows, dimensions], in nats. The flow's end time has no jitter.
  public func negativeLogLikelihood(
    of data: Tensor<Scalar>, batch: Int = 1000, key: RandomKey = RandomKey(seed: 0)
  ) throws -> Estimate {
    try meanNegative(data, batch, key) { _ in self }
  }

  /// The mean of -log q(x | context) over the rows of data [rows, dimensions] and of context [rows, context size], in nats. The
  /// flow's end time has no jitter.
  public func negativeLogLikelihood<Field: ConditionalField>(
    of data: Tensor<Scalar>, given context: Tensor<Field.Scalar>, batch: Int = 1000,
    key: RandomKey = RandomKey(seed: 0)
  ) throws -> Estimate where Map == ContinuousFlow<Field> {
    require(
      context.rank == 2 && data.rank == 2 && context.shape[0] == data.shape[0],
      "FlowDensity: data \(data.shape) and context \(context.shape) must have the same rows")
    return try meanNegative(data, batch, key) { given(context.sliced($0, axis: 0)) }
  }

  private func meanNegative(
    _ data: Tensor<Scalar>, _ batch: Int, _ key: RandomKey, _ density: (_ rows: Range<Int>) -> FlowDensity
  ) throws -> Estimate {
    requireVectors("FlowDensity", data, flow.dimensions)
    require(batch > 0, "FlowDensity: the batch must be positive, got \(batch)")
    let data = try data.evaluated(), count = data.shape[0]
    var numbers: [Double] = []
    for start in stride(from: 0, to: count, by: batch) {
      let rows = start..<Swift.min(start + batch, count)
      let density = density(rows)
      if start == 0 { try density.requireIndependentRows(rows.count) }
      let logs = try density.logDensity(data.sliced(rows, axis: 0), key: key.fold(in: start / batch))
      numbers += try logs.evaluated().scalars.map { -$0.asDouble }
    }
    return Estimate(of: numbers)
  }
}
