import Testing

@testable import NODECore

@Suite struct AveragingTests {
  private func trainer(_ optimizer: some Optimizer) -> Trainer<Linear<Double>, Tensor<Double>, Double> {
    Trainer(Linear<Double>(2, 1, key: RandomKey(seed: 1)), optimizer: optimizer) { model, x in
      square(model(x) - x.sum(axes: 1, keepingDimensions: true)).mean()
    }
  }

  private let batches = (0..<6).map {
    Tensor<Double>.normal(shape: [4, 2], key: RandomKey(seed: UInt64($0)))
  }

  /// PyTorch's AveragedModel: the first update copies, then average += (1 - decay) (parameters - average). The training
  /// itself is the same bit for bit.
  @Test func followsTheParameters() throws {
    var plain = trainer(.adam(learningRate: 0.1)),
      averaging = trainer(Adam(learningRate: 0.1).averaged(decay: 0.7))
    #expect(plain.averagedModel == nil)
    #expect(
      averaging.averagedModel!.parameterVector(Double.self).scalars
        == averaging.model.parameterVector(Double.self).scalars)
    var average: [Double] = []
    for batch in batches {
      try plain.step(batch)
      try averaging.step(batch)
      let p = plain.model.parameterVector(Double.self).scalars
      #expect(averaging.model.parameterVector(Double.self).scalars == p)
      average = average.isEmpty ? p : zip(average, p).map { $0 + 0.3 * ($1 - $0) }
      let kept = averaging.averagedModel!.parameterVector(Double.self).scalars
      for (a, b) in zip(kept, average) { #expect(abs(a - b) < 1e-14) }
    }
    var resumed = trainer(Adam(learningRate: 0.1).averaged(decay: 0.7))
    try resumed.restore(try Checkpoint(averaging.checkpoint().encoded))
    try resumed.step(batches[0])
    try averaging.step(batches[0])
    #expect(
      resumed.averagedModel!.parameterVector(Double.self).scalars
        == averaging.averagedModel!.parameterVector(Double.self).scalars)
  }

  @Test func clippingByTheGlobalNorm() {
    let gradients = [Tensor<Double>([3, 0]), Tensor<Double>([[0], [4]])]
    #expect(globalNorm(gradients).scalar == 5)
    let (clipped, norm) = clippedByGlobalNorm(gradients, maximum: 1)
    #expect(norm.scalar == 5)
    for (a, b) in zip(clipped.flatMap(\.scalars), [0.6, 0, 0, 0.8]) { #expect(abs(a - b) < 1e-15) }
    #expect(clippedByGlobalNorm(gradients, maximum: 5).gradients.map(\.scalars) == gradients.map(\.scalars))
    let model = Linear<Double>(2, 1, key: RandomKey(seed: 2))
    let (_, gradient) = valueAndGradient(of: model) { $0(Tensor<Double>([[10, -20]])).sum() }
    let limited = gradient.clippedByGlobalNorm(maximum: 0.5, Double.self)
    #expect(abs(limited.norm.scalar - 501.0.squareRoot()) < 1e-12)
    let expected = [10, -20, 1].map { $0 * 0.5 / 501.0.squareRoot() }
    for (a, b) in zip(limited.gradient.parameterVector(Double.self).scalars, expected) {
      #expect(abs(a - b) < 1e-15)
    }
  }
}
