import Foundation
import Testing

@testable import NODECore

/// Recurrent cells and layers with time against their published equations, written out for every element.
@Suite struct RecurrentTests {
  private func random(_ shape: Shape, _ seed: UInt64) -> Tensor<Double> {
    Tensor.normal(shape: shape, key: RandomKey(seed: seed))
  }

  private func expectClose(_ a: [Double], _ b: [Double], _ tolerance: Double = 1e-13) {
    #expect(a.count == b.count)
    for (x, y) in zip(a, b) { #expect(abs(x - y) <= tolerance * max(1, abs(y))) }
  }

  private func logistic(_ x: Double) -> Double { 1 / (1 + Foundation.exp(-x)) }

  /// Column `column` of x W + b for one row x.
  private func affine(_ x: [Double], _ w: Tensor<Double>, _ b: Tensor<Double>, _ column: Int) -> Double {
    let weight = w.scalars, columns = w.shape[1]
    return x.indices.reduce(b.scalars[column]) { $0 + x[$1] * weight[$1 * columns + column] }
  }

  @Test func gru() throws {
    let cell = GRUCell<Double>(3, hidden: 4, key: RandomKey(seed: 1))
    #expect(cell.parameterCount == 3 * 12 + 4 * 12 + 24)
    let bound = 0.5
    #expect(cell.parameterVector(Double.self).scalars.allSatisfy { abs($0) <= bound })
    let x = random([2, 3], 2), h = random([2, 4], 3)
    var expected: [Double] = []
    for row in 0..<2 {
      let xs = x[row].scalars, hs = h[row].scalars
      for j in 0..<4 {
        func input(_ gate: Int) -> Double { affine(xs, cell.inputWeight, cell.inputBias, gate * 4 + j) }
        func state(_ gate: Int) -> Double { affine(hs, cell.hiddenWeight, cell.hiddenBias, gate * 4 + j) }
        let r = logistic(input(0) + state(0)), z = logistic(input(1) + state(1))
        let n = Foundation.tanh(input(2) + r * state(2))
        expected.append((1 - z) * n + z * hs[j])
      }
    }
    expectClose(cell(x, h).scalars, expected)
    expectClose(cell(x[0], h[0]).scalars, Array(expected[..<4]))
    try checkGradient(
      of: { arguments in
        let cell = cell.replacingParameters(with: arguments[2])
        return cell(arguments[0], cell(arguments[0], arguments[1]))
      }, at: [x, h, cell.parameterVector(Double.self)], order: 2
    ).verify()
  }

  @Test func lstm() throws {
    let cell = LSTMCell<Double>(3, hidden: 2, key: RandomKey(seed: 4))
    #expect(cell.parameterCount == 3 * 8 + 2 * 8 + 16)
    let x = random([2, 3], 5), h = random([2, 2], 6), c = random([2, 2], 7)
    var hidden: [Double] = [], memory: [Double] = []
    for row in 0..<2 {
      let xs = x[row].scalars, hs = h[row].scalars, cs = c[row].scalars
      for j in 0..<2 {
        func gate(_ gate: Int) -> Double {
          affine(xs, cell.inputWeight, cell.inputBias, gate * 2 + j)
            + affine(hs, cell.hiddenWeight, cell.hiddenBias, gate * 2 + j)
        }
        let kept = logistic(gate(1)) * cs[j] + logistic(gate(0)) * Foundation.tanh(gate(2))
        memory.append(kept)
        hidden.append(logistic(gate(3)) * Foundation.tanh(kept))
      }
    }
    let next = cell(x, (h, c))
    expectClose(next.hidden.scalars, hidden)
    expectClose(next.cell.scalars, memory)
    try checkGradient(
      of: { arguments in
        let cell = cell.replacingParameters(with: arguments[3])
        let next = cell(arguments[0], cell(arguments[0], (arguments[1], arguments[2])))
        return next.hidden + next.cell
      }, at: [x, h, c, cell.parameterVector(Double.self)], order: 2
    ).verify()
  }

  /// [t, x] W + b with the time as a real first column.
  @Test func concatLinear() throws {
    let layer = ConcatLinear<Double>(3, 2, key: RandomKey(seed: 8))
    #expect(layer.weight.shape == [4, 2])
    let x = random([5, 3], 9), t: Tensor<Double> = 0.37
    let joined = Tensor.concatenated([t.broadcast(to: [5, 1]), x], axis: 1)
    expectClose(layer(t, x).scalars, (matmul(joined, layer.weight) + layer.bias).scalars)
    try checkGradient(
      of: { layer.replacingParameters(with: $0[2])($0[0], $0[1]) },
      at: [t, x, layer.parameterVector(Double.self)], order: 2
    ).verify()
  }

  /// The authors' text: layer(x) * sigmoid(hyper_gate(t)) + hyper_bias(t).
  @Test func concatSquashLinear() throws {
    let layer = ConcatSquashLinear<Double>(3, 2, key: RandomKey(seed: 10))
    #expect(layer.parameterCount == (3 * 2 + 2) + (2 + 2) + 2)
    let x = random([5, 3], 11), t = 0.61
    var expected: [Double] = []
    for row in 0..<5 {
      for j in 0..<2 {
        let linear = affine(x[row].scalars, layer.linear.weight, layer.linear.bias!, j)
        let gate = logistic(affine([t], layer.gate.weight, layer.gate.bias!, j))
        expected.append(linear * gate + t * layer.shift.weight.scalars[j])
      }
    }
    expectClose(layer(Tensor(t), x).scalars, expected)
    try checkGradient(
      of: { layer.replacingParameters(with: $0[2])($0[0], $0[1]) },
      at: [Tensor(t), x, layer.parameterVector(Double.self)], order: 2
    ).verify()
  }

  /// A field of such layers: rows are lanes, and the gradient of the solve is right.
  @Test func aFieldWithTime() throws {
    let first = ConcatSquashLinear<Double>(2, 6, key: RandomKey(seed: 12))
    let last = ConcatLinear<Double>(6, 2, key: RandomKey(seed: 13))
    let report = try checkGradient(
      of: { arguments in
        let first = first.replacingParameters(with: arguments[1])
        return try odeint(from: arguments[0], at: [0, 0.5, 1], method: .rk4, controller: .fixed(step: 0.25)) {
          t, y in last(t, tanh(first(t, y)))
        }.states
      }, at: [random([3, 2], 14), first.parameterVector(Double.self)])
    try report.verify()
  }
}
