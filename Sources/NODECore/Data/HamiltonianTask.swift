/// Motions that Hamiltonian networks are shown on, generated with the settings of Greydanus et al. 2019 (their `data.py` files):
/// states with noise, derivatives without. A task is one value of `all`.
public struct HamiltonianTask: Sendable, CustomStringConvertible {
  /// As reports print it.
  public let name: String
  /// The law: rows [q, p], [rows, 2n] -> [rows].
  public let energy: KnownEnergy<Double>
  /// Motions to learn from, the time each is followed for, and the states taken from it at equal intervals, both ends among
  /// them.
  public let motions: Int, duration: Double, points: Int
  /// Standard deviation of what is added to every component of a state; the derivative is that of the clean state.
  public let noise: Double
  /// Motions of the training set, of all; those of the test set follow.
  public let trainingMotions: Int
  /// How motions are followed to see whether energy is kept: for how long, at how many times.
  public let testDuration: Double, testPoints: Int
  let start: @Sendable (_ count: Int, _ key: RandomKey) -> Tensor<Double>
  let testStart: @Sendable (_ count: Int, _ key: RandomKey) -> Tensor<Double>

  public var description: String { name }

  /// H = q² + p², radii 0.1 to 1. (The authors' mass is ½ and their stiffness 2.)
  public static let spring = HamiltonianTask(
    name: "spring", energy: KnownEnergy { square($0).sum(axes: 1) }, motions: 50, duration: 3, points: 30,
    noise: 0.1, trainingMotions: 25, testDuration: 20, testPoints: 100, start: ring(0.1..<1),
    testStart: offAxes)

  /// H = 3 (1 - cos q) + p², radii 1.3 to 2.3 of which no motion reaches the top.
  public static let pendulum = HamiltonianTask(
    name: "pendulum",
    energy: KnownEnergy { x in
      let x = phaseHalves(x, "HamiltonianTask.pendulum")
      return ((1 - cos(x.q)) * 3.0 + square(x.p)).sum(axes: 1)
    }, motions: 50, duration: 3, points: 45, noise: 0.1, trainingMotions: 25, testDuration: 20,
    testPoints: 100,
    start: ring(1.3..<2.3), testStart: offAxes)

  /// Two unit masses on nearly circular orbits, G = 1; columns x1, x2, y1, y2, then the momenta in the same order.
  public static let twoBodies = HamiltonianTask(
    name: "two-body", energy: gravity(bodies: 2), motions: 1000, duration: 20, points: 50, noise: 0,
    trainingMotions: 800, testDuration: 25, testPoints: 500, start: pairs, testStart: pairs)

  /// Three unit masses, started near the circular solution of the triangle.
  public static let threeBodies = HamiltonianTask(
    name: "three-body", energy: gravity(bodies: 3), motions: 5000, duration: 5, points: 20, noise: 0,
    trainingMotions: 4000, testDuration: 3, testPoints: 500, start: triangles, testStart: triangles)

  /// Every task there is.
  public static let all: [HamiltonianTask] = [.spring, .pendulum, .twoBodies, .threeBodies]

  /// The field of the law.
  public var field: HamiltonianField<KnownEnergy<Double>> { HamiltonianField(energy) }

  /// Independent states to follow motions from, [count, 2n].
  public func testStarts(_ count: Int, key: RandomKey) -> Tensor<Double> {
    require(count > 0, "HamiltonianTask: the number of starts must be positive, got \(count)")
    return testStart(count, key)
  }

  /// The motions that the law makes of rows, [times, rows, 2n]; each row has its own steps.
  /// - Throws: `SolveError` where two bodies meet.
  public func motion(from start: Tensor<Double>, at times: [Double]) throws -> Tensor<Double> {
    try odeint(from: start, at: times, rtol: 1e-10, atol: 1e-10, controller: .perLane) { t, y in field(t, y) }
      .states
  }

  /// The training and the test set that a key draws.
  /// - Throws: `SolveError` where two bodies meet.
  public func dataset<Scalar: FloatingScalar>(key: RandomKey) throws -> DerivativeDataset<Scalar> {
    let keys = key.split(2)
    let times = (0..<points).map { duration * Double($0) / Double(points - 1) }
    // [motions, points, 2n]: motions stay together, and the sets share none.
    let clean = try motion(from: start(motions, keys[0]), at: times).permuted(to: 1, 0, 2)
    let columns = clean.shape[2], rows = motions * points
    let x = clean.reshaped(to: [rows, columns])
    let noisy = noise > 0 ? x + .normal(shape: x.shape, standardDeviation: noise, key: keys[1]) : x
    let evaluated = try Tensor<Scalar>.concatenated(
      [noisy.converted(to: Scalar.self), field(x).converted(to: Scalar.self)], axis: 1
    ).evaluated()
    func samples(_ range: Range<Int>) -> DerivativeSamples<Scalar> {
      let part = evaluated[range]
      return DerivativeSamples(
        x: part.sliced(0..<columns, axis: 1), dx: part.sliced(columns..<2 * columns, axis: 1))
    }
    let split = trainingMotions * points
    return DerivativeDataset(train: samples(0..<split), test: samples(split..<rows))
  }
}

/// States and the derivatives that a field should have there, [rows, columns] each: a batch.
public struct DerivativeSamples<Scalar: FloatingScalar>: Module {
  /// States, and what the field should be at each of them, [rows, columns].
  public var x: Tensor<Scalar>, dx: Tensor<Scalar>

  /// - Parameters:
  ///   - x: [rows, columns].
  ///   - dx: of the same shape.
  public init(x: Tensor<Scalar>, dx: Tensor<Scalar>) {
    require(
      x.rank == 2 && x.shape == dx.shape,
      "DerivativeSamples: states \(x.shape) and derivatives \(dx.shape) must be rows of one shape")
    self.x = x
    self.dx = dx
  }

  /// `count` rows drawn with replacement, each as likely.
  public func drawn(_ count: Int, key: RandomKey) -> DerivativeSamples {
    let rows = Double(x.shape[0])
    // In Double: Float has no odd numbers above 2^24.
    let indices = Tensor<Double>.uniform(shape: [count], in: 0..<rows, key: key).converted(to: Int32.self)
    return DerivativeSamples(x: x.gather(at: indices), dx: dx.gather(at: indices))
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {
    visit("x", &x)
    visit("dx", &dx)
  }
}

/// What derivatives are learned from, and tested on.
public struct DerivativeDataset<Scalar: FloatingScalar>: Sendable {
  /// No row is in both, as `HamiltonianTask` and `RealPendulum` make them.
  public var train: DerivativeSamples<Scalar>, test: DerivativeSamples<Scalar>

  /// The sets are not compared: columns should be the same in both.
  public init(train: DerivativeSamples<Scalar>, test: DerivativeSamples<Scalar>) {
    self.train = train
    self.test = test
  }
}
