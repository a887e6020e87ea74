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
}
