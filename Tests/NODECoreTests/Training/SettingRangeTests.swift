import Testing

@testable import NODECore

private typealias D = Tensor<Double>

/// A setting outside of its range, and what the message has to say.
private struct Misuse: Sendable {
  let words: [String]
  let make: @Sendable () -> Void

  init(_ words: String..., make: @escaping @Sendable () -> Void) {
    self.words = words
    self.make = make
  }
}

private func takeStep(_ optimizer: some Optimizer) {
  _ = optimizer.update(
    parameters: D([1]), gradient: D([1]), state: optimizer.stateNames.map { _ in D([0]) },
    learningRate: D(0.1), step: D(1.0))
}

private func takeFloatStep(_ optimizer: some Optimizer) {
  _ = optimizer.update(
    parameters: Tensor<Float>([1]), gradient: Tensor<Float>([1]),
    state: optimizer.stateNames.map { _ in Tensor<Float>([0]) }, learningRate: Tensor<Float>(0.1),
    step: Tensor<Float>(1.0))
}

private func train(_ maximumGradientNorm: Double) {
  _ = Trainer(
    Linear<Float>(1, 1), optimizer: .sgd(learningRate: 1), maximumGradientNorm: maximumGradientNorm
  ) { (model: Linear<Float>, x: Tensor<Float>) in model(x).sum() }
}

private func minimize(_ change: (inout LBFGS) -> Void) {
  var method = LBFGS()
  change(&method)
  _ = try? method.minimize(from: D([1.0])) { square($0).sum() }
}

private func draw(_ initializer: Initializer, fanIn: Int = 2, fanOut: Int = 2) {
  let drawn: Tensor<Float> = initializer([2], fanIn: fanIn, fanOut: fanOut, key: RandomKey(seed: 1))
  _ = drawn
}

private let optimizers: [Misuse] = [
  Misuse("Adam", "beta1", "[0, 1)", "1.0") { _ = Adam(learningRate: 1, beta1: 1) },
  Misuse("AdamW", "beta2", "[0, 1)", "-0.5") { takeStep(.adamW(learningRate: 1, beta2: -0.5)) },
  Misuse("Adam", "beta2", "nan") { _ = Adam(learningRate: 1, beta2: .nan) },
  Misuse("Adam", "epsilon", "positive", "0.0") { _ = Adam(learningRate: 1, epsilon: 0) },
  Misuse("AdamW", "weightDecay", "-0.01") {
    _ = Adam(learningRate: 1, weightDecay: -0.01, decoupled: true)
  },
  Misuse("Adam", "beta1", "1.5") {
    var adam = Adam(learningRate: 1)
    adam.beta1 = 1.5
    takeStep(adam)
  },
  Misuse("RMSprop", "decay", "[0, 1)", "1.0") { takeStep(.rmsProp(learningRate: 1, decay: 1)) },
  Misuse("RMSprop", "epsilon", "-1.0") { _ = RMSprop(learningRate: 1, epsilon: -1) },
  Misuse("Adam", "epsilon", "Float", "1e-50") { takeFloatStep(Adam(learningRate: 1, epsilon: 1e-50)) },
  Misuse("AdamW", "epsilon", "Float", "1e-50") { takeFloatStep(.adamW(learningRate: 1, epsilon: 1e-50)) },
  Misuse("RMSprop", "epsilon", "Float", "1e-50") { takeFloatStep(RMSprop(learningRate: 1, epsilon: 1e-50)) },
  Misuse("RMSprop", "momentum", "2.0") {
    var optimizer = RMSprop(learningRate: 1)
    optimizer.momentum = 2
    takeStep(optimizer)
  },
  Misuse("RMSprop", "weightDecay", "inf") { _ = RMSprop(learningRate: 1, weightDecay: .infinity) },
  Misuse("SGD", "momentum", "[0, 1)", "1.0") { takeStep(.sgd(learningRate: 1, momentum: 1)) },
  Misuse("SGD", "weightDecay", "-1.0") { _ = SGD(learningRate: 1, weightDecay: -1) },
  Misuse("SGD", "Nesterov", "0.0") {
    var optimizer = SGD(learningRate: 1, momentum: 0.9, nesterov: true)
    optimizer.momentum = 0
    takeStep(optimizer)
  },
  Misuse("averaged", "decay", "1.0") {
    var optimizer = SGD(learningRate: 1).averaged(decay: 0.9)
    optimizer.decay = 1
    takeStep(optimizer)
  },
  Misuse("Trainer", "maximumGradientNorm", "positive", "0.0") { train(0) },
  Misuse("Trainer", "maximumGradientNorm", "-1.0") { train(-1) },
  Misuse("Trainer", "maximumGradientNorm", "finite", "inf") { train(.infinity) },
  Misuse("Trainer", "maximumGradientNorm", "Float", "1e+300") { train(1e300) },
  Misuse("clippedByGlobalNorm", "maximum", "nan") { _ = clippedByGlobalNorm([D([1])], maximum: .nan) },
  Misuse("LBFGS", "memory", "0") { minimize { $0.memory = 0 } },
  Misuse("LBFGS", "maximumIterations", "-1") { minimize { $0.maximumIterations = -1 } },
  Misuse("LBFGS", "maximumEvaluations", "0") { minimize { $0.maximumEvaluations = 0 } },
  Misuse("LBFGS", "gradientTolerance", "-1.0") { _ = LBFGS(gradientTolerance: -1) },
  Misuse("LBFGS", "changeTolerance", "nan") { minimize { $0.changeTolerance = .nan } },
  Misuse("StrongWolfe", "0.0001", "2.0") { minimize { $0.lineSearch.curvature = 2 } },
  Misuse("StrongWolfe", "maximumEvaluations", "0") { minimize { $0.lineSearch.maximumEvaluations = 0 } },
]

private let schedules: [Misuse] = [
  Misuse("Schedule", "rate", "-1.0") { _ = Adam(learningRate: -1) },
  Misuse("Schedule", "rate", "nan") { _ = Schedule.constant(.nan) },
  Misuse("Schedule.steps", "factor", "inf") { _ = Schedule.steps(1, at: [2], factor: .infinity) },
  Misuse("Schedule.cosine", "end", "-1.0") { _ = Schedule.cosine(1, steps: 3, end: -1) },
  Misuse("Schedule.cosine", "steps", "0") { _ = Schedule.cosine(1, steps: 0) },
  Misuse("Schedule.exponential", "factor", "inf") { _ = Schedule.exponential(1, factor: .infinity) },
  Misuse("Schedule.exponential", "every", "0") { _ = Schedule.exponential(1, factor: 0.5, every: 0) },
  Misuse("Schedule.rate", "step 2000", "inf") { _ = Schedule.exponential(1, factor: 2).rate(at: 2000) },
  Misuse("Schedule.piecewise", "rate", "-0.5") { _ = Schedule.piecewise([1, -0.5], at: [3]) },
  Misuse("Schedule.linear", "rate", "-0.5") { _ = Schedule.linear((0, 1), (3, -0.5)) },
  Misuse("Schedule.warmUpCosine", "start", "-0.5") {
    _ = Schedule.warmUpCosine(1, warmUp: 2, steps: 4, start: -0.5)
  },
  Misuse("Schedule.oneCycle", "startDivisor", "0.0") {
    _ = Schedule.oneCycle(1, steps: 9, startDivisor: 0)
  },
  Misuse("Schedule.oneCycle", "endDivisor", "-2.0") { _ = Schedule.oneCycle(1, steps: 9, endDivisor: -2) },
  Misuse("Schedule.oneCycle", "warmUp", "[0, 1]", "1.5") { _ = Schedule.oneCycle(1, steps: 9, warmUp: 1.5) },
  Misuse("Schedule.oneCycle", "steps", "0") { _ = Schedule.oneCycle(1, steps: 0) },
  Misuse("Schedule.warmedUp", "-1") { _ = Schedule.constant(1).warmedUp(steps: -1) },
]

private let layers: [Misuse] = [
  Misuse("huberLoss", "delta", "0.0") { _ = huberLoss(D([1]), D([2]), delta: 0) },
  Misuse("huberLoss", "delta", "nan") { _ = huberLoss(D([1]), D([2]), delta: .nan) },
  Misuse("bernoulli", "probability", "[0, 1]", "1.5") {
    _ = D.bernoulli(shape: [2], probability: 1.5, key: RandomKey(seed: 1))
  },
  Misuse("normal", "standard deviation", "-1.0") {
    _ = D.normal(shape: [2], standardDeviation: -1, key: RandomKey(seed: 1))
  },
  Misuse("normal", "mean", "Float", "1e+300") {
    _ = Tensor<Float>.normal(shape: [2], mean: 1e300, key: RandomKey(seed: 1))
  },
  Misuse("BatchNorm", "momentum", "[0, 1]", "1.5") { _ = BatchNorm<Double>(channels: 1, momentum: 1.5) },
  Misuse("BatchNorm", "momentum", "-1.0") {
    var layer = BatchNorm<Double>(channels: 1)
    layer.momentum = -1
    _ = layer
  },
  Misuse("BatchNorm", "epsilon", "0.0") { _ = BatchNorm<Double>(channels: 1, epsilon: 0) },
  Misuse("BatchNorm", "epsilon", "Float", "1e-50") { _ = BatchNorm<Float>(channels: 1, epsilon: 1e-50) },
  Misuse("groupNorm", "epsilon", "inf") { _ = groupNorm(D.ones([2, 2]), groups: 1, epsilon: .infinity) },
  Misuse("Dropout", "[0, 1)", "1.0") { _ = Dropout<Double>(1) },
  Misuse("Dropout", "[0, 1)", "-0.5") {
    var layer = Dropout<Double>(0.5)
    layer.probability = -0.5
    _ = layer
  },
  Misuse("Initializer.fanIn", "in 0", "out 2") { draw(.fanIn, fanIn: 0) },
  Misuse("Initializer.kaimingNormal", "in 0") { draw(.kaimingNormal(), fanIn: 0) },
  Misuse("Initializer.xavierUniform", "out 0") { draw(.xavierUniform(), fanOut: 0) },
  Misuse("Initializer.kaimingUniform", "gain", "-1.0") { draw(.kaimingUniform(gain: -1)) },
  Misuse("Initializer.uniform", "range", "inf") { draw(.uniform(0..<Double.infinity)) },
  Misuse("Initializer.uniform", "range", "too wide") { draw(.uniform(-3e38..<3e38)) },
  Misuse("Initializer.normal", "standard deviation", "nan") { draw(.normal(standardDeviation: .nan)) },
  Misuse("Initializer.truncatedNormal", "standard deviation", "0.0") {
    draw(.truncatedNormal(standardDeviation: 0))
  },
  Misuse("Initializer.truncatedNormal", "range", "inf") { draw(.truncatedNormal(in: 0...Double.infinity)) },
  Misuse("Initializer.truncatedNormal", "40.0...41.0", "too far") { draw(.truncatedNormal(in: 40...41)) },
  Misuse("Initializer.truncatedNormal", "-41.0...-40.0", "too far") {
    draw(.truncatedNormal(in: -41 ... -40))
  },
  Misuse("Controller.adaptive", "gains", "i: 0.0") { _ = Controller.adaptive(law: .gains(i: 0, p: 0.4)) },
  Misuse("Controller.adaptive", "gains", "p: -1.0") { _ = Controller.adaptive(law: .gains(i: 1, p: -1)) },
  Misuse("Controller.adaptive", "gains", "nan") { _ = Controller.adaptive(law: .gains(i: 0.3, p: .nan)) },
]

@Suite struct SettingRangeTests {
  private func expectSentence(_ misuse: Misuse, _ error: [UInt8]) {
    let message = String(decoding: error, as: UTF8.self)
    for word in misuse.words { #expect(message.contains(word), "\(misuse.words): \(message.prefix(300))") }
  }

  @Test(arguments: optimizers.indices)
  func optimizersStopWithASentence(_ index: Int) async throws {
    let result = try await #require(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) { [index] in
      optimizers[index].make()
    }
    expectSentence(optimizers[index], result.standardErrorContent)
  }

  @Test(arguments: schedules.indices)
  func schedulesStopWithASentence(_ index: Int) async throws {
    let result = try await #require(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) { [index] in
      schedules[index].make()
    }
    expectSentence(schedules[index], result.standardErrorContent)
  }

  @Test(arguments: layers.indices)
  func layersStopWithASentence(_ index: Int) async throws {
    let result = try await #require(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) { [index] in
      layers[index].make()
    }
    expectSentence(layers[index], result.standardErrorContent)
  }

  /// The ends that belong to the ranges.
  @Test func whatIsAllowedIsAllowed() throws {
    takeStep(Adam(learningRate: 0, beta1: 0, beta2: 0, weightDecay: 0))
    takeStep(RMSprop(learningRate: 0, decay: 0))
    takeStep(Adam(learningRate: 1, epsilon: 1e-50))
    #expect(Schedule.exponential(1, factor: 2).rate(at: 10) == 1024)
    #expect(Schedule.oneCycle(1, steps: 1, warmUp: 1).rate(at: 0) == 1)
    #expect(D.bernoulli(shape: [9], probability: 1, key: RandomKey(seed: 1)).scalars == D.ones([9]).scalars)
    #expect(D.bernoulli(shape: [9], probability: 0, key: RandomKey(seed: 1)).scalars == D.zeros([9]).scalars)
    #expect(
      D.normal(shape: [2], mean: 3, standardDeviation: 0, key: RandomKey(seed: 1)).scalars == [3, 3])
    // A delta beyond all distances: half the mean square.
    #expect(huberLoss(D([1]), D([3]), delta: .infinity).scalar == 2)
    var layer = BatchNorm<Double>(channels: 1, momentum: 0)
    layer.momentum = 1
    #expect(layer.momentum == 1)
    // A point is a range, too.
    let drawn: D = Initializer.truncatedNormal(in: 1...1)([2], fanIn: 1, fanOut: 1, key: RandomKey(seed: 1))
    #expect(drawn.scalars == [1, 1])
  }
}
