import NODECore

/// One fixed small run that the check watches. Adding one is a line in `PerformanceCase.all` and a renewed baseline.
public struct PerformanceCase: Sendable, CustomStringConvertible {
  public let name: String
  /// What its time is divided by.
  public let yardstick: Yardstick
  public let make: @Sendable () throws -> any CountedSubject

  public static func named(_ name: String) -> PerformanceCase? { all.first { $0.name == name } }

  public var description: String { name }
}

extension PerformanceCase {
  public static let all: [PerformanceCase] = [
    PerformanceCase(name: "mlp-step", yardstick: .arithmetic) { try mlpStep() },
    PerformanceCase(name: "optimizer-step", yardstick: .memory) { try optimizerStep() },
    PerformanceCase(name: "ode-exact", yardstick: .arithmetic) { try fieldStep(.exact, adaptive: false) },
    PerformanceCase(name: "ode-backsolve", yardstick: .arithmetic) {
      try fieldStep(.backsolve, adaptive: false)
    },
    PerformanceCase(name: "ode-adaptive", yardstick: .arithmetic) { try fieldStep(.exact, adaptive: true) },
    PerformanceCase(name: "ode-few-checkpoints", yardstick: .arithmetic) {
      try fieldStep(.exact(memory: .bytes(16 << 10)), adaptive: false)
    },
    PerformanceCase(name: "spiral-step", yardstick: .arithmetic) { try spiralStep() },
    PerformanceCase(name: "odenet-step", yardstick: .arithmetic) {
      try imageStep(.odeNet(channels: 8, key: RandomKey(seed: 5)))
    },
    PerformanceCase(name: "resnet-step", yardstick: .arithmetic) {
      try imageStep(.resNet(blocks: 2, channels: 8, key: RandomKey(seed: 5)))
    },
    PerformanceCase(name: "lotka-volterra", yardstick: .arithmetic) { try lotkaVolterra() },
    PerformanceCase(name: "one-lane", yardstick: .arithmetic) { try oneLane() },
  ]

  /// An MLP 64-128-10 with Adam on 64 samples.
  private static func mlpStep() throws -> any CountedSubject {
    let batch = Rows(
      x: try .normal(shape: [64, 64], key: RandomKey(seed: 1)).evaluated(),
      labels: Tensor((0..<64).map { Int32($0 % 10) }))
    return try TrainingSubject(
      MLP<Float>(64, 128, 10, activation: .tanh, key: RandomKey(seed: 2)),
      optimizer: .adam(learningRate: 1e-3), batch: batch,
      fill: {
        _ = $0.scalars(0, of: Float.self).update(fromContentsOf: batch.x.scalars)
        _ = $0.scalars(1, of: Int32.self).update(fromContentsOf: batch.labels.scalars)
      }
    ) { net, batch in softmaxCrossEntropy(logits: net(batch.x), labels: batch.labels).mean() }
  }

  /// Adam on a million parameters with next to no gradient to compute: memory bound.
  private static func optimizerStep() throws -> any CountedSubject {
    let scale = Scale(factor: Tensor(1))
    return try TrainingSubject(
      Vector(parameters: try .normal(shape: [1 << 20], key: RandomKey(seed: 3)).evaluated()),
      optimizer: .adam(learningRate: 1e-3), batch: scale, fill: { $0.scalars(0, of: Float.self)[0] = 1 }
    ) { vector, batch in (square(vector.parameters) * batch.factor).mean() }
  }

  /// A field 16-64-16 on 64 lanes: rk4 with 20 steps, or dopri5 at 1e-5.
  private static func fieldStep(_ sensitivity: SensitivityMethod, adaptive: Bool) throws -> any CountedSubject
  {
    let y0 = try Tensor<Float>.normal(shape: [64, 16], key: RandomKey(seed: 4)).evaluated()
    return try TrainingSubject(
      MLP<Float>(16, 64, 16, activation: .tanh, key: RandomKey(seed: 2)), optimizer: .sgd(learningRate: 1e-3),
      batch: y0, fill: { _ = $0.scalars(0, of: Float.self).update(fromContentsOf: y0.scalars) }
    ) { net, y0 in
      let solution = try odeint(
        from: y0, at: [0, 1], method: adaptive ? .dopri5 : .rk4, rtol: adaptive ? 1e-5 : nil,
        atol: adaptive ? 1e-5 : nil, controller: adaptive ? .automatic : .fixed(stepsPerInterval: 20),
        sensitivity: sensitivity
      ) { _, y in net(y) }
      return square(solution.final).mean()
    }
  }

  /// torchdiffeq's spiral demo: 2-50-2 on the cube, 20 lanes, ten observation times.
  private static func spiralStep() throws -> any CountedSubject {
    let observed = try Tensor<Float>.uniform(shape: [20, 2], in: -2..<2, key: RandomKey(seed: 6)).evaluated()
    let times = (0..<10).map { Double($0) * 0.025 }
    return try TrainingSubject(
      MLP<Float>(2, 50, 2, activation: .tanh, key: RandomKey(seed: 2)), optimizer: .adam(learningRate: 1e-3),
      batch: observed, fill: { _ = $0.scalars(0, of: Float.self).update(fromContentsOf: observed.scalars) }
    ) { net, y0 in
      let path = try odeint(from: y0, at: times, rtol: 1e-6, atol: 1e-6) { _, y in net(y * y * y) }
      return abs(path.states - y0).mean()
    }
  }

  /// A narrow network of the MNIST table on eight generated images.
  private static func imageStep(_ model: ImageClassifier<Float>) throws -> any CountedSubject {
    let data = SyntheticDigits.dataset(count: 8, key: RandomKey(seed: 7))
    return try TrainingSubject(
      model, optimizer: .sgd(learningRate: 1e-3, momentum: 0.9), batch: data.batch(0..<8),
      fill: { $0.fill(from: data, 0..<8) }
    ) { model, batch in softmaxCrossEntropy(logits: try model(batch.images), labels: batch.labels).mean() }
  }

  /// 64 predators and preys in double precision, dopri5 at 1e-6 to t = 10.
  private static func lotkaVolterra() throws -> any CountedSubject {
    let y0 = try Tensor<Double>.uniform(shape: [64, 2], in: 0.5..<2, key: RandomKey(seed: 8)).evaluated()
    let rates = try Tensor<Double>.uniform(shape: [64, 4], in: 0.5..<1.5, key: RandomKey(seed: 9)).evaluated()
    return SolveSubject(
      from: y0, times: (0, 10),
      compiled { (y0: Tensor<Double>, times: Tensor<Double>) in
        let solution = solve(from: y0, at: times) { _, y in lotkaVolterraField(y, rates: rates) }
        return (solution.states, solution.statisticsTensor)
      })
  }

  /// One lane of a small field through a thousand steps: what a step costs beside its arithmetic.
  private static func oneLane() throws -> any CountedSubject {
    let net = MLP<Float>(4, 16, 4, activation: .tanh, key: RandomKey(seed: 2))
    return SolveSubject(
      from: Tensor<Float>([0.1, -0.2, 0.3, 0.4], shape: [1, 4]), times: (0, 10),
      compiled { (y0: Tensor<Float>, times: Tensor<Double>) in
        let solution = solve(from: y0, at: times, method: .rk4, controller: .fixed(step: 0.01)) { _, y in
          net(y)
        }
        return (solution.states, solution.statisticsTensor)
      })
  }
}

/// dx/dt = a x - b x y, dy/dt = d x y - c y, one system a row: y [n, 2], rates a, b, c, d [n, 4].
public func lotkaVolterraField<S: FloatingScalar>(_ y: Tensor<S>, rates: Tensor<S>) -> Tensor<S> {
  let prey = y[..., 0..<1], predators = y[..., 1..<2]
  let meetings = prey * predators
  return .concatenated(
    [
      rates[..., 0..<1] * prey - rates[..., 1..<2] * meetings,
      rates[..., 3..<4] * meetings - rates[..., 2..<3] * predators,
    ], axis: 1)
}

private struct Rows: Module {
  var x: Tensor<Float>
  var labels: Tensor<Int32>
  mutating func visitParameters(_ visit: inout ParameterVisitor) {
    visit("x", &x)
    visit("labels", &labels)
  }
}

private struct Vector: Module {
  var parameters: Tensor<Float>
  mutating func visitParameters(_ visit: inout ParameterVisitor) { visit("parameters", &parameters) }
}

private struct Scale: Module {
  var factor: Tensor<Float>
  mutating func visitParameters(_ visit: inout ParameterVisitor) { visit("factor", &factor) }
}
