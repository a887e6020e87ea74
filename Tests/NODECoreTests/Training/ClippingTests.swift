import Testing

@testable import NODECore

private typealias D = Tensor<Double>

@Suite struct ClippingTests {
  private func expectClose<S: FloatingScalar>(_ a: [S], _ b: [S], _ tolerance: S) {
    #expect(a.count == b.count)
    for (x, y) in zip(a, b) { #expect(abs(x - y) <= tolerance * abs(y), "\(x), expected \(y)") }
  }

  @Test func keepsTheDirection() {
    func clip(_ g: D, _ maximum: Double) -> [Double] {
      clippedByGlobalNorm([g], maximum: maximum).gradients[0].scalars
    }
    expectClose(clip(D([3, -4]), 1), [0.6, -0.8], 1e-15)
    #expect(clip(D([3, -4]), 10) == [3, -4] && clip(D([3, -4]), 5) == [3, -4])
    #expect(clip(D([0, 0]), 1) == [0, 0])
  }

  /// Squares of the elements are above, or below, every number of the type.
  @Test func squaresNeitherOverflowNorVanish() {
    let large = clippedByGlobalNorm([Tensor<Float>([3e30]), Tensor<Float>([-4e30])], maximum: 1)
    expectClose([large.norm.scalar], [5e30], 1e-6)
    expectClose(large.gradients.flatMap(\.scalars), [0.6, -0.8], 1e-6)
    let small = clippedByGlobalNorm([Tensor<Float>([3e-30, -4e-30])], maximum: 1e-30)
    expectClose([small.norm.scalar], [5e-30], 1e-6)
    expectClose(small.gradients[0].scalars, [0.6e-30, -0.8e-30], 1e-6)
    let double = clippedByGlobalNorm([D([3e200, -4e200])], maximum: 1)
    expectClose([double.norm.scalar], [5e200], 1e-14)
    expectClose(double.gradients[0].scalars, [0.6, -0.8], 1e-14)
  }

  /// A norm that the type has not: the direction is still right.
  @Test func aNormAboveEveryNumberStillClips() {
    let (gradients, norm) = clippedByGlobalNorm([Tensor<Float>([3e38, 3e38])], maximum: 1)
    #expect(norm.scalar == .infinity)
    expectClose(gradients[0].scalars, [Float](repeating: Float(0.5).squareRoot(), count: 2), 1e-6)
  }

  @Test func nothingAndWhatIsNoNumber() {
    #expect(globalNorm([D.zeros([0]), D.zeros([2, 0])]).scalar == 0)
    #expect(globalNorm([D]()).scalar == 0)
    #expect(globalNorm([D([3]), D.zeros([0]), D([4])]).scalar == 5)
    for bad in [[Double.nan, 0], [0, .nan], [1, .nan]] {
      let (gradients, norm) = clippedByGlobalNorm([D([bad[0]]), D([bad[1]])], maximum: 1)
      #expect(norm.scalar.isNaN)
      #expect(gradients.flatMap(\.scalars).allSatisfy { $0.isNaN })
    }
    #expect(globalNorm([D([1, .infinity])]).scalar == .infinity)
  }

  /// In a trace: of the norm, of what is clipped, and of what is not.
  @Test func derivatives() throws {
    let x = D([3, -4, 0.5]), w = D([0.3, 0.7, -0.2])
    let functions: [(String, @Sendable (D) -> D)] = [
      ("norm", { globalNorm([square($0), $0]) }),
      ("clipped", { clippedByGlobalNorm([$0 * w, sin($0)], maximum: 0.5).gradients[0] }),
      ("left", { clippedByGlobalNorm([$0 * $0 * w], maximum: 100).gradients[0] }),
    ]
    for (name, f) in functions {
      let report = try checkGradient(of: f, at: x, order: 2)
      #expect(report.passed, "\(name): \(report)")
    }
    let large = gradient(at: Tensor<Float>([3e30, -4e30])) { globalNorm([$0]) }
    expectClose(large.scalars, [0.6, -0.8], 1e-6)
    #expect(gradient(at: D([0, 0])) { globalNorm([$0]) }.scalars == [0, 0])
    #expect(
      gradient(at: D([0, 0])) { clippedByGlobalNorm([$0], maximum: 1).gradients[0].sum() }.scalars == [1, 1])
  }

  /// The step of a gradient whose square overflows is as long as the bound says.
  @Test func aTrainerClipsLargeGradients() throws {
    let start = Linear<Float>(1, 1, bias: false, key: RandomKey(seed: 1))
    var trainer = Trainer(start, optimizer: .sgd(learningRate: 1), maximumGradientNorm: 0.5) {
      (model: Linear<Float>, x: Tensor<Float>) in (model(x) * 1e30).sum()
    }
    try trainer.step(Tensor<Float>([[1]]))
    #expect(abs(trainer.model.weight.scalars[0] - (start.weight.scalars[0] - 0.5)) < 1e-6)
    #expect(trainer.report?.gradientNorm.map { abs($0 / 1e30 - 1) < 1e-6 } == true)
  }
}
