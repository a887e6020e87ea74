import NODECore
import Testing

@testable import ProgramFuzzing

/// Compiled solves against the same steps written out in the graph: states and gradients of y0, times and captures, for every
/// way in which a field can use lanes, time and captures.
@Suite(.smallBlocks) struct SolveAgainstUnrolledTests {
  static let steps = 6

  private func loss(_ final: Tensor<Double>) -> Tensor<Double> { (final * final * 0.5 + sin(final)).sum() }

  private func unrolled(_ field: FieldCase, _ x: [Tensor<Double>]) -> Tensor<Double> {
    let captures = x[2...].map(\.value)
    func f(_ t: Tensor<Double>, _ y: Tensor<Double>) -> Tensor<Double> {
      Tensor(field.field(t.value, y.value, captures))
    }
    let start = x[1][0], h = (x[1][1] - start) * (1 / Double(Self.steps))
    var y = x[0]
    for step in 0..<Self.steps {
      let t = start + h * Double(step), middle = t + h * 0.5
      let k1 = f(t, y), k2 = f(middle, y + k1 * h * 0.5), k3 = f(middle, y + k2 * h * 0.5)
      let k4 = f(t + h, y + k3 * h)
      y = y + (k1 + k2 * 2 + k3 * 2 + k4) * h * (1.0 / 6)
    }
    return y
  }

  private func solved(_ field: FieldCase, _ x: [Tensor<Double>], _ sensitivity: SensitivityMethod) throws
    -> Tensor<Double>
  {
    try odeint(
      from: x[0], at: x[1], method: .rk4, controller: .fixed(stepsPerInterval: Self.steps),
      sensitivity: sensitivity
    ) { t, y in Tensor(field.field(t.value, y.value, x[2...].map(\.value))) }.final
  }

  private func arguments(_ field: FieldCase) -> [Tensor<Double>] {
    let built = field.build()
    return [Tensor(built.elements[1], shape: FieldCase.state), Tensor([0.25, 0.75])]
      + zip(built.elements[2...], field.captures).map { Tensor($0, shape: $1) }
  }

  @Test(arguments: FieldCase.all)
  func exactGradientsEqualTheUnrolledOnes(_ field: FieldCase) throws {
    let x = arguments(field)
    let expected = valueAndGradient(at: x) { loss(unrolled(field, $0)) }
    for threads in [1, 2] {
      try withThreads(threads) {
        let found = try valueAndGradient(at: x) { loss(try solved(field, $0, .exact)) }
        #expect(abs(found.value.scalar - expected.value.scalar) < 1e-12)
        for (index, (a, b)) in zip(found.gradient, expected.gradient).enumerated() {
          #expect(difference(a.scalars, b.scalars) < 1e-11, "argument \(index)")
        }
      }
    }
  }

  @Test(arguments: FieldCase.all)
  func backsolveIsCloseToThem(_ field: FieldCase) throws {
    let x = arguments(field)
    let expected = valueAndGradient(at: x) { loss(unrolled(field, $0)) }
    let found = try valueAndGradient(at: x) { loss(try solved(field, $0, .backsolve)) }
    for (index, (a, b)) in zip(found.gradient, expected.gradient).enumerated() {
      #expect(difference(a.scalars, b.scalars) < 2e-3, "argument \(index)")
    }
  }

  /// States of ranks 0 and 1, and a single row.
  @Test(arguments: [[], [1], [5], [1, 4], [2, 3, 2]] as [Shape])
  func statesOfEveryRank(_ shape: Shape) throws {
    let y0 = Tensor<Double>.uniform(shape: shape, key: RandomKey(seed: 2))
    let rate = Tensor<Double>(0.7)
    func run(_ solve: Bool) throws -> (value: Tensor<Double>, gradient: [Tensor<Double>]) {
      try valueAndGradient(at: [y0, rate]) { x in
        let times = Tensor<Double>([0, 0.5])
        let field = FieldCase(testDescription: "", hasLanes: true, captures: [[]], capturesWithLanes: [false])
        {
          _, y, c in (y * c[0].broadcast(to: shape, axes: [])).map(.sin)
        }
        let arguments = [x[0], times, x[1]]
        return loss(solve ? try solved(field, arguments, .exact) : unrolled(field, arguments))
      }
    }
    let found = try run(true), expected = try run(false)
    #expect(abs(found.value.scalar - expected.value.scalar) < 1e-13)
    for (a, b) in zip(found.gradient, expected.gradient) { #expect(difference(a.scalars, b.scalars) < 1e-12) }
  }

  @Test func aSolveInsideOfAFieldIsAnError() throws {
    let y0 = Tensor<Double>([1, 2])
    #expect(throws: CompileError.self) {
      _ = try odeint(from: y0, at: [0, 1], method: .euler, controller: .fixed(stepsPerInterval: 2)) { t, y in
        try odeint(from: y, at: [0, 1], method: .euler, controller: .fixed(stepsPerInterval: 2)) { _, z in -z
        }.final
      }
    }
  }
}
