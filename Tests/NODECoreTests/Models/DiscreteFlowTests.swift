import Foundation
import Testing

@testable import NODECore

private typealias D = Tensor<Double>

@Suite struct DiscreteFlowTests {
  private func check(_ map: (D) throws -> Transported<Double>, at x: D, _ tolerance: Double) throws {
    let image = try map(x)
    let logs: [Double] = try image.logDeterminant.evaluated().scalars
    for row in 0..<x.shape[0] {
      let j = try jacobian(at: x.sliced(row..<row + 1, axis: 0)) { try map($0).state }
      let size = x.shape[1]
      let expected: [Double] = try logAbsDeterminant(j.reshaped(to: [1, size, size])).logarithm.evaluated()
        .scalars
      #expect(abs(logs[row] - expected[0]) < tolerance)
    }
  }

  @Test func planarLayersKnowTheirDeterminants() throws {
    var flow = PlanarFlow<Double>(3, layers: 6, key: RandomKey(seed: 1))
    // Weights for which u alone would not be invertible.
    flow.directions = flow.directions * 30
    flow.normals = flow.normals * 30
    let copy = flow
    try check(
      { try copy.fromBase($0, key: RandomKey(seed: 0)) },
      at: .normal(shape: [5, 3], key: RandomKey(seed: 2)), 1e-10)
  }

  @Test func planarLayersStartAsTheIdentityAndStayInvertible() throws {
    let key = RandomKey(seed: 0)
    var flow = PlanarFlow<Double>(2, layers: 32, spread: 0.3, key: RandomKey(seed: 1))
    let z = D.normal(shape: [50, 2], key: RandomKey(seed: 2))
    let start = try flow.fromBase(z, key: key)
    let way: [Double] = try abs(start.state - z).evaluated().scalars
    #expect(way.max()! < 0.3 && way.max()! > 0, "\(way.max()!)")
    let logs: [Double] = try abs(start.logDeterminant).evaluated().scalars
    #expect(logs.max()! < 0.15 && logs.max()! > 0, "\(logs.max()!)")
    // u far against w, where 1 + w . u alone would be -1000: a fold.
    flow.directions = flow.normals * -1000
    let folded = try flow.fromBase(z, key: key)
    let all: [Double] = try folded.logDeterminant.evaluated().scalars
    #expect(all.allSatisfy { $0.isFinite })
    // No direction, no change.
    flow.normals = flow.normals * 0
    let still: [Double] = try flow.fromBase(z, key: key).logDeterminant.evaluated().scalars
    #expect(still.allSatisfy { abs($0) < 1e-14 })
  }

  @Test func logitsInvertAndKnowTheirDeterminants() throws {
    let flow = LogitFlow<Double>(3, margin: 0.05), key = RandomKey(seed: 0)
    let x = D.uniform(shape: [10, 3], key: RandomKey(seed: 4))
    let z = try flow.toBase(x, key: key), back = try flow.fromBase(z.state, key: key)
    let same: [Double] = try (back.state - x).evaluated().scalars
    #expect(same.allSatisfy { abs($0) < 1e-14 })
    let sum: [Double] = try (back.logDeterminant + z.logDeterminant).evaluated().scalars
    #expect(sum.allSatisfy { abs($0) < 1e-12 })
    try check({ try flow.toBase($0, key: key) }, at: x.sliced(0..<3, axis: 0), 1e-10)
    try check({ try flow.fromBase($0, key: key) }, at: z.state.sliced(0..<3, axis: 0), 1e-10)
    // A margin far below the numbers next to 1: as in double precision.
    let near = Tensor<Float>([1, 1 - 0x1p-24, 1 - 0x1p-20, 0.999, 0, 0x1p-24], shape: [2, 3])
    let thin = try LogitFlow<Float>(3, margin: 1e-6).toBase(near, key: key)
    let wide = try LogitFlow<Double>(3, margin: 1e-6).toBase(near.converted(to: Double.self), key: key)
    for (a, b) in [(thin.state, wide.state), (thin.logDeterminant, wide.logDeterminant)] {
      let found: [Double] = try a.evaluated().scalars.map(Double.init),
        exact: [Double] = try b.evaluated().scalars
      #expect(zip(found, exact).allSatisfy { abs($0 - $1) < 1e-6 * (1 + abs($1)) }, "\(found) \(exact)")
    }
    // Outside of the cube.
    let outside: [Double] = try flow.toBase(D([0.5, 0.5, 1.1], shape: [1, 3]), key: key).logDeterminant
      .evaluated()
      .scalars
    #expect(outside[0].isNaN)
    // Of different kinds, one after the other.
    let pair = FlowPair(CouplingFlow<Double>(3, hidden: [8], keepsFirst: true, key: key), flow)
    try check({ try pair.toBase($0, key: key) }, at: x.sliced(0..<3, axis: 0), 1e-10)
    try check({ try pair.fromBase($0, key: key) }, at: z.state.sliced(0..<3, axis: 0), 1e-10)
  }

  @Test func aReversedFlowIsTheOtherDirection() throws {
    let planar = PlanarFlow<Double>(2, layers: 3, key: RandomKey(seed: 1)), key = RandomKey(seed: 0)
    let z = D.normal(shape: [5, 2], key: RandomKey(seed: 2))
    let a = try planar.fromBase(z, key: key), b = try ReversedFlow(planar).toBase(z, key: key)
    #expect(try a.state.evaluated().scalars == b.state.evaluated().scalars)
    #expect(try a.logDeterminant.evaluated().scalars == b.logDeterminant.evaluated().scalars)
    let density = FlowDensity(ReversedFlow(planar), base: NormalDistribution<Double>(dimensions: 2))
    let (points, area) = midpoints(side: 200, span: 16)
    let mass: [Double] = try exp(density.logDensity(points)).sum().evaluated().scalars
    #expect(abs(mass[0] * area - 1) < 1e-3)
  }

  /// The image of images: shape in, shape out, and the exact divergence by columns is the trace.
  @Test func fieldsOfImagesAreFieldsOfRows() throws {
    let field = ImageFlowField<Double>(height: 3, width: 4, hidden: [5], key: RandomKey(seed: 1))
    let y = try D.normal(shape: [2, 12], key: RandomKey(seed: 2)).evaluated(), t = D(0.3)
    let exact: [Double] = try Divergence(.exact, shape: y.shape)(at: y) { field(t, $0) }.divergence
      .evaluated()
      .scalars
    for row in 0..<2 {
      let alone = y.sliced(row..<row + 1, axis: 0)
      let j: [Double] = try jacobian(at: alone) { field(t, $0) }.evaluated().scalars
      let trace = (0..<12).reduce(0.0) { $0 + j[$1 * 12 + $1] }
      #expect(abs(trace - exact[row]) < 1e-12)
    }
  }

  @Test(arguments: [2, 5]) func couplingsInvertToRounding(dimensions: Int) throws {
    let flow = CouplingFlow<Double>.alternating(
      dimensions, layers: 6, hidden: [16, 16], key: RandomKey(seed: 3))
    let x = D.normal(shape: [20, dimensions], key: RandomKey(seed: 4)), key = RandomKey(seed: 0)
    let z = try flow.toBase(x, key: key)
    let back: [Double] = try flow.fromBase(z.state, key: key).state.evaluated().scalars
    #expect(zip(back, x.scalars).allSatisfy { (a: Double, b: Double) in abs(a - b) < 1e-13 * (1 + abs(b)) })
    try check({ try flow.toBase($0, key: key) }, at: x.sliced(0..<3, axis: 0), 1e-10)
  }
}

@Suite struct PlaneDatasetTests {
  /// With the angle 3 pi sqrt(u) and thicknesses h uniform on (0, 1/2), E h = 1/4 and E h² = 1/12:
  /// E (angle cos)² = (3 pi)² / 4 + 3/4, E (angle sin)² = (3 pi)² / 4 - 3/4, E angle cos = -4 / (3 pi), E angle sin = 2 - 8 / (3 pi)².
  private static let spiralMoments: [Double] = {
    let end = 3 * Double.pi
    return [
      (end * end / 4 + 0.75 + 0.5 * 4 / end + 1.0 / 12) / 9 + 0.01,
      (end * end / 4 - 0.75 + 0.5 * (2 - 8 / (end * end)) + 1.0 / 12) / 9 + 0.01,
    ]
  }()

  /// Means and variances that follow from the formulas.
  @Test(arguments: [
    (PlaneDataset.circles, [0, 0], [9 * (0.5 * 1.25 / 2 + 0.0064), 9 * (0.5 * 1.25 / 2 + 0.0064)]),
    (.eightGaussians, [0, 0], [(8 + 0.25) / 1.999_396, (8 + 0.25) / 1.999_396]),
    (.checkerboard, [0, 0], [16.0 / 3, 16.0 / 3]),
    // r = 1 + 0.3 n, s = 0.1 n at uniform arms: 4 (E r² + E s²) / 2.
    (.pinwheel, [0, 0], [2 * (1.09 + 0.01), 2 * (1.09 + 0.01)]),
    (.twoSpirals, [0, 0], spiralMoments),
  ])
  func momentsFollowTheFormulas(item: (PlaneDataset, [Double], [Double])) throws {
    let x: D = item.0.sample(40_000, key: RandomKey(seed: 5))
    let mean: [Double] = try x.mean(axes: 0).evaluated().scalars
    let second: [Double] = try (x * x).mean(axes: 0).evaluated().scalars
    for i in 0..<2 {
      #expect(abs(mean[i] - item.1[i]) < 0.05)
      #expect(abs(second[i] - mean[i] * mean[i] - item.2[i]) < 0.1)
    }
  }

  /// The entropies again, from the formulas: normal noise around points of curves, integrated on a grid.
  @Test(arguments: [PlaneDataset.circles, .moons, .eightGaussians])
  func entropiesAreIntegrals(data: PlaneDataset) throws {
    func curve(_ angles: [Double], _ point: (Double, Double) -> (Double, Double)) -> [[Double]] {
      angles.map { angle in
        let (x, y) = point(Foundation.cos(angle), Foundation.sin(angle))
        return [x, y]
      }
    }
    let around = (0..<120).map { Double($0) * Double.pi / 60 }
    let density: GaussianMixture<Double>
    switch data {
    case .circles:
      let centres = curve(around) { (3 * $0, 3 * $1) } + curve(around) { (1.5 * $0, 1.5 * $1) }
      density = GaussianMixture(means: centres, standardDeviation: 0.24)
    case .moons:
      // Half circles have ends: Simpson's weights.
      let half = (0...120).map { Double($0) * Double.pi / 120 }
      let weights = half.indices.map { $0 == 0 || $0 == 120 ? 1.0 : $0 % 2 == 1 ? 4 : 2 }
      let centres = curve(half) { (2 * $0 - 1, 2 * $1 - 0.2) } + curve(half) { (1 - 2 * $0, 0.8 - 2 * $1) }
      density = GaussianMixture(means: centres, standardDeviation: 0.2, weights: weights + weights)
    default:
      let eight = (0..<8).map { Double($0) * Double.pi / 4 }
      density = GaussianMixture(
        means: curve(eight) { (4 * $0 / 1.414, 4 * $1 / 1.414) }, standardDeviation: 0.5 / 1.414)
    }
    let (points, area) = midpoints(side: 120, span: 11)
    var found = 0.0
    for row in stride(from: 0, to: points.shape[0], by: 1200) {
      let logs = density.logDensity(points.sliced(row..<row + 1200, axis: 0))
      found -= try (exp(logs) * logs).sum().evaluated().scalars[0] * area
    }
    #expect(abs(found - data.entropy!) < 2e-6)
    // Samples are of that density: their mean log-likelihood is minus the entropy.
    let samples: D = data.sample(4000, key: RandomKey(seed: 8))
    let estimate = Estimate(of: try density.logDensity(samples).evaluated().scalars.map { -$0 })
    #expect(abs(estimate.mean - data.entropy!) < 4 * estimate.standardError)
  }

  @Test(arguments: PlaneDataset.allCases) func samplesFollowTheKey(data: PlaneDataset) throws {
    let a: Tensor<Float> = data.sample(1000, key: RandomKey(seed: 1))
    let b: Tensor<Float> = data.sample(1000, key: RandomKey(seed: 1))
    let c: Tensor<Float> = data.sample(1000, key: RandomKey(seed: 2))
    #expect(
      try a.evaluated().scalars == b.evaluated().scalars && a.evaluated().scalars != c.evaluated().scalars)
    #expect(try a.evaluated().scalars.allSatisfy { abs($0) < 8 })
  }
}

@Suite struct DistributionTests {
  static let all: [any Distribution<Double>] = [
    NormalDistribution(dimensions: 2, mean: 0.5, standardDeviation: 0.7),
    GaussianMixture(means: [[1, 0], [-1, 0.5], [0, -1]], standardDeviation: 0.4, weights: [1, 2, 3]),
    GaussianMixture(means: [[1, 0]], standardDeviation: 0.4),
    UniformBox(lower: [-1, 0], upper: [2, 1]),
  ]

  @Test(arguments: all.indices) func densitiesAreThoseOfTheSamples(index: Int) throws {
    let distribution = DistributionTests.all[index]
    let (x, area) = midpoints(side: 400, span: 8)
    let p = try exp(distribution.logDensity(x)).evaluated() * area
    #expect(try abs(p.sum().evaluated().scalars[0] - 1) < 0.01)
    let samples = try distribution.sample(20_000, key: RandomKey(seed: 7)).evaluated()
    let weights = p.reshaped(to: [x.shape[0], 1])
    for power in [1, 2] {
      func moment(_ y: D) -> D { power == 1 ? y : y * y }
      let expected: [Double] = try (weights * moment(x)).sum(axes: 0).evaluated().scalars
      let found: [Double] = try moment(samples).mean(axes: 0).evaluated().scalars
      #expect(
        zip(found, expected).allSatisfy { (a: Double, b: Double) in abs(a - b) < 0.04 },
        "\(found) \(expected)")
    }
  }
  @Test(arguments: all.indices) func temperaturesScaleTheSpread(index: Int) throws {
    let distribution = DistributionTests.all[index], tempered = distribution.tempered(by: 0.5)
    func spread(_ distribution: any Distribution<Double>) throws -> [Double] {
      let x = distribution.sample(20_000, key: RandomKey(seed: 7))
      return try square(x - x.mean(axes: 0)).mean(axes: 0).evaluated().scalars
    }
    let before = try spread(distribution), after = try spread(tempered)
    let modes = (distribution as? GaussianMixture<Double>)?.means.count ?? 1
    for (a, b) in zip(after, before) {
      // Modes of a mixture stay where they are: only what is within them shrinks, from 0.16.
      let expected = modes > 1 ? b - 0.75 * 0.16 : b * 0.25
      #expect(abs(a - expected) < 0.02)
    }
  }

  /// Bounds that are rounded towards each other, a few numbers of Float apart.
  @Test func samplesStayInTheirBox() throws {
    let ulp = Double(Float(1000).ulp)
    let box = UniformBox<Float>(lower: [1000 + 0.6 * ulp], upper: [1000 + 2.4 * ulp])
    let logs: [Float] = try box.logDensity(box.sample(1000, key: RandomKey(seed: 1))).evaluated().scalars
    #expect(logs.allSatisfy { $0.isFinite })
  }

  @Test func bitsOfADimension() {
    // Uniform over the cube: log2 of the bins. Half the volume: a bit less for the whole.
    #expect(Estimate(of: [0, 0]).bitsPerDimension(10).mean == 8)
    let half = Estimate(of: [-Foundation.log(2.0), -Foundation.log(2.0)]).bitsPerDimension(10)
    #expect(abs(half.mean - 7.9) < 1e-12)
  }
}

@Suite struct PlaneEnergyTests {
  /// The normalisers on the square that others found, by a coarser rule; U2 is a normal distribution above every place.
  @Test(arguments: zip(PlaneEnergy.allCases, [1.8775, 2.0827, 2.6423, 2.6854]))
  func normalisersAreThosePublished(energy: PlaneEnergy, published: Double) {
    #expect(abs(energy.logNormaliser - published) < 1e-3)
    if energy == .u2 {
      let exact = Foundation.log(8 * 0.4 * (2 * Double.pi).squareRoot())
      #expect(abs(energy.logNormaliser - exact) < 1e-9)
    }
  }

  /// Tensors agree with the plain formulas: the mass on a grid is the normaliser, on the plane too.
  @Test(arguments: PlaneEnergy.allCases) func densitiesHaveTheirNormalisers(energy: PlaneEnergy) throws {
    let (inside, cell) = midpoints(side: 400, span: 8)
    let square: [Double] = try exp(energy.logDensity(inside)).sum().evaluated().scalars
    #expect(abs(Foundation.log(square[0] * cell) - energy.logNormaliser) < 1e-4)
    // 4 tanh(x / 4): the tails are long.
    let (all, area) = midpoints(side: 1200, span: energy.isOnBox ? 60 : 12)
    let plane: [Double] = try exp(energy.planeLogDensity(all)).sum().evaluated().scalars
    #expect(abs(Foundation.log(plane[0] * area) - energy.logNormaliser) < 1e-3)
  }
}
