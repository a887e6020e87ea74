/// Inputs and what they are to be mapped to: a batch for regression.
public struct InputTargets<Scalar: FloatingScalar>: Module {
  /// [rows, inputs].
  public var inputs: Tensor<Scalar>
  /// [rows, targets].
  public var targets: Tensor<Scalar>

  /// - Parameters:
  ///   - inputs: [rows, inputs].
  ///   - targets: [rows, targets], as many rows.
  public init(inputs: Tensor<Scalar>, targets: Tensor<Scalar>) {
    require(
      inputs.rank > 0 && targets.rank > 0 && inputs.shape[0] == targets.shape[0],
      "InputTargets: inputs \(inputs.shape) and targets \(targets.shape) need one number of rows")
    self.inputs = inputs
    self.targets = targets
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {
    visit("inputs", &inputs)
    visit("targets", &targets)
  }
}

/// Maps that the flow of a first-order equation in as many dimensions cannot be, or not easily: what
/// augmented, second-order and data-controlled neural ODEs are compared on, with the settings of their
/// papers.
public enum DepthDataset: Sendable, Hashable {
  /// Inputs near -1 and 1 in equal numbers, standard deviation 0.05, mapped to 1 and -1 (Dupont et al. 2019,
  /// section 3.1). A flow on the line keeps the order of its points; the best it can do is to map all of them
  /// to 0.
  case crossing
  /// x -> -x, uniform on [-1, 1]^d (Norcliffe et al. 2020, section 4.1 and the authors' generalised_parity).
  /// In odd dimensions it turns the orientation around, which no flow does.
  case parity(dimensions: Int)
  /// g(x) = -1 for |x| <= 0.5 and 1 for 1 <= |x| <= 1.5 (Dupont et al. 2019, eq. 3), three of the second for
  /// one of the first. The distance grows with u^(1/d), u uniform, in both, as in the authors' code.
  case nestedSpheres(dimensions: Int)
  /// -1 inside and 1 in a shell, uniform in volume, equal numbers (Norcliffe et al. 2020, the authors'
  /// nested-n-spheres): radii to 0.5 and 0.85 to 1 in the plane, to 0.3 and 0.7 to 1 elsewhere.
  case nestedShells(dimensions: Int)

  /// Components of an input.
  public var dimensions: Int {
    switch self {
    case .crossing: 1
    case .parity(let d), .nestedSpheres(let d), .nestedShells(let d): d
    }
  }

  /// Whether targets are labels, -1 and 1, for a read-out; else they are points, what the flow itself has to
  /// reach.
  public var isClassification: Bool {
    switch self {
    case .crossing, .parity: false
    case .nestedSpheres, .nestedShells: true
    }
  }

  /// The papers' numbers of points to train on.
  public var trainCount: Int {
    switch self {
    case .crossing: 200
    case .parity: 64
    case .nestedSpheres: 2000
    case .nestedShells: 50
    }
  }

  /// Independent samples in random order.
  public func sample<Scalar: FloatingScalar>(_ count: Int, key: RandomKey) -> InputTargets<Scalar> {
    require(count > 0, "DepthDataset: the number of samples must be positive, got \(count)")
    require(dimensions > 0, "DepthDataset: dimensions must be positive, got \(dimensions)")
    let keys = key.split(3)
    switch self {
    case .crossing:
      let side = labels(inner: count / 2, of: count, keys[0])
      let noise = Tensor<Double>.normal(shape: [count, 1], standardDeviation: 0.05, key: keys[1])
      return pair(side + noise, -side)
    case .parity(let d):
      let x = Tensor<Double>.uniform(shape: [count, d], in: -1..<1, key: keys[0])
      return pair(x, -x)
    case .nestedSpheres(let d):
      let label = labels(inner: count / 4, of: count, keys[0])
      let share = pow(Tensor<Double>.uniform(shape: [count, 1], key: keys[1]), Tensor(1 / Double(d)))
      // 0.5 u^(1/d) inside, 1 + 0.5 u^(1/d) outside.
      return pair(directions(count, keys[2]) * (share * 0.5 + (label + 1) * 0.5), label)
    case .nestedShells(let d):
      let label = labels(inner: count / 2, of: count, keys[0])
      let radii = d == 2 ? (inside: 0.5, from: 0.85) : (inside: 0.3, from: 0.7)
      func power(_ radius: Double) -> Double { (0..<d).reduce(1) { product, _ in product * radius } }
      let u = Tensor<Double>.uniform(shape: [count, 1], key: keys[1]), outside = (label + 1) * 0.5
      let volume =
        u * power(radii.inside) * (1.0 - outside)
        + (u * (1 - power(radii.from)) + power(radii.from)) * outside
      return pair(directions(count, keys[2]) * pow(volume, Tensor(1 / Double(d))), label)
    }
  }

  private func pair<Scalar: FloatingScalar>(_ x: Tensor<Double>, _ y: Tensor<Double>) -> InputTargets<Scalar>
  {
    InputTargets(inputs: x.converted(to: Scalar.self), targets: y.converted(to: Scalar.self))
  }

  /// `inner` times -1 and 1 for the rest, shuffled: [count, 1].
  private func labels(inner: Int, of count: Int, _ key: RandomKey) -> Tensor<Double> {
    let order = Tensor<Double>.uniform(shape: [count], key: key).argsorted()
    let sorted = Tensor<Double>((0..<count).map { $0 < inner ? -1 : 1 })
    return sorted.gather(at: order).reshaped(to: [count, 1])
  }

  /// Uniform on the unit sphere: [count, d].
  private func directions(_ count: Int, _ key: RandomKey) -> Tensor<Double> {
    let x = Tensor<Double>.normal(shape: [count, dimensions], key: key)
    return x * rsqrt(square(x).sum(axes: 1, keepingDimensions: true))
  }
}
