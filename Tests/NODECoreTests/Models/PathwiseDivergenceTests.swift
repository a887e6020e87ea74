import Foundation
import NODECore
import Testing

private typealias D = Tensor<Double>

@Suite struct PathwiseDivergenceTests {
  private typealias Density = FlowDensity<ContinuousFlow<ScalingField>, NormalDistribution<Double>>
  private typealias Target = (D) throws -> D
  private typealias Loss = (Density, @escaping Target, RandomKey) throws -> D

  private let rates = [0.4, -0.3]
  private var density: Density {
    let flow = ContinuousFlow(
      ScalingField(a: D(rates)), dimensions: 2, options: SolveOptions(rtol: 1e-9, atol: 1e-9))
    return FlowDensity(flow, base: NormalDistribution<Double>(dimensions: 2))
  }

  private func pathwise(_ density: Density, _ target: @escaping Target, _ key: RandomKey) throws -> D {
    try density.pathwiseDivergence(to: target, samples: 200, key: key)
  }

  private func plain(_ density: Density, _ target: @escaping Target, _ key: RandomKey) throws -> D {
    let (x, logDensity) = try density.sampleWithLogDensity(200, key: key)
    return try (logDensity - target(x)).mean()
  }

  /// [draws][components], and the losses.
  private func gradients(_ draws: Int, _ target: @escaping Target, _ loss: Loss) throws -> (
    values: [Double], gradients: [[Double]]
  ) {
    var values: [Double] = [], all: [[Double]] = []
    for draw in 0..<draws {
      let (value, gradient) = try valueAndGradient(of: density) {
        try loss($0, target, RandomKey(seed: 7).fold(in: draw))
      }
      values.append(try value.evaluated().scalar)
      all.append(try gradient.flow.field.a.evaluated().scalars)
    }
    return (values, all)
  }

  /// KL(N(0, exp(-2a)) | N(0, 1)) = sum (exp(-2a) - 1 + 2a) / 2, so the derivative is 1 - exp(-2a).
  @Test func bothGradientsHaveTheRightExpectation() throws {
    let target = NormalDistribution<Double>(dimensions: 2)
    let exact = rates.map { 1 - exp(-2 * $0) }
    let value = rates.map { (exp(-2 * $0) - 1 + 2 * $0) / 2 }.reduce(0, +)
    for loss in [pathwise, plain] as [Loss] {
      let found = try gradients(60, { target.logDensity($0) }, loss)
      let mean = Estimate(of: found.values)
      #expect(abs(mean.mean - value) < 4 * mean.standardError, "\(mean), exact \(value)")
      for (component, exact) in exact.enumerated() {
        let estimate = Estimate(of: found.gradients.map { $0[component] })
        #expect(abs(estimate.mean - exact) < 4 * estimate.standardError, "\(estimate), exact \(exact)")
      }
    }
  }

  /// Where the density is the target, every draw has the gradient zero; with the score it has not.
  @Test func theGradientHasNoNoiseAtTheTarget() throws {
    let target = density
    func largest(_ loss: Loss) throws -> Double {
      try gradients(5, { try target.logDensity($0) }, loss).gradients.joined().map { abs($0) }.max()!
    }
    #expect(try largest(pathwise) < 1e-7)
    #expect(try largest(plain) > 1e-2)
  }

  /// For one key the value is that of samples with their densities, whatever the flow draws: end times, probes.
  @Test func theValueIsThatOfTheSameSamples() throws {
    let field = ConcatSquashField<Double>(2, hidden: [8], key: RandomKey(seed: 1))
    let flow = ContinuousFlow(
      field, dimensions: 2, divergence: .hutchinson(probes: 1), endTimeJitter: 0.5,
      options: SolveOptions(rtol: 1e-9, atol: 1e-9))
    let density = FlowDensity(flow, base: NormalDistribution<Double>(dimensions: 2))
    let target = NormalDistribution<Double>(dimensions: 2, mean: 0.5)
    for seed in 0..<3 {
      let key = RandomKey(seed: UInt64(seed))
      let value = try density.pathwiseDivergence(to: target.logDensity, samples: 50, key: key)
      let (x, logDensity) = try density.sampleWithLogDensity(50, key: key)
      let expected = (logDensity - target.logDensity(x)).mean()
      #expect(abs(try (value - expected).evaluated().scalar) < 1e-6)
    }
  }

  /// Samples without densities are those with them; a chain and a pair hand the question on.
  @Test func samplesDoNotDependOnTheDensity() throws {
    let flow = density.flow, base = NormalDistribution<Double>(dimensions: 2)
    func check<F: InvertibleFlow>(_ flow: F) throws where F.Scalar == Double {
      let density = FlowDensity(flow, base: base), key = RandomKey(seed: 3)
      let with = try density.sampleWithLogDensity(20, key: key).samples.evaluated().scalars
      let without = try density.sample(20, key: key).evaluated().scalars
      #expect(zip(with, without).allSatisfy { abs($0 - $1) < 1e-7 })
    }
    try check(flow)
    try check(FlowChain([flow, flow]))
    try check(FlowPair(flow, CouplingFlow<Double>(2, hidden: [4], keepsFirst: true, key: RandomKey(seed: 1))))
    try check(ReversedFlow(flow))
  }
}
