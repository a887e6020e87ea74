import Foundation
import Testing

@testable import NODECore

private typealias D = Tensor<Double>

@Suite struct DensityEstimateTests {
  private let rates = [0.4, -0.3], key = RandomKey(seed: 3)
  private var density: FlowDensity<ContinuousFlow<ScalingField>, NormalDistribution<Double>> {
    let flow = ContinuousFlow(
      ScalingField(a: D(rates)), dimensions: 2, options: SolveOptions(rtol: 1e-9, atol: 1e-9))
    return FlowDensity(flow, base: NormalDistribution<Double>(dimensions: 2))
  }

  private func isWithin(_ estimate: Estimate, _ exact: Double) -> Bool {
    abs(estimate.mean - exact) < 4 * estimate.standardError && estimate.standardError < 0.05
  }

  @Test func meansHaveTheirErrors() {
    let estimate = Estimate(of: [1, 2, 3, 4])
    // Squares of 5 over 3 times 4.
    #expect(estimate.mean == 2.5 && estimate.count == 4)
    #expect(abs(estimate.standardError - (5.0 / 12).squareRoot()) < 1e-15)
    #expect(Estimate(of: [7]).standardError == .infinity)
    // bits = nats / (2 log 2)
    let bits = estimate.bitsPerDimension(2, bins: 4)
    #expect(abs(bits.mean - (2.5 / (2 * Foundation.log(2.0)) + 2)) < 1e-12)
    #expect(abs(bits.standardError - (5.0 / 12).squareRoot() / (2 * Foundation.log(2.0))) < 1e-12)
  }

  /// Of normals with deviations exp(-a): log 2 pi e - sum of a; a temperature adds its logarithm for each component.
  @Test(arguments: [1, 0.5, 2]) func entropiesAreThoseOfNormals(temperature: Double) throws {
    let exact = Foundation.log(2 * Double.pi) + 1 - rates.reduce(0, +) + 2 * Foundation.log(temperature)
    let found = try density.tempered(by: temperature).entropy(samples: 2000, batch: 300, key: key)
    #expect(isWithin(found, exact) && found.count == 2000, "\(found), exactly \(exact)")
  }

  /// KL(N(0, exp(-2a)) | N(0, 1)) = sum (exp(-2a) - 1 + 2a) / 2, for every normaliser of the target.
  @Test(arguments: [0, 1.5, -2]) func divergencesHaveTheirNormaliser(logNormaliser: Double) throws {
    let target = NormalDistribution<Double>(dimensions: 2)
    let exact = rates.map { (Foundation.exp(-2 * $0) - 1 + 2 * $0) / 2 }.reduce(0, +)
    let found = try density.divergence(
      to: { target.logDensity($0) + logNormaliser }, logNormaliser: logNormaliser, samples: 2000, batch: 300,
      key: key)
    #expect(isWithin(found, exact), "\(found), exactly \(exact)")
  }

  @Test func likelihoodsAreMeansOverTheRows() throws {
    let x = try D.normal(shape: [50, 2], key: RandomKey(seed: 8)).evaluated()
    let own = (0..<50).map { row in
      (0..<2).reduce(Foundation.log(2 * Double.pi) - rates.reduce(0, +)) { sum, column in
        let z = x.scalars[2 * row + column] * Foundation.exp(rates[column])
        return sum + z * z / 2
      }
    }
    let exact = Estimate(of: own), found = try density.negativeLogLikelihood(of: x, batch: 7)
    #expect(found.count == 50 && abs(found.mean - exact.mean) < 1e-6)
    #expect(abs(found.standardError - exact.standardError) < 1e-6)
  }

  /// What a flow draws: of `.automatic` the field decides.
  @Test func flowsTellWhatTheyDraw() throws {
    func noise<F: VectorField>(
      _ field: F, _ dimensions: Int, _ divergence: DivergenceMethod = .automatic, jitter: Double = 0
    ) throws -> FlowNoise where F.Scalar == Double {
      try ContinuousFlow(
        field, dimensions: dimensions, divergence: divergence, endTimeJitter: jitter
      ).noise(rows: 3)
    }
    let shallow = ConcatSquashField<Double>(16, hidden: [8, 8], key: key)
    let deep = ConcatSquashField<Double>(16, hidden: [8, 8, 8, 8], key: key)
    #expect(try noise(shallow, 16) == [] && noise(deep, 16) == .ofRows)
    #expect(try noise(deep, 16, .exact) == [] && noise(shallow, 16, .hutchinson()) == .ofRows)
    #expect(try noise(shallow, 16, .hutchPlusPlus(probes: 2)) == .ofRows)
    #expect(try noise(deep, 16, jitter: 0.1) == [.ofRows, .shared])
    let still = ContinuousFlow(shallow, dimensions: 16), drawing = ContinuousFlow(deep, dimensions: 16)
    #expect(try FlowPair(still, drawing).noise(rows: 3) == .ofRows)
    #expect(try FlowPair(still, LogitFlow<Double>(16)).noise(rows: 3) == [])
    #expect(try FlowChain([drawing, drawing]).noise(rows: 3) == .ofRows)
    #expect(try ReversedFlow(drawing).noise(rows: 3) == .ofRows)
    #expect("\([.ofRows, .shared] as FlowNoise)" == "probes of its trace and its end time")
  }

  /// A density without a key is one number; a loss that fixes the probes would be fitted along them.
  @Test func randomDensitiesNeedAKey() async throws {
    let probes = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let flow = ContinuousFlow(
        ConcatSquashField<Double>(2, hidden: [4]), dimensions: 2, divergence: .hutchinson())
      let density = FlowDensity(flow, base: NormalDistribution<Double>(dimensions: 2))
      _ = try density.logDensity(.ones([1, 2]))
    }
    let first = String(decoding: try #require(probes).standardErrorContent, as: UTF8.self)
    #expect(first.contains("the flow draws probes of its trace at random; give a key"), "\(first)")
    let jitter = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let flow = ContinuousFlow(ConcatSquashField<Double>(2, hidden: [4]), dimensions: 2, endTimeJitter: 0.5)
      let density = FlowDensity(flow, base: NormalDistribution<Double>(dimensions: 2))
      _ = try density.logDensity(.ones([1, 2]))
    }
    let second = String(decoding: try #require(jitter).standardErrorContent, as: UTF8.self)
    #expect(second.contains("the flow draws its end time at random; give a key"), "\(second)")
  }

  /// Rows that share an end time are not independent.
  @Test func standardErrorsAreOfFixedEndTimes() async throws {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let flow = ContinuousFlow(ConcatSquashField<Double>(2, hidden: [4]), dimensions: 2, endTimeJitter: 0.5)
      let density = FlowDensity(flow, base: NormalDistribution<Double>(dimensions: 2))
      _ = try density.negativeLogLikelihood(of: .ones([5, 2]))
    }
    let text = String(decoding: try #require(result).standardErrorContent, as: UTF8.self)
    #expect(text.contains("share an end time with jitter") && text.contains("evaluating()"), "\(text)")
  }
}
