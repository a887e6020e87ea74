import Foundation
import NODECore
import Testing

/// Fields that are stable, or keep quantities, by construction.
@Suite struct ProjectedFieldTests {
  private let base = TimeConcatField<Double>(3, hidden: [8], key: RandomKey(seed: 1))
  private let rows = Tensor<Double>.normal(shape: [6, 3], standardDeviation: 2, key: RandomKey(seed: 2))

  @Test func aLyapunovFunctionHasItsOnlyMinimumAtZero() {
    let v = LyapunovFunction<Double>(3, hidden: [8, 8], key: RandomKey(seed: 3))
    #expect(v(.zeros([1, 3])).scalars == [0])
    #expect(v.gradient(.zeros([1, 3])).scalars == [0, 0, 0])
    for (value, square) in zip(v(rows).scalars, square(rows).sum(axes: 1).scalars) {
      #expect(value >= 1e-3 * square * (1 - 1e-12))
    }
    // Convex along a line through any two rows: what the projection needs is that no other point has a zero gradient.
    let a = rows[0..<3], b = rows[3..<6]
    for s in [0.25, 0.5, 0.75] {
      let between = v(a * (1 - s) + b * s).scalars
      for (value, ends) in zip(between, zip(v(a).scalars, v(b).scalars)) {
        #expect(value <= (1 - s) * ends.0 + s * ends.1 + 1e-12)
      }
    }
  }

  /// An untrained field that would leave: its projection falls in V at the promised rate from everywhere.
  @Test func aStableFieldFallsAtItsRate() throws {
    let v = LyapunovFunction<Double>(3, hidden: [8], key: RandomKey(seed: 3))
    let field = StableField(base, lyapunov: v, rate: 0.7)
    let slope = v.gradient(rows)
    let rates = (slope * (try field(0.3, rows))).sum(axes: 1).scalars
    let unprojected = (slope * (base(0.3, rows) - base(0.3, .zeros(rows.shape)))).sum(axes: 1).scalars
    let bounds = (v(rows) * -0.7).scalars
    #expect(zip(unprojected, bounds).contains { $0 > $1 })
    for ((rate, free), bound) in zip(zip(rates, unprojected), bounds) {
      #expect(rate <= bound + 1e-10)
      if free <= bound { #expect(abs(rate - free) < 1e-12) }
    }
    let path = try odeint(from: rows, at: [0, 4], rtol: 1e-8, atol: 1e-8) { try field($0, $1) }
    for (end, start) in zip(v(path.final).scalars, v(rows).scalars) {
      #expect(end <= exp(-2.8) * start * 1.001)
    }
    // At rest it stays.
    #expect(try field(0, .zeros([1, 3])).scalars == [0, 0, 0])
    #expect(base(0, .zeros([1, 3])).scalars.contains { abs($0) > 0.01 })
  }

  /// Joules of an electronvolt or of a star: squares of gradients are no numbers of Float then.
  @Test(arguments: [1e-25, 1e-19, 1e-14, 1, 1e12, 1e19] as [Float]) func unitsDoNotMatter(unit: Float) throws
  {
    let net = MLP<Float>(2, 8, 2, activation: .tanh, key: RandomKey(seed: 4))
    let start = Tensor<Float>([[1, 0.2], [-0.3, 0.9]]), radius = square(start).sum(axes: 1).scalars
    let kept = ConservingField(
      AutonomousField(net), keeping: KnownEnergy<Float> { square($0).sum(axes: 1) * unit })
    let end = try odeint(from: start, at: [0, 20], rtol: 1e-6, atol: 1e-6) { try kept($0, $1) }.final
    for (found, truth) in zip(square(end).sum(axes: 1).scalars, radius) { #expect(abs(found - truth) < 1e-4) }
    if unit > 1e-20 {  // below, gradients of such a state are not normal numbers of Float
      let slope = try gradient(at: start) { try kept(0, $0 * 1e-16).sum() }
      #expect(slope.scalars.allSatisfy { $0.isFinite })
    }

    let v = KnownEnergy<Float> { square($0).sum(axes: 1) * unit }
    let stable = StableField(KnownField<Float> { _, y in y }, lyapunov: v, rate: 0.4)
    let rest = try odeint(from: start, at: [0, 5], rtol: 1e-6, atol: 1e-6) { try stable($0, $1) }.final
    for (found, first) in zip(rest.scalars, start.scalars) { #expect(abs(found / first - exp(-1)) < 1e-4) }
  }

  /// One quantity and two, of a field that keeps neither.
  @Test func aConservingFieldKeepsItsQuantities() throws {
    let energy = KnownEnergy<Double> { square($0).sum(axes: 1) * 0.5 }
    let one = ConservingField(base, keeping: energy)
    for row in (rows * (try one(0.1, rows))).sum(axes: 1).scalars { #expect(abs(row) < 1e-12) }

    let two = ConservingField(base, keeping: Invariants())
    let end = try odeint(from: rows, at: [0, 2], rtol: 1e-10, atol: 1e-10) { try two($0, $1) }.final
    for (now, then) in zip(Invariants()(end).scalars, Invariants()(rows).scalars) {
      #expect(abs(now - then) < 1e-7)
    }
    // What is kept already is not touched: a rotation keeps the norm.
    let rotation = ConservingField(Rotation(), keeping: energy)
    #expect((try rotation(0, rows)).scalars == Rotation()(0, rows).scalars.map { $0 + 0 })
    #expect(try one(0, .zeros([1, 3])).scalars.allSatisfy(\.isFinite))
  }

  /// |x|² and x0 + 2 x1 x2.
  private struct Invariants: Layer {
    func callAsFunction(_ x: Tensor<Double>) -> Tensor<Double> {
      let a = x.sliced(0..<1, axis: 1), b = x.sliced(1..<2, axis: 1), c = x.sliced(2..<3, axis: 1)
      return .concatenated([square(x).sum(axes: [1], keepingDimensions: true), a + b * c * 2], axis: 1)
    }
    mutating func visitParameters(_ visit: inout ParameterVisitor) {}
  }

  private struct Rotation: VectorField {
    func callAsFunction(_ t: Tensor<Double>, _ y: Tensor<Double>) -> Tensor<Double> {
      .concatenated(
        [-y.sliced(1..<2, axis: 1), y.sliced(0..<1, axis: 1), y.sliced(2..<3, axis: 1) * 0.0], axis: 1)
    }
    mutating func visitParameters(_ visit: inout ParameterVisitor) {}
  }
}
