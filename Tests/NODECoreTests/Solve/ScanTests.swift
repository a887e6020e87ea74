import Foundation
import Testing

@testable import NODECore

/// Loops against the same steps written one after the other.
@Suite(.smallBlocks) struct ScanTests {
  private let cell = GRUCell<Double>(3, hidden: 4, key: RandomKey(seed: 1))
  private let inputs = Tensor<Double>.normal(shape: [6, 5, 3], key: RandomKey(seed: 2))
  private let start = Tensor<Double>.normal(shape: [5, 4], key: RandomKey(seed: 3))

  private func expectClose(_ a: [Double], _ b: [Double], _ tolerance: Double = 1e-12) {
    #expect(a.count == b.count)
    for (x, y) in zip(a, b) { #expect(abs(x - y) <= tolerance * max(1, abs(y))) }
  }

  /// The last state and all outputs, by a loop in Swift.
  private func unrolled(
    _ cell: GRUCell<Double>, _ h: Tensor<Double>, _ xs: Tensor<Double>, reversed: Bool
  ) -> (Tensor<Double>, Tensor<Double>) {
    var h = h, outputs: [Tensor<Double>] = []
    let order = reversed ? Array((0..<xs.shape[0]).reversed()) : Array(0..<xs.shape[0])
    for i in order {
      let next = cell(xs[i], h)
      outputs.append(next * h)
      h = next
    }
    return (h, Tensor.stacked(reversed ? outputs.reversed() : outputs))
  }

  private func looped(
    _ cell: GRUCell<Double>, _ h: Tensor<Double>, _ xs: Tensor<Double>, reversed: Bool
  ) -> (Tensor<Double>, Tensor<Double>) {
    let (last, outputs) = scan(from: h, over: xs, reversed: reversed) { h, x in
      let next = cell(x, h)
      return (next, next * h)
    }
    return (last, outputs)
  }

  @Test(arguments: [false, true], [1, 2, 6])
  func valuesAreThoseOfTheSteps(_ reversed: Bool, _ steps: Int) {
    let xs = inputs[0..<steps]
    let (last, outputs) = looped(cell, start, xs, reversed: reversed)
    let expected = unrolled(cell, start, xs, reversed: reversed)
    #expect(outputs.shape == [steps, 5, 4])
    expectClose(last.scalars, expected.0.scalars)
    expectClose(outputs.scalars, expected.1.scalars)
  }

  @Test func withoutSteps() {
    let (last, outputs) = looped(cell, start, inputs[0..<0], reversed: false)
    #expect(last.scalars == start.scalars && outputs.shape == [0, 5, 4])
    let g = gradient(at: start) { h in square(looped(cell, h, inputs[0..<0], reversed: false).0).sum() }
    expectClose(g.scalars, (start * 2.0).scalars)
  }

  /// Gradients for the first carry, the rows and what is captured, and products with the hessian.
  @Test(arguments: [false, true])
  func derivativesAreThoseOfTheSteps(_ reversed: Bool) throws {
    typealias Loop = (GRUCell<Double>, Tensor<Double>, Tensor<Double>, Bool) -> (
      Tensor<Double>, Tensor<Double>
    )
    func loss(_ x: [Tensor<Double>], _ loop: Loop) -> Tensor<Double> {
      let (last, outputs) = loop(cell.replacingParameters(with: x[2]), x[0], x[1], reversed)
      return square(last).sum() + sin(outputs).sum()
    }
    let looped: Loop = { self.looped($0, $1, $2, reversed: $3) }
    let unrolled: Loop = { self.unrolled($0, $1, $2, reversed: $3) }
    let x = [start, inputs, cell.parameterVector(Double.self)]
    let a = gradient(at: x) { loss($0, looped) }, b = gradient(at: x) { loss($0, unrolled) }
    for (a, b) in zip(a, b) { expectClose(a.scalars, b.scalars) }
    let v = x.enumerated().map {
      Tensor<Double>.normal(shape: $1.shape, key: RandomKey(seed: UInt64(7 + $0)))
    }
    let ha = jvp(at: x, along: v) { x in gradient(at: x) { loss($0, looped) }[2] }.tangent
    let hb = jvp(at: x, along: v) { x in gradient(at: x) { loss($0, unrolled) }[2] }.tangent
    expectClose(ha.scalars, hb.scalars, 1e-10)
    try checkGradient(
      of: { x in
        let (last, outputs) = looped(cell.replacingParameters(with: x[2]), x[0], x[1], reversed)
        return outputs + last
      }, at: [start[0..<2], inputs[0..<3, 0..<2], x[2]], order: 2
    ).verify()
  }

  /// Groups of tensors: a carry of a matrix and a count of integers, rows of numbers and keys' words, outputs of both kinds.
  @Test func groupsAndIntegers() throws {
    let rows = Tensor<Double>((0..<4).map { Double($0) + 0.5 })
    let marks = Tensor<Int32>([3, 1, 0, 2])
    let table = Tensor<Double>([1, 10, 100, 1000])
    let (last, outputs) = scan(
      from: [Tensor<Double>(0), Tensor<Double>(1)], over: Pair(x: rows, mark: marks)
    ) {
      carry, row in
      let sum = carry[0] + row.x * table.gather(at: row.mark.reshaped(to: [1])).reshaped(to: [])
      return ([sum, carry[1] * 2.0], Pair(x: sum * carry[1], mark: row.mark))
    }
    let sums = [500.0, 515, 517.5, 867.5]
    expectClose([last[0].scalar, last[1].scalar], [867.5, 16])
    expectClose(outputs.x.scalars, zip(sums, [1, 2, 4, 8]).map { $0 * $1 })
    #expect(outputs.mark.scalars == [3, 1, 0, 2])
    try checkGradient(
      of: { x in
        scan(from: [x[0], x[1]], over: Pair(x: x[2], mark: marks)) { carry, row in
          let sum = carry[0] + row.x * x[3].gather(at: row.mark.reshaped(to: [1])).reshaped(to: [])
          return ([sum, carry[1] * carry[1]], sum * carry[1])
        }.outputs
      }, at: [Tensor(0.3), Tensor(0.9), rows * 0.1, table * 0.01], order: 2
    ).verify()
  }

  private struct Pair: TensorGroup {
    var x: Tensor<Double>
    var mark: Tensor<Int32>
    mutating func visitTensors(_ visit: inout TensorVisitor) {
      visit(&x)
      visit(&mark)
    }
  }

  /// A loop in a loop, and a carry that nothing changes.
  @Test func nested() throws {
    let xs = inputs[0..<3, 0..<4, 0]
    func sums(_ x: Tensor<Double>, _ w: Tensor<Double>) -> Tensor<Double> {
      scan(from: [w, Tensor<Double>(0)], over: x) { carry, row in
        let inner = scan(from: carry[1], over: row) { s, x in
          let next = tanh(s + x * carry[0])
          return (next, next)
        }
        return ([carry[0], inner.carry], inner.outputs)
      }.outputs
    }
    var s = 0.0, expected: [Double] = []
    for x in xs.scalars {
      s = Foundation.tanh(s + x * 0.7)
      expected.append(s)
    }
    expectClose(sums(xs, Tensor(0.7)).scalars, expected)
    try checkGradient(of: { sums($0[0], $0[1]) }, at: [xs, Tensor(0.7)], order: 2).verify()
  }

  /// Solves between observations: the recurrence of an ODE-RNN.
  @Test func solvesInTheBody() throws {
    let w = Tensor<Double>.normal(shape: [4, 4], standardDeviation: 0.4, key: RandomKey(seed: 4))
    func last(_ h: Tensor<Double>, _ w: Tensor<Double>, _ xs: Tensor<Double>) throws -> Tensor<Double> {
      try scan(from: h, over: xs) { h, x in
        let path = try odeint(from: h, at: [0, 0.5], method: .rk4, controller: .fixed(step: 0.25)) { _, y in
          tanh(matmul(y, w))
        }
        return (cell(x, path.final), h)
      }.carry
    }
    try checkGradient(of: { try last($0[0], $0[1], $0[2]) }, at: [start, w, inputs[0..<3]]).verify()
    var h = start
    for i in 0..<3 {
      h = cell(
        inputs[i],
        try odeint(from: h, at: [0, 0.5], method: .rk4, controller: .fixed(step: 0.25)) { _, y in
          tanh(matmul(y, w))
        }.final)
    }
    expectClose(try last(start, w, inputs[0..<3]).scalars, h.scalars)
  }

  /// The program does not grow with the number of steps; without a gradient nor does its memory.
  @Test func isOneInstruction() throws {
    let cell = cell
    let forward = compiled { (h: Tensor<Double>, xs: Tensor<Double>) in
      scan(from: h, over: xs) { h, x in (cell(x, h), Tensor<Double>(0)) }.carry
    }
    let backward = compiled { (h: Tensor<Double>, xs: Tensor<Double>) in
      gradient(at: h) { h in
        square(scan(from: h, over: xs) { h, x in (cell(x, h), Tensor<Double>(0)) }.carry).sum()
      }
    }
    let short = inputs, long = Tensor<Double>.normal(shape: [200, 5, 3], key: RandomKey(seed: 5))
    let programs = try [short, long].map { try forward.program(for: start, $0) }
    #expect(programs[0].operationCount == programs[1].operationCount)
    // The outputs that nobody reads are 8 bytes a step.
    #expect(programs[1].plannedBytes(threads: 1) <= programs[0].plannedBytes(threads: 1) + 194 * 8 + 64)
    let gradients = try [short, long].map { try backward.program(for: start, $0) }
    #expect(gradients[0].operationCount == gradients[1].operationCount)
    expectClose(
      try forward(start, long).scalars,
      unrolled(cell, start, long, reversed: false).0.scalars)
  }

  @Test func aLoopInsideOfAFieldIsAClearError() {
    #expect(throws: CompileError.self) {
      try odeint(from: start, at: [0, 1]) { _, y in
        scan(from: y, over: Tensor<Double>.ones([2])) { y, x in (y * x, x) }.carry
      }
    }
  }
}
