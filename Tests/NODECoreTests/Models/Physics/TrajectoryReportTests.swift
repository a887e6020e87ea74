import Foundation
import NODECore
import Testing

@Suite struct TrajectoryReportTests {
  private let energy = Invariant<Double>("energy") { y in 0.5 * square(y).sum(axes: 1) }

  /// The states of n steps of explicit Euler for the oscillator of frequency one, [n + 1, rows, 2].
  private func spiral(from y0: Tensor<Double>, steps: Int, h: Double) -> Tensor<Double> {
    let rest = scan(from: y0, over: Tensor<Double>.zeros([steps, 1])) { y, _ in
      let next = y + h * Tensor.concatenated([y[.all, 1..<2], -y[.all, 0..<1]], axis: 1)
      return (next, next)
    }.outputs
    return .concatenated([y0.expandingShape(at: 0), rest])
  }

  @Test func explicitEulerGainsEnergyByAKnownFactor() throws {
    let h = 0.1, steps = 50, factor = pow(1 + h * h, Double(steps))
    let y0 = Tensor<Double>([[1, 0], [0.6, 2]])
    let report = try TrajectoryReport(
      times: (0...steps).map { Double($0) * h }, states: spiral(from: y0, steps: steps, h: h), [energy])
    let quantity = try #require(report["energy"])
    for (drift, initial) in zip(quantity.drifts, [0.5, 2.18]) {
      #expect(abs(drift.initial - initial) < 1e-14)
      let gained = drift.final / initial
      #expect(abs(gained - (factor - 1)) < 1e-12)
      #expect(drift.largest == drift.final && drift.slope > 0)
      #expect(abs(drift.relative - (factor - 1)) < 1e-12)
    }
    #expect(abs(quantity.largestDrift - 2.18 * (factor - 1)) < 1e-12)
    #expect(abs(quantity.medianDrift - 1.34 * (factor - 1)) < 1e-12)
    #expect(abs(quantity.relativeDrift - quantity.medianRelativeDrift) < 1e-12)
  }

  @Test func aSolveIsReportedAtItsTimes() throws {
    let y0 = Tensor<Double>([[1, 0], [0, 1]])
    let field: (Tensor<Double>, Tensor<Double>) -> Tensor<Double> = { _, y in
      .concatenated([y[.all, 1..<2], -y[.all, 0..<1]], axis: 1)
    }
    let shared = try TrajectoryReport(
      odeint(from: y0, at: [0, 1, 4], method: .tsit5, rtol: 1e-10, atol: 1e-10, field: field), [energy])
    #expect(shared["energy"]!.largestDrift < 1e-8 && shared.times == [[0, 1, 4]])
    let times = Tensor<Double>([[0, 1, 4], [1, 2, 3]])
    let own = try TrajectoryReport(
      odeint(from: y0, at: times, method: .tsit5, rtol: 1e-10, atol: 1e-10, field: field),
      [Invariant("q") { $0[.all, 0] }])
    #expect(own.times(ofRow: 1) == [1, 2, 3])
    for (row, expected) in [cos(4.0), sin(2.0)].enumerated() {
      #expect(abs(own["q"]!.values[row][2] - expected) < 1e-8)
    }
  }

  @Test func secularDriftAndOscillationAreToldApart() {
    // A whole number of periods, even about the middle of the times, so that the line does not lean on them.
    let times = (0..<4000).map { (Double($0) - 1999.5) * 0.01 }
    let values = times.map { 3 + 0.02 * $0 + 0.5 * cos(2 * .pi * $0) }
    let drift = TrajectoryReport.Drift(values, times: times)
    #expect(abs(drift.slope - 0.02) < 1e-12)
    #expect(abs(drift.oscillation - 0.125.squareRoot()) < 1e-12)
    let constraint = TrajectoryReport.Drift([0.5, -0.25, 0], target: 0, times: [0, 1, 2])
    #expect(constraint.largest == 0.5 && constraint.final == 0 && constraint.relative == .infinity)
    #expect(abs(constraint.meanSquaredError - 0.3125 / 3) < 1e-15)
  }

  @Test func rowsThatAreNotFiniteAreCounted() throws {
    // [times, rows, width]: the second row overflows in a component that the quantity does not see.
    let states = Tensor<Double>([1, 0, 1, 0, 1, 0, 1, .infinity, 1, 0, 1, .nan], shape: [3, 2, 2])
    let report = try TrajectoryReport(times: [0, 1, 2], states: states, [Invariant("q") { $0[.all, 0] }])
    let q = report.quantities[0]
    #expect(q.nonfiniteRows == 1 && q.drifts[0].isFinite && q.drifts[1].firstNonfinite == 1)
    #expect(q.drifts[0].largest == 0 && q.largestDrift == .infinity && q.meanSquaredError == .infinity)
    #expect("\(report)".contains("1 of 2 not finite, first at time 1"), "\(report)")
  }

  @Test func aReportSurvivesJSON() throws {
    let states = Tensor<Double>([1, 2, 3, 4, .nan, 6], shape: [3, 2, 1])
    let report = try TrajectoryReport(times: [0, 1, 2], states: states, [Invariant("q") { $0[.all, 0] }])
    let encoder = JSONEncoder(), decoder = JSONDecoder()
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    let again = try decoder.decode(TrajectoryReport.self, from: encoder.encode(report))
    #expect(again.quantities[0].drifts == report.quantities[0].drifts && again.times == report.times)
    #expect("\(again)" == "\(report)")
  }

  // MARK: - Symplecticity

  /// Symplectic for any weights: kick, then drift.
  private func symplecticEuler(_ y: Tensor<Double>, _ force: (Tensor<Double>) -> Tensor<Double>) -> Tensor<
    Double
  > {
    let n = y.shape[1] / 2
    let q = y.sliced(0..<n, axis: 1), p = y.sliced(n..<2 * n, axis: 1)
    let kicked = p + 0.3 * force(q)
    return .concatenated([q + 0.3 * kicked, kicked], axis: 1)
  }

  @Test func theDefectOfASymplecticStepIsRoundOff() {
    let net = MLP<Double>(3, 16, 1, activation: .tanh, key: RandomKey(seed: 1))
    let y = Tensor<Double>.normal(shape: [7, 6], key: RandomKey(seed: 2))
    let step: (Tensor<Double>) -> Tensor<Double> = { y in
      symplecticEuler(y) { q in gradient(at: q) { net($0).sum() } }
    }
    let defect = symplecticityDefect(of: step, at: y)
    #expect(defect.shape == [7] && defect.max().scalar < 1e-14, "\(defect)")
  }

  @Test func theDefectOfExplicitEulerIsThatOfItsDeterminant() throws {
    // q' = p, p' = -sin q: the Jacobian of a step has the determinant 1 + h² cos q, and the defect is h² |cos q|.
    let h = 0.1, q = [0.3, 1.2, 2.5, -3]
    let y = Tensor<Double>(q.map { [$0, 0.7] })
    let euler: (Tensor<Double>) -> Tensor<Double> = { y in
      y + h * Tensor.concatenated([y[.all, 1..<2], -sin(y[.all, 0..<1])], axis: 1)
    }
    let defect = symplecticityDefect(of: euler, at: y)
    for (defect, q) in zip(defect.scalars, q) { #expect(abs(defect - h * h * abs(cos(q))) < 1e-15) }
  }

  @Test func theDefectSeesWhatADeterminantDoesNot() {
    // Volume is kept, areas in the planes (q1, p1) and (q2, p2) are not.
    let scale = Tensor<Double>([2, 1, 1, 0.5])
    let defect = symplecticityDefect(of: { $0 * scale }, at: Tensor<Double>.ones([2, 4]))
    #expect(defect.scalars == [1, 1])
  }

  // MARK: - Momenta

  @Test func momentaOfBodies() throws {
    let y = Tensor<Double>([1, 2, 3, -1, 0, 2, 0.5, -0.25, 1, 2, 1, -3], shape: [1, 12])
    #expect(linearMomentum(y, dimensions: 3).scalars == [2.5, 0.75, -2])
    // By hand: (1, 2, 3) x (0.5, -0.25, 1) + (-1, 0, 2) x (2, 1, -3).
    #expect(angularMomentum(y, dimensions: 3).scalars == [0.75, 1.5, -2.25])
    #expect(linearMomentum(y, dimensions: 3, masses: [2, 1]).scalars == [3, 0.5, -1])
    let along = noetherMomentum(y) { q in Tensor<Double>([1, 0, 0, 1, 0, 0]).broadcast(to: q.shape) }
    #expect(along.scalars == [2.5])
  }

  @Test func attractingBodiesKeepTheirMomenta() throws {
    let y0 = Tensor<Double>([[0.5, 0.1, -0.5, 0, 0.1, 0.6, 0.2, -0.7]])
    let path = try odeint(
      from: y0, at: [0, 0.5, 1, 2], method: .dopri5, rtol: 1e-10, atol: 1e-10
    ) { _, y in
      let r = y[.all, 0..<2] - y[.all, 2..<4]
      let pull = r / pow(square(r).sum(axes: 1, keepingDimensions: true), 1.5)
      return .concatenated([y[.all, 4..<8], -pull, pull], axis: 1)
    }
    let kept =
      Invariant<Double>.linearMomentum(dimensions: 2) + Invariant<Double>.angularMomentum(dimensions: 2)
    let report = try TrajectoryReport(path, kept + [Invariant("one of them") { $0[.all, 4] }])
    for name in ["momentum x", "momentum y", "angular momentum"] {
      #expect(report[name]!.largestDrift < 1e-9, "\(report)")
    }
    #expect(report["one of them"]!.largestDrift > 0.1)
  }

  /// A row that never was finite has a target that is not, and is the worst one all the same.
  @Test func aRowThatStartsAsNaNIsTheWorst() throws {
    let states = Tensor<Double>([1, 0, .nan, 0, 1, 0.1, 1, 0], shape: [2, 2, 2])
    let quantity = try TrajectoryReport(times: [0, 1], states: states, [energy])["energy"]!
    #expect(quantity.nonfiniteRows == 1)
    #expect(quantity.relativeDrift == .infinity && quantity.drifts[1].relativeFinal == .infinity)
    #expect(abs(quantity.drifts[0].relative - 0.01) < 1e-12)
  }

  /// The momenta of the two bodies of `HamiltonianTask`, whose coordinates stand axis by axis.
  @Test func momentaOfTheTasksAreKept() throws {
    let task = HamiltonianTask.twoBodies, times = [0.0, 1, 3]
    let start = Tensor<Double>([[1, -0.8, 0.2, 0.1, 0.1, -0.2, 0.5, -0.3]])
    let report = try TrajectoryReport(
      times: times, states: task.motion(from: start, at: times),
      Invariant.linearMomentum(dimensions: 2, layout: .axes)
        + Invariant.angularMomentum(dimensions: 2, layout: .axes))
    for (name, value) in [("momentum x", -0.1), ("momentum y", 0.2), ("angular momentum", 0.74)] {
      let quantity = try #require(report[name])
      #expect(abs(quantity.values[0][0] - value) < 1e-12, "\(name)")
      #expect(quantity.largestDrift < 1e-8, "\(name)")
    }
  }
}
