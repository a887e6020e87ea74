import Foundation
import NODECore
import Testing

@testable import nde_bench

private typealias D = Tensor<Double>

/// x = z exp(-a), component by component: a density of independent normals.
private struct Scaling: SamplingFlow {
  typealias Scalar = Double
  var a: Tensor<Double>
  /// Added to the log-determinant, which is then wrong.
  var excess = 0.0
  var dimensions: Int { 2 }
  func fromBase(_ z: D, key: RandomKey) throws -> Transported<Double> {
    Transported(state: z * exp(-a), logDeterminant: D.zeros([z.shape[0]]) - a.sum() + excess)
  }
  mutating func visitParameters(_ visit: inout ParameterVisitor) { visit("a", &a) }
}

@Suite struct PlanarQuadratureTests {
  private let base = NormalDistribution<Double>(dimensions: 2)

  @Test func weightsHaveTheMomentsOfTheNormal() throws {
    for key in [3, 4] {
      let lattice = try PlaneQuadrature(spacing: 0.1, radius: 9, least: 0, key: RandomKey(seed: UInt64(key)))
      let z = lattice.points.scalars, w = lattice.weights.scalars
      func mean(_ f: (Double, Double) -> Double) -> Double {
        w.indices.reduce(0) { $0 + w[$1] * f(z[2 * $1], z[2 * $1 + 1]) }
      }
      #expect(abs(mean { _, _ in 1 } - 1) < 1e-13)
      #expect(abs(mean { x, _ in x }) < 1e-10 && abs(mean { x, y in x * y }) < 1e-10)
      #expect(abs(mean { x, _ in x * x } - 1) < 1e-10 && abs(mean { _, y in y * y * y * y } - 3) < 1e-10)
      #expect(abs(mean { x, y in cos(2 * x + y) } - exp(-2.5)) < 1e-10)
    }
  }

  /// KL(N(0, exp(-2a)) | N(0, 1)) = sum (exp(-2a) - 1 + 2a) / 2, so the derivative is 1 - exp(-2a).
  @Test func divergenceOfNormalsIsExact() throws {
    let rates = [0.4, -0.3], base = base
    let lattice = PlaneQuadrature(spacing: 0.1, offset: (0.3, 0.8), angle: 1, radius: 11, least: 0)
    let (value, gradient) = try valueAndGradient(of: FlowDensity(Scaling(a: D(rates)), base: base)) {
      try lattice.divergence($0, to: { base.logDensity($0) - 3 }, logNormaliser: -3)
    }
    let exact = rates.map { (exp(-2 * $0) - 1 + 2 * $0) / 2 }.reduce(0, +)
    #expect(abs(try value.evaluated().scalar - exact) < 1e-10)
    for (found, rate) in zip(try gradient.flow.a.evaluated().scalars, rates) {
      #expect(abs(found - (1 - exp(-2 * rate))) < 1e-10)
    }
  }

  @Test func gradientIsThatOfDifferences() throws {
    let start = FlowDensity(PlanarFlow<Double>(2, layers: 3, key: RandomKey(seed: 5)), base: base)
    let lattice = PlaneQuadrature(spacing: 0.3), energy = PlaneEnergy.u1
    func loss(_ density: FlowDensity<PlanarFlow<Double>, NormalDistribution<Double>>) throws -> D {
      try lattice.divergence(density, to: { energy.planeLogDensity($0) }, logNormaliser: 1)
    }
    let gradient = try valueAndGradient(of: start, loss).gradient.parameterVector(Double.self).scalars
    let parameters = start.parameterVector(Double.self).scalars
    for index in parameters.indices {
      func shifted(_ step: Double) throws -> Double {
        var copy = parameters
        copy[index] += step
        return try loss(start.replacingParameters(with: Tensor(copy))).evaluated().scalar
      }
      let difference = try (shifted(1e-5) - shifted(-1e-5)) / 2e-5
      #expect(abs(gradient[index] - difference) < 1e-6 * max(1, abs(difference)), "parameter \(index)")
    }
  }

  /// What claims to grow at the points more than it does is no better for it.
  @Test(arguments: [-2.0, -0.1, 0, 0.1, 2]) func nothingIsBelowZero(excess: Double) throws {
    let base = base
    let density = FlowDensity(Scaling(a: D([0, 0]), excess: excess), base: base)
    let found = try PlaneQuadrature(spacing: 0.2)
      .divergence(density, to: { base.logDensity($0) }, logNormaliser: 0).evaluated().scalar
    #expect(abs(found - (exp(excess) - 1 - excess)) < 1e-12)
    #expect(found >= 0 && (found > 0) == (excess != 0))
  }

  @Test func evaluationsAreWithinTheBudget() throws {
    let base = base, start = FlowDensity(Scaling(a: D([0.7, -0.4])), base: base)
    func minimised(_ budget: Int) throws -> (parameters: [Double]?, evaluations: Int) {
      try PlanarMinimisation(budget: budget, lattices: 2, spacing: 0.2)
        .minimise(start, to: { base.logDensity($0) }, logNormaliser: 0, key: RandomKey(seed: 1))!
    }
    for budget in [1, 2, 5, 7] { #expect(try minimised(budget).evaluations == budget) }
    // It ends by itself where nothing is left to gain.
    let found = try minimised(500)
    #expect(found.evaluations < 200)
    #expect(try #require(found.parameters).allSatisfy { abs($0) < 1e-4 }, "\(found)")
  }
}
