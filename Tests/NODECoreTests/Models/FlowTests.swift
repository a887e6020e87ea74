import Foundation
import Testing

@testable import NODECore

private typealias D = Tensor<Double>

/// The midpoints of side² cells of a square around 0, [side², 2], and the area of a cell.
private func midpoints(side: Int, span: Double) -> (points: D, area: Double) {
  let step = span / Double(side)
  let places: [Double] = (0..<side).map { (Double($0) + 0.5) * step - span / 2 }
  let points: [Double] = places.flatMap { x in places.flatMap { y in [x, y] } }
  return (D(points, shape: [side * side, 2]), step * step)
}

/// y' = y A.
private struct LinearField: VectorField {
  var a: Tensor<Double>
  func callAsFunction(_ t: Tensor<Double>, _ y: Tensor<Double>) -> Tensor<Double> { matmul(y, a) }
  mutating func visitParameters(_ visit: inout ParameterVisitor) { visit("a", &a) }
}

/// Fields with weights as large as training makes them.
struct FlowCase: CustomTestStringConvertible, Sendable {
  let testDescription: String
  let flow: ContinuousFlow<AnyField>

  /// One type for all fields.
  struct AnyField: VectorField {
    typealias Scalar = Double
    let field: any VectorField<Double>
    func callAsFunction(_ t: Tensor<Double>, _ y: Tensor<Double>) throws -> Tensor<Double> {
      try field(t, y) * 2
    }
    mutating func visitParameters(_ visit: inout ParameterVisitor) {}
  }

  init(_ field: any VectorField<Double>) {
    testDescription = "\(type(of: field))"
    flow = ContinuousFlow(
      AnyField(field: field), dimensions: 2, options: SolveOptions(rtol: 1e-7, atol: 1e-7))
  }

  static let all = [
    FlowCase(ConcatSquashField<Double>(2, hidden: [16, 16], key: RandomKey(seed: 1))),
    FlowCase(
      ConcatSquashField<Double>(2, hidden: [8, 8, 8], activation: .softplus, key: RandomKey(seed: 2))),
    FlowCase(TimeConcatField<Double>(2, hidden: [16], key: RandomKey(seed: 3))),
    FlowCase(TimeConcatField<Double>(2, hidden: [12, 12], activation: .silu, key: RandomKey(seed: 4))),
    FlowCase(PlanarField<Double>(2, units: 8, key: RandomKey(seed: 5))),
    FlowCase(HypernetworkField<Double>(2, hidden: [12, 12], key: RandomKey(seed: 6))),
  ]
}

@Suite struct FlowTests {
  private func close(_ a: D, _ b: D, _ tolerance: Double) throws -> Bool {
    let a = try a.evaluated().scalars, b = try b.evaluated().scalars
    return a.count == b.count && zip(a, b).allSatisfy { abs($0 - $1) <= tolerance * (1 + abs($1)) }
  }

  @Test func aLinearFieldIsAnExponential() throws {
    // A rotation and a stretch commute: exp(T A) is known.
    let flow = ContinuousFlow(
      LinearField(a: D([0.3, 1, -1, 0.3], shape: [2, 2])), dimensions: 2, endTime: 0.7,
      options: SolveOptions(rtol: 1e-10, atol: 1e-10))
    let x = D([1, 0, 0, 1, 2, -1], shape: [3, 2])
    let image = try flow.toBase(x, key: RandomKey(seed: 0))
    let (c, s) = (0.7648421872844885, 0.6442176872376911)  // cos 0.7, sin 0.7
    let g = 1.2336780599567432  // exp(0.21)
    #expect(try close(image.state, matmul(x, D([g * c, g * s, -g * s, g * c], shape: [2, 2])), 1e-9))
    #expect(try close(image.logDeterminant, D(repeating: 0.42, shape: [3]), 1e-12))
    let back = try flow.fromBase(image.state, key: RandomKey(seed: 0))
    #expect(try close(back.state, x, 1e-9))
    #expect(try close(back.logDeterminant, D(repeating: -0.42, shape: [3]), 1e-12))
  }

  @Test(arguments: FlowCase.all) func theWayBackIsTheInverse(item: FlowCase) throws {
    let x = D.normal(shape: [50, 2], key: RandomKey(seed: 9))
    let there = try item.flow.toBase(x, key: RandomKey(seed: 0))
    let back = try item.flow.fromBase(there.state, key: RandomKey(seed: 0))
    #expect(try close(back.state, x, 1e-6))
    #expect(try close(back.logDeterminant, -there.logDeterminant, 1e-6))
  }

  @Test(arguments: FlowCase.all) func theLogDeterminantIsThatOfTheMap(item: FlowCase) throws {
    for seed in 0..<3 {
      let x = D.normal(shape: [1, 2], key: RandomKey(seed: 20 + UInt64(seed)))
      let j = try jacobian(at: x) { try item.flow.toBase($0, key: RandomKey(seed: 0)).state }
      let expected = logAbsDeterminant(j.reshaped(to: [1, 2, 2])).logarithm
      let image = try item.flow.toBase(x, key: RandomKey(seed: 0))
      #expect(try close(image.logDeterminant, expected, 1e-5))
    }
  }

  @Test(arguments: FlowCase.all) func densitiesIntegrateToOne(item: FlowCase) throws {
    let density = FlowDensity(item.flow, base: NormalDistribution<Double>(dimensions: 2))
    let (points, area) = midpoints(side: 160, span: 16)
    let logs = try density.logDensity(points).evaluated()
    let mass = try exp(logs).sum().evaluated().scalars[0] * area
    #expect(abs(mass - 1) < 1e-3, "\(mass)")
  }

  @Test(arguments: FlowCase.all) func gradientsAreRight(item: FlowCase) throws {
    var flow = item.flow
    flow.options = SolveOptions(method: .rk4, controller: .fixed(stepsPerInterval: 4))
    for method in [DivergenceMethod.exact, .hutchinson(probes: 2)] {
      flow.divergence = method
      let copy = flow
      let density = FlowDensity(copy, base: NormalDistribution<Double>(dimensions: 2))
      let report = try checkGradient(
        of: { try density.logDensity($0, key: RandomKey(seed: 6)) },
        at: D.normal(shape: [3, 2], key: RandomKey(seed: 5)), tolerance: 1e-6)
      #expect(report.passed, "\(report)")
    }
  }

  /// Of the penalties, the end time, and the weights, through a compiled step.
  @Test func aTrainingStepGoesDown() throws {
    let field = ConcatSquashField<Double>(2, hidden: [16, 16], key: RandomKey(seed: 1))
    let flow = ContinuousFlow(
      field, dimensions: 2, learnsEndTime: true, divergence: .hutchinson(),
      penalties: [.kinetic, .jacobian], endTimeJitter: 0.25)
    let density = FlowDensity(flow, base: NormalDistribution<Double>(dimensions: 2))
    let target = GaussianMixture<Double>(means: [[2, 0], [-2, 0]], standardDeviation: 0.5)
    var trainer = Trainer(density, optimizer: .adam(learningRate: 1e-2)) { density, x, key in
      let (logDensity, penalties) = try density.logDensityAndPenalties(x, key: key)
      let pays = penalties.reduce(D(0)) { $0 + $1.mean() * 0.01 }
      return Objective(loss: pays - logDensity.mean())
    }
    var losses: [Double] = []
    for step in 0..<150 {
      losses.append(try trainer.step(target.sample(128, key: RandomKey(seed: 40 + UInt64(step))).evaluated()))
    }
    let first = losses[..<10].reduce(0, +) / 10, last = losses[140...].reduce(0, +) / 10
    #expect(last < first - 0.5, "\(first) to \(last)")
    let learned = trainer.model.flow.rootOfEndTime
    #expect(try learned.evaluated().scalars[0] != 1)
  }

  /// A conditional density learns a mean that its context tells; each row sees its own.
  @Test func aContextMovesTheDensity() throws {
    let field = ConcatSquashField<Double>(2, hidden: [16], context: 2, key: RandomKey(seed: 1))
    let density = FlowDensity(
      ContinuousFlow(field, dimensions: 2), base: NormalDistribution<Double>(dimensions: 2))
    struct Batch: Module {
      var x: D, context: D
      mutating func visitParameters(_ visit: inout ParameterVisitor) {
        visit("x", &x)
        visit("context", &context)
      }
    }
    var trainer = Trainer(density, optimizer: .adam(learningRate: 2e-2)) {
      (
        density: FlowDensity<ContinuousFlow<ConcatSquashField<Double>>, NormalDistribution<Double>>,
        batch: Batch
      ) in
      -(try density.given(batch.context).logDensity(batch.x)).mean()
    }
    for step in 0..<300 {
      let keys = RandomKey(seed: 100 + UInt64(step)).split(2)
      let context = try D.uniform(shape: [128, 2], in: -2..<2, key: keys[0]).evaluated()
      let x = try (context + D.normal(shape: [128, 2], standardDeviation: 0.5, key: keys[1])).evaluated()
      _ = try trainer.step(Batch(x: x, context: context))
    }
    let context = D([-1.5, 1, 1, 0, 0.5, -1.5], shape: [3, 2])
    let learned = trainer.model
    for row in 0..<3 {
      let alone = context.sliced(row..<row + 1, axis: 0)
      let samples = try learned.given(alone.broadcast(to: [4000, 2])).sample(4000, key: RandomKey(seed: 3))
      let mean = try samples.mean(axes: 0).evaluated().scalars
      #expect(zip(mean, try alone.evaluated().scalars).allSatisfy { abs($0 - $1) < 0.15 }, "\(mean)")
      // One row's density is not its neighbours'.
      let together = try learned.given(context).logDensity(context).evaluated().scalars[row]
      let single = try learned.given(alone).logDensity(alone).evaluated().scalars[0]
      #expect(abs(together - single) < 1e-3)
    }
    let nll = try -learned.given(context).logDensity(context).evaluated().scalars.reduce(0, +) / 3
    // The log-density at the mean of a normal distribution of deviation 0.5: -log(2 pi 0.25).
    #expect(abs(nll - 0.4516) < 0.3, "\(nll)")
  }

  /// A mean over probes is the exact divergence within its error bars, its gradient too.
  @Test func estimatesAreUnbiasedWithinTheirErrorBars() throws {
    let net = MLP<Double>(6, 16, 16, 6, activation: .tanh, key: RandomKey(seed: 1))
    let y = try D.normal(shape: [4, 6], key: RandomKey(seed: 2)).evaluated()
    func numbers(_ method: DivergenceMethod, _ seed: UInt64) throws -> [Double] {
      let (value, slope) = valueAndGradient(at: y) { y in
        Divergence(method, shape: y.shape, key: RandomKey(seed: seed))(at: y) { net($0) }.divergence.sum()
      }
      return try value.evaluated().scalars + slope.evaluated().scalars
    }
    let exact = try numbers(.exact, 0)
    let draws = try (0..<400).map {
      try numbers(.hutchinson(distribution: $0 % 2 == 0 ? .rademacher : .gaussian), UInt64($0))
    }
    for index in exact.indices {
      let estimate = Estimate(of: draws.map { $0[index] })
      #expect(
        abs(estimate.mean - exact[index]) < 4.5 * estimate.standardError + 1e-12,
        "\(index): \(estimate), exactly \(exact[index])")
      #expect(estimate.standardError > 0)
    }
  }

  /// Operations of one row's divergence: a probe and the closed form grow as the square of the dimensions (the closed form has
  /// a product of weights beside, once for all rows and the whole solve), all columns as the cube.
  @Test func costsGrowAsTheyShould() throws {
    func flops(_ rows: Int, _ d: Int, _ method: DivergenceMethod, columns: Bool) throws -> Double {
      let net = MLP<Float>(d, d, d, d, activation: .tanh, key: RandomKey(seed: 1))
      let function = compiled { (y: Tensor<Float>) in
        var divergence = Divergence<Float>(method, shape: y.shape)
        if columns { divergence = Divergence(probes: .ones([rows, d, d])) }
        return divergence(at: y) { net($0) }.divergence
      }
      _ = try function(.ones([rows, d]))
      return Double(try #require(function.program).flops)
    }
    for (method, columns, power) in [
      (DivergenceMethod.hutchinson(), false, 2.0), (.exact, false, 2), (.exact, true, 3),
    ] {
      let each = try [128, 256].map { d in
        try flops(32, d, method, columns: columns) - flops(16, d, method, columns: columns)
      }
      let exponent = Foundation.log2(each[1] / each[0])
      #expect(abs(exponent - power) < 0.1, "\(method), columns \(columns): \(exponent)")
    }
  }

  @Test func blocksFollowEachOther() throws {
    let blocks = FlowCase.all.prefix(3).map(\.flow)
    let chain = FlowChain(Array(blocks)), key = RandomKey(seed: 0)
    let z = D.normal(shape: [20, 2], key: RandomKey(seed: 3))
    let x = try chain.fromBase(z, key: key)
    var y = z, log = D.zeros([20])
    for block in blocks {
      let next = try block.fromBase(y, key: key)
      (y, log) = (next.state, log + next.logDeterminant)
    }
    #expect(try close(x.state, y, 1e-12) && close(x.logDeterminant, log, 1e-12))
    let back = try chain.toBase(x.state, key: key)
    #expect(try close(back.state, z, 1e-5) && close(back.logDeterminant, -x.logDeterminant, 1e-5))
  }
}

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
  /// Means and variances that follow from the formulas.
  @Test(arguments: [
    (PlaneDataset.circles, [0, 0], [9 * (0.5 * 1.25 / 2 + 0.0064), 9 * (0.5 * 1.25 / 2 + 0.0064)]),
    (.eightGaussians, [0, 0], [(8 + 0.25) / 1.999_396, (8 + 0.25) / 1.999_396]),
    (.checkerboard, [0, 0], [16.0 / 3, 16.0 / 3]),
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
    let count = data == .eightGaussians ? 8 : 240
    func curve(_ range: Double, _ point: (Double, Double) -> (Double, Double)) -> [[Double]] {
      let half = data == .eightGaussians ? count : count / 2, shift = data == .eightGaussians ? 0 : 0.5
      return (0..<half).map { index in
        let angle = (Double(index) + shift) / Double(half) * range
        let (x, y) = point(Foundation.cos(angle), Foundation.sin(angle))
        return [x, y]
      }
    }
    let circle = 2 * Double.pi
    let (centres, deviation): ([[Double]], Double) =
      switch data {
      case .circles: (curve(circle) { (3 * $0, 3 * $1) } + curve(circle) { (1.5 * $0, 1.5 * $1) }, 0.24)
      case .moons:
        (curve(.pi) { (2 * $0 - 1, 2 * $1 - 0.2) } + curve(.pi) { (1 - 2 * $0, 0.8 - 2 * $1) }, 0.2)
      default: (curve(circle) { (4 * $0 / 1.414, 4 * $1 / 1.414) }, 0.5 / 1.414)
      }
    let density = GaussianMixture<Double>(means: centres, standardDeviation: deviation)
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
