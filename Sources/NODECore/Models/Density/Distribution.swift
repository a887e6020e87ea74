import Foundation

/// A probability density on vectors whose values and samples are known.
public protocol Distribution<Scalar>: Sendable {
  associatedtype Scalar: FloatingScalar
  /// Components of a vector.
  var dimensions: Int { get }
  /// [rows, dimensions] -> [rows], in nats.
  func logDensity(_ x: Tensor<Scalar>) -> Tensor<Scalar>
  /// Independent samples, [count, dimensions].
  func sample(_ count: Int, key: RandomKey) -> Tensor<Scalar>
  /// The distribution with its spread multiplied by a positive number.
  func tempered(by temperature: Double) -> Self
}

/// Independent normal components of one mean and one standard deviation.
public struct NormalDistribution<Scalar: FloatingScalar>: Distribution {
  public let dimensions: Int
  /// Of every component.
  public let mean: Double, standardDeviation: Double

  /// - Parameters:
  ///   - dimensions: positive.
  ///   - mean: finite.
  ///   - standardDeviation: finite and positive.
  public init(dimensions: Int, mean: Double = 0, standardDeviation: Double = 1) {
    require(dimensions > 0, "NormalDistribution: dimensions must be positive, got \(dimensions)")
    require(mean.isFinite, "NormalDistribution: the mean must be finite, got \(mean)")
    requireSetting("NormalDistribution", "the standard deviation", standardDeviation, .positive)
    self.dimensions = dimensions
    self.mean = mean
    self.standardDeviation = standardDeviation
  }

  public func logDensity(_ x: Tensor<Scalar>) -> Tensor<Scalar> {
    requireVectors("NormalDistribution", x, dimensions)
    let z = (x - mean) * (1 / standardDeviation)
    let constant = -0.5 * Foundation.log(2 * Double.pi) - Foundation.log(standardDeviation)
    return square(z).sum(axes: 1) * -0.5 + constant * Double(dimensions)
  }

  public func sample(_ count: Int, key: RandomKey) -> Tensor<Scalar> {
    .normal(shape: [count, dimensions], mean: mean, standardDeviation: standardDeviation, key: key)
  }

  public func tempered(by temperature: Double) -> NormalDistribution {
    NormalDistribution(
      dimensions: dimensions, mean: mean, standardDeviation: standardDeviation * temperature)
  }
}

/// A mixture of normal distributions with independent components of one standard deviation.
public struct GaussianMixture<Scalar: FloatingScalar>: Distribution {
  /// [modes][dimensions]
  public let means: [[Double]]
  /// Of every component of every mode.
  public let standardDeviation: Double
  /// Sum 1.
  public let weights: [Double]
  public var dimensions: Int { means[0].count }

  /// - Parameter weights: positive; divided by their sum. nil: all equal.
  public init(means: [[Double]], standardDeviation: Double, weights: [Double]? = nil) {
    require(
      !means.isEmpty && !means[0].isEmpty && means.allSatisfy { $0.count == means[0].count },
      "GaussianMixture: means must be vectors of one length, got lengths \(means.map(\.count))")
    require(
      means.joined().allSatisfy(\.isFinite), "GaussianMixture: means must be finite, got \(means)")
    requireSetting("GaussianMixture", "the standard deviation", standardDeviation, .positive)
    let weights = weights ?? means.map { _ in 1 }
    require(
      weights.count == means.count && weights.allSatisfy { $0 > 0 && $0.isFinite },
      "GaussianMixture: needs a positive weight for each of \(means.count) modes, got \(weights)")
    self.means = means
    self.standardDeviation = standardDeviation
    let sum = weights.reduce(0, +)
    self.weights = weights.map { $0 / sum }
  }

  /// [modes, dimensions]
  private var centres: Tensor<Scalar> {
    Tensor(means.joined().map { Scalar($0) }, shape: [means.count, dimensions])
  }

  public func logDensity(_ x: Tensor<Scalar>) -> Tensor<Scalar> {
    requireVectors("GaussianMixture", x, dimensions)
    let modes = means.count
    let z =
      (x.reshaped(to: [x.shape[0], 1, dimensions]) - centres.reshaped(to: [1, modes, dimensions]))
      * (1 / standardDeviation)
    let constant =
      Double(dimensions) * (-0.5 * Foundation.log(2 * Double.pi) - Foundation.log(standardDeviation))
    let logWeights = Tensor<Scalar>(weights.map { Scalar(Foundation.log($0) + constant) })
    return logSumExp(square(z).sum(axes: 2) * -0.5 + logWeights, axis: 1)
  }

  public func sample(_ count: Int, key: RandomKey) -> Tensor<Scalar> {
    let keys = key.split(2)
    let u = Tensor<Scalar>.uniform(shape: [count, 1], key: keys[0])
    // How many of the running sums of weights a uniform number reaches is its mode.
    var sums: [Scalar] = []
    var sum = 0.0
    for weight in weights.dropLast() {
      sum += weight
      sums.append(Scalar(sum))
    }
    let noise = Tensor<Scalar>.normal(
      shape: [count, dimensions], standardDeviation: standardDeviation, key: keys[1])
    guard !sums.isEmpty else { return noise + centres }
    let modes = (u .>= Tensor(sums, shape: [1, sums.count])).sum(axes: 1).converted(to: Int32.self)
    return centres.gather(at: modes) + noise
  }

  /// Modes stay where they are.
  public func tempered(by temperature: Double) -> GaussianMixture {
    GaussianMixture(means: means, standardDeviation: standardDeviation * temperature, weights: weights)
  }
}

/// The uniform distribution on a box. As the base of a flow that is learned from data it has no gradient that brings points in:
/// outside the log-density is -infinity, whichever way the box lies.
public struct UniformBox<Scalar: FloatingScalar>: Distribution {
  /// One number for each component; lower < upper.
  public let lower: [Double], upper: [Double]
  public var dimensions: Int { lower.count }

  /// - Parameters:
  ///   - lower: finite, at least one.
  ///   - upper: finite, as many, each above its lower bound.
  public init(lower: [Double], upper: [Double]) {
    require(
      !lower.isEmpty && lower.count == upper.count
        && zip(lower, upper).allSatisfy { $0 < $1 && $0.isFinite && $1.isFinite },
      "UniformBox: needs finite bounds with lower < upper, got \(lower) and \(upper)")
    self.lower = lower
    self.upper = upper
  }

  /// -infinity outside.
  public func logDensity(_ x: Tensor<Scalar>) -> Tensor<Scalar> {
    requireVectors("UniformBox", x, dimensions)
    let low = Tensor<Scalar>(lower.map { Scalar($0) }), high = Tensor<Scalar>(upper.map { Scalar($0) })
    // 1 where all components are inside.
    let inside = ((x .>= low) * (high .>= x)).sum(axes: 1) .>= Tensor(Scalar(dimensions))
    let volume = zip(lower, upper).reduce(0) { $0 + Foundation.log($1.1 - $1.0) }
    let outside = Tensor<Scalar>(repeating: -Scalar.infinity, shape: inside.shape)
    return `where`(
      inside, Tensor(repeating: Scalar(-volume), shape: inside.shape), outside)
  }

  public func sample(_ count: Int, key: RandomKey) -> Tensor<Scalar> {
    let width = Tensor<Scalar>(zip(lower, upper).map { Scalar($1 - $0) })
    let low = Tensor<Scalar>(lower.map { Scalar($0) }), high = Tensor<Scalar>(upper.map { Scalar($0) })
    // The bounds are rounded, so that the sum may come out above.
    return minimum(.uniform(shape: [count, dimensions], key: key) * width + low, high)
  }

  /// Around the same middle.
  public func tempered(by temperature: Double) -> UniformBox {
    let sides = zip(lower, upper).map { (middle: ($0 + $1) / 2, half: ($1 - $0) / 2 * temperature) }
    return UniformBox(lower: sides.map { $0.middle - $0.half }, upper: sides.map { $0.middle + $0.half })
  }
}

func requireVectors<S>(_ operation: String, _ x: Tensor<S>, _ dimensions: Int) {
  require(
    x.rank == 2 && x.shape[1] == dimensions,
    "\(operation): takes rows of \(dimensions) components, got shape \(x.shape)")
}
