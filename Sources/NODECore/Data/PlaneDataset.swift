/// Densities on the plane that generative models are shown on, with the formulas of FFJORD's `lib/toy_data.py` (Grathwohl et al.
/// 2019), angles and modes drawn independently.
public enum PlaneDataset: String, Sendable, Hashable, CaseIterable {
  /// Radii 3 and 1.5, noise 0.24.
  case circles
  /// Half circles of radius 2, noise 0.2.
  case moons
  /// Eight normal modes of standard deviation 0.5/1.414 on a circle of radius 4/1.414.
  case eightGaussians = "8gaussians"
  /// Five arms.
  case pinwheel
  /// Eight squares of side 2.
  case checkerboard
  /// Two opposite arms of one and a half turns, out to a radius of pi, noise 0.1.
  case twoSpirals = "2spirals"

  /// The differential entropy in nats, the least negative log-likelihood there is: log 32 for the checkerboard, else by
  /// numerical integration of the density, to the digits given (a test does it again); nil where it is not known.
  public var entropy: Double? {
    switch self {
    case .circles: 3.268_136
    case .moons: 2.393_879
    case .eightGaussians: 2.831_880
    case .checkerboard: 3.465_735_902_799_726_5
    case .pinwheel, .twoSpirals: nil
    }
  }

  /// Independent samples, [count, 2].
  public func sample<Scalar: FloatingScalar>(_ count: Int, key: RandomKey) -> Tensor<Scalar> {
    require(count > 0, "PlaneDataset: the number of samples must be positive, got \(count)")
    var keys = key.split(4)[...]
    func uniform(_ range: Range<Double> = 0..<1) -> Tensor<Scalar> {
      .uniform(shape: [count], in: range, key: keys.removeFirst())
    }
    func noise(_ deviation: Double) -> Tensor<Scalar> {
      .normal(shape: [count, 2], standardDeviation: deviation, key: keys.removeFirst())
    }
    func points(_ x: Tensor<Scalar>, _ y: Tensor<Scalar>) -> Tensor<Scalar> { .stacked([x, y], axis: 1) }
    /// 0 or 1 with equal probability, and -1 or 1.
    func coin() -> Tensor<Scalar> { floor(uniform(0..<2)) }
    func sign() -> Tensor<Scalar> { coin() * 2 - 1 }

    switch self {
    case .circles:
      let angle = uniform(0..<2 * .pi), radius = coin() * 0.5 + 0.5
      return (points(radius * cos(angle), radius * sin(angle)) + noise(0.08)) * 3
    case .moons:
      let angle = uniform(0..<Double.pi), side = sign()
      // The second one is turned around and moved by (1, 0.5).
      let second = (1 - side) * 0.5
      let moon = points(side * cos(angle) + second, side * sin(angle) + second * 0.5) + noise(0.1)
      return moon * 2 + Tensor<Scalar>([-1, -0.2])
    case .eightGaussians:
      let angle = floor(uniform(0..<8)) * (Double.pi / 4)
      return (points(cos(angle), sin(angle)) * 4 + noise(0.5)) * (1 / 1.414)
    case .pinwheel:
      let features = noise(1)
      let radial = features.sliced(0..<1, axis: 1).reshaped(to: [count]) * 0.3 + 1
      let tangential = features.sliced(1..<2, axis: 1).reshaped(to: [count]) * 0.1
      let angle = floor(uniform(0..<5)) * (2 * Double.pi / 5) + exp(radial) * 0.25
      return points(
        radial * cos(angle) + tangential * sin(angle), tangential * cos(angle) - radial * sin(angle)) * 2
    case .checkerboard:
      let x = uniform(-2..<2), column = floor(x)
      let odd = column - floor(column * 0.5) * 2
      return points(x, uniform() - coin() * 2 + odd) * 2
    case .twoSpirals:
      let angle = sqrt(uniform()) * (3 * Double.pi), side = sign()
      let thickness = Tensor<Scalar>.uniform(shape: [count, 2], in: 0..<0.5, key: keys.removeFirst())
      let arm = points(-cos(angle) * angle, sin(angle) * angle) + thickness
      let key = keys.removeFirst()
      return side.reshaped(to: [count, 1]) * arm * (1.0 / 3)
        + Tensor<Scalar>.normal(shape: [count, 2], standardDeviation: 0.1, key: key)
    }
  }
}
