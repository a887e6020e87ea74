import Foundation
import Testing

@testable import NODECore

private typealias D = Tensor<Double>

/// The midpoints of side² cells of a square around 0, [side², 2], and the area of a cell.
func midpoints(side: Int, span: Double) -> (points: Tensor<Double>, area: Double) {
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
    let estimate = try learned.negativeLogLikelihood(of: context, given: context, batch: 2)
    #expect(abs(estimate.mean - nll) < 1e-3 && estimate.count == 3)
    // The log-density at the mean of a normal distribution of deviation 0.5: -log(2 pi 0.25).
    #expect(abs(nll - 0.4516) < 0.3, "\(nll)")
  }

  /// The context of a row is combined with its own time.
  @Test func conditionalFlowsTakeStepsPerLane() throws {
    let field = ConcatSquashField<Double>(2, hidden: [8], context: 3, key: RandomKey(seed: 1))
    let x = D.normal(shape: [7, 2], key: RandomKey(seed: 2))
    let context = D.normal(shape: [7, 3], key: RandomKey(seed: 3))
    func densities(_ controller: Controller) throws -> [Double] {
      let flow = ContinuousFlow(
        field, dimensions: 2, options: SolveOptions(rtol: 1e-9, atol: 1e-9, controller: controller))
      return try FlowDensity(flow, base: NormalDistribution<Double>(dimensions: 2)).given(context)
        .logDensity(x).evaluated().scalars
    }
    #expect(distance(try densities(.automatic), try densities(.perLane)) < 1e-7)
  }

  /// A density that is reported has the accuracy asked for, also of a flow that was trained with fixed steps.
  @Test(arguments: [Method.rk4, .dopri5]) func evaluatingRefinesFixedSteps(method: Method) throws {
    let field = ConcatSquashField<Double>(2, hidden: [8], key: RandomKey(seed: 1))
    let x = D.normal(shape: [5, 2], key: RandomKey(seed: 2))
    func density(
      _ options: SolveOptions
    ) -> FlowDensity<ContinuousFlow<ConcatSquashField<Double>>, NormalDistribution<Double>> {
      FlowDensity(
        ContinuousFlow(field, dimensions: 2, options: options), base: NormalDistribution(dimensions: 2))
    }
    let exact = try density(SolveOptions(rtol: 1e-11, atol: 1e-11)).logDensity(x).scalars
    let coarse = density(SolveOptions(method: method, controller: .fixed(stepsPerInterval: 1)))
    var fine = coarse
    fine.flow = coarse.flow.evaluating(tolerance: 1e-9)
    let before = distance(try coarse.logDensity(x).scalars, exact)
    #expect(distance(try fine.logDensity(x).scalars, exact) < min(1e-7, 0.1 * before), "\(before)")
  }

  /// Sketches of few columns: vectors of signs would be parallel in many rows, and the estimate made of rounding.
  @Test func sketchesAreSmooth() throws {
    let a = D.normal(shape: [3, 8], key: RandomKey(seed: 1)),
      b = D.normal(shape: [8, 3], key: RandomKey(seed: 2))
    let y = try D.normal(shape: [200, 3], key: RandomKey(seed: 3)).evaluated()
    let divergence = Divergence<Double>(.hutchPlusPlus(probes: 2), shape: y.shape, key: RandomKey(seed: 4))
    func values(_ y: D) throws -> [Double] {
      try divergence(at: y) { matmul(tanh(matmul($0, a)), b) }.divergence.evaluated().scalars
    }
    let before = try values(y), after = try values(y + 1e-9)
    #expect(zip(before, after).allSatisfy { abs($0 - $1) < 1e-5 })
  }

  /// One time for each row is a row at that time; images too.
  @Test func rowsHaveTimesOfTheirOwn() throws {
    func check<F: RowTimedField>(_ field: F, _ width: Int) throws where F.Scalar == Double {
      let y = try D.normal(shape: [4, width], key: RandomKey(seed: 2)).evaluated()
      let t = D([0.1, 0.4, 0.7, 1], shape: [4, 1])
      let together = try field(t, y).evaluated().scalars
      for row in 0..<4 {
        let alone = try field(t[row].reshaped(to: []), y.sliced(row..<row + 1, axis: 0)).evaluated().scalars
        #expect(zip(alone, together[row * width..<(row + 1) * width]).allSatisfy { abs($0 - $1) < 1e-12 })
      }
    }
    try check(ConcatSquashField<Double>(3, hidden: [8], key: RandomKey(seed: 1)), 3)
    try check(TimeConcatField<Double>(3, hidden: [8], key: RandomKey(seed: 1)), 3)
    try check(ImageFlowField<Double>(height: 2, width: 4, hidden: [3], key: RandomKey(seed: 1)), 8)
  }

  /// An end time that was learned away stays positive under its jitter.
  @Test func jitteredEndTimesArePositive() throws {
    var flow = ContinuousFlow(
      LinearField(a: D([1, 0, 0, 1], shape: [2, 2])), dimensions: 2, endTime: 1, learnsEndTime: true,
      endTimeJitter: 0.9)
    flow.rootOfEndTime = D(0.5)
    let x = D([1, 1], shape: [1, 2])
    let ends = try (0..<50).map { seed in
      // exp(T) with T in (0, 2 * 0.25).
      let z: [Double] = try flow.toBase(x, key: RandomKey(seed: UInt64(seed))).state.evaluated().scalars
      return Foundation.log(z[0])
    }
    #expect(ends.allSatisfy { $0 > 0 && $0 < 0.5 })
    #expect(ends.min()! < 0.1 && ends.max()! > 0.4)
  }

  /// With z = x exp(T A): d log p / dT = tr A - z A z, and T is the square of the parameter.
  @Test func theEndTimeHasItsGradient() throws {
    let rates = [0.6, -0.2], end = 0.81, x = D([1, 2, -0.5, 0.25], shape: [2, 2])
    let flow = ContinuousFlow(
      LinearField(a: D([0.6, 0, 0, -0.2], shape: [2, 2])), dimensions: 2, endTime: end, learnsEndTime: true,
      options: SolveOptions(rtol: 1e-9, atol: 1e-9))
    let density = FlowDensity(flow, base: NormalDistribution<Double>(dimensions: 2))
    let gradient = try valueAndGradient(of: density) { try $0.logDensity(x).sum() }.gradient
    var exact = 0.0
    for index in 0..<4 {
      let a = rates[index % 2], z = x.scalars[index] * Foundation.exp(a * end)
      exact += a - a * z * z
    }
    let found: Double = try gradient.flow.rootOfEndTime.evaluated().scalar
    #expect(abs(found - 2 * end.squareRoot() * exact) < 1e-6)
  }

  /// y' = (a y1, b y2): every probe of signs has |e J|² = a² + b², and |f|² integrates to a y1² (exp(2 a T) - 1) / 2 and the
  /// same of the other. In both directions; in a pair the first flow's penalties are the first.
  @Test func penaltiesAreTheirIntegrals() throws {
    func flow(_ rates: [Double], _ penalties: [FlowPenalty], _ end: Double) -> ContinuousFlow<LinearField> {
      ContinuousFlow(
        LinearField(a: D([rates[0], 0, 0, rates[1]], shape: [2, 2])), dimensions: 2, endTime: end,
        divergence: .hutchinson(), penalties: penalties, options: SolveOptions(rtol: 1e-10, atol: 1e-10))
    }
    let x = D([1, 2, -0.5, 0.25, 0, 3], shape: [3, 2]), key = RandomKey(seed: 4)
    func kinetic(_ rates: [Double], _ end: Double, at x: [Double]) -> [Double] {
      (0..<3).map { row in
        (0..<2).reduce(0) { sum, i in
          let y = x[2 * row + i]
          return sum + rates[i] * y * y * (Foundation.exp(2 * rates[i] * end) - 1) / 2
        }
      }
    }
    let rates = [0.6, -0.9], others = [-0.3, 0.5]
    let map = flow(rates, [.jacobian, .kinetic], 0.8), there = try map.toBase(x, key: key)
    for image in [there, try map.fromBase(there.state, key: key)] {
      #expect(try close(image.penalties[0], D(repeating: 0.8 * (0.36 + 0.81), shape: [3]), 1e-9))
      #expect(try close(image.penalties[1], D(kinetic(rates, 0.8, at: x.scalars)), 1e-8))
    }
    #expect(try close(there.logDeterminant, D(repeating: 0.8 * -0.3, shape: [3]), 1e-9))
    let pair = FlowPair(flow(others, [.kinetic], 1), flow(rates, [.kinetic], 0.8))
    let image = try pair.toBase(x, key: key), back = try pair.fromBase(image.state, key: key)
    let middle: [Double] = try there.state.evaluated().scalars
    for penalties in [image.penalties, back.penalties] {
      #expect(try close(penalties[0], D(kinetic(others, 1, at: middle)), 1e-8))
      #expect(try close(penalties[1], D(kinetic(rates, 0.8, at: x.scalars)), 1e-8))
    }
  }

  /// A mean over probes is the exact divergence within its error bars, its gradient too.
  @Test(arguments: [false, true]) func estimatesAreUnbiasedWithinTheirErrorBars(sketched: Bool) throws {
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
      let distribution: ProbeDistribution = $0 % 2 == 0 ? .rademacher : .gaussian
      return try numbers(
        sketched ? .hutchPlusPlus(probes: 2) : .hutchinson(distribution: distribution), UInt64($0))
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
