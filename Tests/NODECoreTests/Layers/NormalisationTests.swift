import Testing

@testable import NODECore

/// Normalisation layers against their definitions in plain loops, and their derivatives against finite differences.
@Suite struct NormalisationTests {
  private func random(_ shape: Shape, _ seed: UInt64) -> Tensor<Double> {
    Tensor.normal(shape: shape, key: RandomKey(seed: seed))
  }

  private func expectClose(_ a: [Double], _ b: [Double], _ tolerance: Double = 1e-12) {
    #expect(a.count == b.count)
    for (x, y) in zip(a, b) { #expect(abs(x - y) <= tolerance * max(1, abs(y))) }
  }

  /// x minus the mean, over the root of variance + epsilon, for every group of places.
  private func normalised(_ x: [Double], groups: [[Int]]) -> [Double] {
    var y = x
    for group in groups {
      let n = Double(group.count)
      let mean = group.reduce(0) { $0 + x[$1] } / n
      let variance = group.reduce(0) { $0 + (x[$1] - mean) * (x[$1] - mean) } / n
      for place in group { y[place] = (x[place] - mean) / (variance + 1e-5).squareRoot() }
    }
    return y
  }

  @Test(arguments: [[7], [3, 7], [2, 3, 7]])
  func layerNorm(_ dimensions: [Int]) throws {
    var layer = LayerNorm<Double>(7)
    layer.scale = random([7], 1)
    layer.bias = random([7], 2)
    let x = random(Shape(dimensions), 3), rows = x.count / 7
    let plain = normalised(x.scalars, groups: (0..<rows).map { row in (0..<7).map { row * 7 + $0 } })
    let scale = layer.scale.scalars, bias = layer.bias.scalars
    expectClose(layer(x).scalars, plain.indices.map { plain[$0] * scale[$0 % 7] + bias[$0 % 7] })
    let fixed = layer
    try checkGradient(of: { tanh(fixed($0)) }, at: x, order: 2).verify()
  }

  /// A single feature has no variance: only the shift is left.
  @Test func layerNormOfOneFeature() {
    #expect(LayerNorm<Double>(1)(random([4, 1], 4)).scalars == [0, 0, 0, 0])
  }

  @Test(arguments: [true, false])
  func instanceNorm(_ affine: Bool) throws {
    var layer = InstanceNorm<Double>(channels: 3, affine: affine)
    #expect(layer.parameterCount == (affine ? 6 : 0))
    if affine { (layer.scale, layer.bias) = (random([3], 5), random([3], 6)) }
    let x = random([2, 4, 5, 3], 7)
    let groups = (0..<6).map { g in (0..<20).map { g / 3 * 60 + $0 * 3 + g % 3 } }
    let plain = normalised(x.scalars, groups: groups)
    let scale = layer.scale?.scalars ?? [1, 1, 1], bias = layer.bias?.scalars ?? [0, 0, 0]
    expectClose(layer(x).scalars, plain.indices.map { plain[$0] * scale[$0 % 3] + bias[$0 % 3] })
    let fixed = layer
    try checkGradient(of: { tanh(fixed($0)) }, at: x, order: 2, tolerance: 1e-6).verify()
  }

  @Test func batchNorm() throws {
    var layer = BatchNorm<Double>(channels: 3)
    layer.scale = random([3], 8)
    layer.bias = random([3], 9)
    let x = random([4, 5, 3], 10), xs = x.scalars
    let groups = (0..<3).map { channel in (0..<20).map { $0 * 3 + channel } }
    let plain = normalised(xs, groups: groups)
    let scale = layer.scale.scalars, bias = layer.bias.scalars
    var trained = layer
    expectClose(trained.training(x).scalars, plain.indices.map { plain[$0] * scale[$0 % 3] + bias[$0 % 3] })
    // PyTorch: running = 0.9 running + 0.1 batch, the variance unbiased.
    let means = groups.map { group in group.reduce(0) { $0 + xs[$1] } / 20 }
    let variances = zip(groups, means).map { group, mean in
      group.reduce(0) { $0 + (xs[$1] - mean) * (xs[$1] - mean) } / 19
    }
    expectClose(trained.runningMean.scalars, means.map { 0.1 * $0 })
    expectClose(trained.runningVariance.scalars, variances.map { 0.9 + 0.1 * $0 })
    // Inference by what was kept; the batch does not matter.
    let mean = trained.runningMean.scalars, variance = trained.runningVariance.scalars
    let expected = xs.indices.map { i -> Double in
      let c = i % 3
      return (xs[i] - mean[c]) / (variance[c] + 1e-5).squareRoot() * scale[c] + bias[c]
    }
    expectClose(trained(x).scalars, expected)
    expectClose(trained(x[1..<2]).scalars, Array(expected[15..<30]))

    let fixed = layer
    let report = try checkGradient(
      of: { x in
        var copy = fixed
        return tanh(copy.training(x))
      }, at: x, order: 2, tolerance: 1e-6)
    try report.verify()
    let after = trained
    try checkGradient(of: { tanh(after($0)) }, at: x, order: 2).verify()
  }

  private struct Net: Module {
    var norm = BatchNorm<Double>(channels: 2)
    var linear = Linear<Double>(2, 1, key: RandomKey(seed: 11))
    mutating func training(_ x: Tensor<Double>) -> Tensor<Double> { linear(norm.training(x)) }
    mutating func visitParameters(_ visit: inout ParameterVisitor) {
      visit("norm", &norm)
      visit("linear", &linear)
    }
  }

  /// The running statistics of a training run are those of the batches, untouched by the optimizer and its decay; the
  /// other parameters are what the optimizer makes without them.
  @Test func runningStatisticsInATrainer() throws {
    let batches = (0..<5).map { random([8, 2], UInt64(20 + $0)) * 3.0 + 2.0 }
    var trainer = Trainer(Net(), optimizer: .sgd(learningRate: 0.1, momentum: 0.9, weightDecay: 0.1)) {
      (model: Net, x: Tensor<Double>, _: RandomKey) in
      var model = model
      let y = model.training(x)
      return Objective(loss: square(y - x[0..., 0..<1]).mean(), model: model)
    }
    var mean = Tensor<Double>.zeros([2]), variance = Tensor<Double>.ones([2])
    for x in batches {
      try trainer.step(x)
      mean = mean * 0.9 + x.mean(axes: 0) * 0.1
      variance = variance * 0.9 + x.variance(axes: 0) * (8.0 / 7 * 0.1)
    }
    expectClose(trainer.model.norm.runningMean.scalars, mean.scalars)
    expectClose(trainer.model.norm.runningVariance.scalars, variance.scalars)
    #expect(trainer.model.linear.weight.scalars != Net().linear.weight.scalars)
    // They are in the checkpoint.
    var other = Trainer(Net(), optimizer: .sgd(learningRate: 0.1, momentum: 0.9, weightDecay: 0.1)) {
      (model: Net, x: Tensor<Double>) in model.linear(x).mean()
    }
    try other.restore(try Checkpoint(trainer.checkpoint().encoded))
    #expect(other.model.norm.runningMean.scalars == trainer.model.norm.runningMean.scalars)
  }

  /// Where the objective replaces no statistics, nothing moves them: no decay, no step, in no form.
  @Test func frozenStatisticsInATrainer() throws {
    var net = Net()
    _ = net.norm.training(random([8, 2], 30) * 3.0 + 2.0)
    let mean = net.norm.runningMean.scalars, variance = net.norm.runningVariance.scalars
    let optimizers: [any Optimizer] = [
      Adam(learningRate: 0.1, weightDecay: 0.5, decoupled: true), Adam(learningRate: 0.1, weightDecay: 0.5),
      SGD(learningRate: 0.1, momentum: 0.9, weightDecay: 0.5),
    ]
    for optimizer in optimizers {
      func make(_ optimizer: some Optimizer) -> Trainer<Net, Tensor<Double>, Double> {
        Trainer(net, optimizer: optimizer) { model, x in square(model.linear(model.norm(x))).mean() }
      }
      var trainer = make(optimizer)
      for seed in 31..<34 { try trainer.step(random([8, 2], UInt64(seed))) }
      #expect(trainer.model.norm.runningMean.scalars == mean)
      #expect(trainer.model.norm.runningVariance.scalars == variance)
      #expect(trainer.model.norm.scale.scalars != net.norm.scale.scalars)
    }
    #expect(net.parameterCount == 4 + 3 && net.parameterLayout.count == 4 + 4 + 3)
    #expect(
      net.parameterLayout.entries.filter { !$0.isTrained }.map(\.name) == [
        "norm.runningMean", "norm.runningVariance",
      ])
  }

  /// Averaged with no memory at all, the average is the model, its statistics too.
  @Test func averagesOfRunningStatistics() throws {
    var trainer = Trainer(Net(), optimizer: Adam(learningRate: 0.1).averaged(decay: 0)) {
      (model: Net, x: Tensor<Double>, _: RandomKey) in
      var model = model
      let y = model.training(x)
      return Objective(loss: square(y).mean(), model: model)
    }
    for seed in 40..<45 {
      try trainer.step(random([8, 2], UInt64(seed)) * 3.0 + 2.0)
      expectClose(
        trainer.averagedModel!.parameterVector(Double.self).scalars,
        trainer.model.parameterVector(Double.self).scalars)
    }
  }

  @Test func dropout() throws {
    let layer = Dropout<Double>(0.3), x = Tensor<Double>.ones([200, 100])
    #expect(layer(x).scalars == x.scalars)
    let y = layer(x, key: RandomKey(seed: 12)).scalars
    let kept = y.count { $0 != 0 }
    #expect(y.allSatisfy { $0 == 0 || abs($0 - 1 / 0.7) < 1e-15 })
    // 20,000 draws: 5 standard deviations of the share are 0.0162.
    #expect(abs(Double(kept) / 20_000 - 0.7) < 0.0162)
    #expect(layer(x, key: RandomKey(seed: 12)).scalars == y)
    #expect(layer(x, key: RandomKey(seed: 13)).scalars != y)
    #expect(Dropout<Double>(0)(x, key: RandomKey(seed: 12)).scalars == x.scalars)
    try checkGradient(of: { square(layer($0, key: RandomKey(seed: 14))) }, at: random([3, 4], 15), order: 2)
      .verify()
  }
}
