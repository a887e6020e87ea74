import Testing

@testable import NODECore

/// A field of rows, and how many diagonals its longest chain has; nil: it is not made of chains.
struct DivergenceCase: CustomTestStringConvertible, Sendable {
  let testDescription: String
  let width: Int
  let diagonals: Int?
  let field: @Sendable (Tensor<Double>) -> Tensor<Double>

  init(
    _ name: String, _ width: Int, diagonals: Int?,
    _ field: @escaping @Sendable (Tensor<Double>) -> Tensor<Double>
  ) {
    testDescription = name
    self.width = width
    self.diagonals = diagonals
    self.field = field
  }

  static func matrix(_ rows: Int, _ columns: Int, _ seed: UInt64) -> Tensor<Double> {
    .normal(shape: [rows, columns], standardDeviation: 0.5, key: RandomKey(seed: seed))
  }

  static func net(_ sizes: [Int], _ activation: Activation) -> @Sendable (Tensor<Double>) -> Tensor<Double> {
    let layers = zip(sizes, sizes.dropFirst()).enumerated().map { index, size in
      Linear<Double>(size.0, size.1, key: RandomKey(seed: UInt64(20 + index)))
    }
    return { y in
      layers.enumerated().reduce(y) { h, layer in
        layer.offset + 1 < layers.count ? activation(layer.element(h)) : layer.element(h)
      }
    }
  }

  /// Time at the input, as torchdiffeq's and diffrax's examples have it.
  static func withTime(_ y: Tensor<Double>) -> Tensor<Double> {
    .concatenated([y, Tensor<Double>(0.3).broadcast(to: [y.shape[0], 1])], axis: 1)
  }

  static let all: [DivergenceCase] = [
    DivergenceCase("constant", 3, diagonals: 0) { _ in .ones([4, 3]) },
    DivergenceCase("identity", 3, diagonals: 0) { $0 },
    DivergenceCase("linear", 3, diagonals: 0) { matmul($0, matrix(3, 3, 1)) },
    DivergenceCase("element-wise", 3, diagonals: 1) { tanh($0) * sin($0) + exp(-$0) },
    DivergenceCase("linear, then element-wise", 3, diagonals: 1) { tanh(matmul($0, matrix(3, 3, 1))) },
    DivergenceCase("element-wise, then linear", 3, diagonals: 1) { matmul(sin($0), matrix(3, 3, 1)) },
    DivergenceCase("element-wise on both sides", 3, diagonals: 2) { tanh(matmul(sin($0), matrix(3, 3, 1))) },
    DivergenceCase("one hidden layer", 3, diagonals: 1, net([3, 7, 3], .tanh)),
    DivergenceCase("two hidden layers", 3, diagonals: 2, net([3, 7, 5, 3], .softplus)),
    DivergenceCase("three hidden layers", 3, diagonals: 3, net([3, 7, 5, 6, 3], .tanh)),
    DivergenceCase("four hidden layers", 2, diagonals: 4, net([2, 7, 5, 6, 4, 2], .sigmoid)),
    DivergenceCase("one column", 1, diagonals: 2, net([1, 7, 5, 1], .tanh)),
    DivergenceCase("relu", 3, diagonals: 2, net([3, 7, 5, 3], .relu)),
    DivergenceCase("gelu and silu", 3, diagonals: 2) { y in
      let h = geluTanh(matmul(y, matrix(3, 5, 1)))
      return matmul(silu(matmul(h, matrix(5, 4, 2))), matrix(4, 3, 3))
    },
    DivergenceCase("time at the input", 3, diagonals: 2) { net([4, 7, 5, 3], .tanh)(withTime($0)) },
    DivergenceCase("gates", 3, diagonals: 1) { y in
      let first = ConcatSquashLinear<Double>(3, 6, key: RandomKey(seed: 3))
      let second = ConcatSquashLinear<Double>(6, 3, key: RandomKey(seed: 4))
      let t = Tensor<Double>(0.4)
      return second(t, tanh(first(t, y)))
    },
    DivergenceCase("residual", 3, diagonals: 2) { $0 + 0.5 * net([3, 7, 5, 3], .tanh)($0) },
    DivergenceCase("difference of two nets", 2, diagonals: 2) { y in
      net([2, 4, 2], .tanh)(y) - net([2, 7, 5, 2], .sin)(y)
    },
    DivergenceCase("gated by itself", 3, diagonals: 1) { y in
      matmul(tanh(matmul(y, matrix(3, 5, 1))) * sigmoid(matmul(y, matrix(3, 5, 2))), matrix(5, 3, 3))
    },
    DivergenceCase("coupled halves", 4, diagonals: 1) { y in
      let first = y.sliced(0..<2, axis: 1), second = y.sliced(2..<4, axis: 1)
      return .concatenated([tanh(matmul(second, matrix(2, 2, 1))), first * exp(second)], axis: 1)
    },
    DivergenceCase("Lotka-Volterra", 2, diagonals: 1) { y in
      let x = y.sliced(0..<1, axis: 1), z = y.sliced(1..<2, axis: 1)
      return .concatenated([1.5 * x - x * z, x * z - 3 * z], axis: 1)
    },
    DivergenceCase("radial", 3, diagonals: 3) { y in
      y / sqrt(1 + square(y).sum(axes: [1], keepingDimensions: true)).broadcast(to: y.shape)
    },
    DivergenceCase("softmax over columns", 3, diagonals: nil) { y in
      exp(y - y.max(axes: [1], keepingDimensions: true)) * matmul(y, matrix(3, 3, 1))
    },
    DivergenceCase("reversed columns", 3, diagonals: nil) { y in tanh(y.reversed(axes: 1)) * y },
    DivergenceCase("detached", 3, diagonals: 0) { y in stopGradient(tanh(y)) + 2 * y },
  ]

  var state: Tensor<Double> { .normal(shape: [4, width], key: RandomKey(seed: 11)) }

  /// Row by row, from whole Jacobians.
  func traces() throws -> [Double] {
    try (0..<4).map { row in
      let j = try jacobian(at: state.sliced(row..<row + 1, axis: 0)) { y in field(y) }.evaluated()
      let numbers = j.scalars
      return (0..<width).reduce(0) { $0 + numbers[$1 * width + $1] }
    }
  }
}

@Suite struct DivergenceTests {
  private func close(_ a: [Double], _ b: [Double], _ tolerance: Double = 1e-13) -> Bool {
    a.count == b.count && zip(a, b).allSatisfy { abs($0 - $1) <= tolerance * (1 + abs($1)) }
  }

  @Test(arguments: DivergenceCase.all) func theExactTraceIsThatOfTheJacobian(item: DivergenceCase) throws {
    let (value, trace) = Divergence<Double>(.exact, shape: item.state.shape)(at: item.state, of: item.field)
    #expect(try close(trace.evaluated().scalars, item.traces()))
    #expect(try value.evaluated().scalars == item.field(item.state).evaluated().scalars)
  }

  @Test(arguments: DivergenceCase.all) func chainsAreFound(item: DivergenceCase) {
    Graph.differentiating([item.state.value]) { arguments in
      let output = item.field(Tensor(arguments[0])).value
      let chains = jacobianChains(of: output, at: arguments[0])
      #expect(chains.map { $0.map(\.diagonals).max() ?? 0 } == item.diagonals)
    }
  }

  /// All signs there are: the mean over them is the trace, whatever the Jacobian.
  @Test(arguments: DivergenceCase.all) func probesAverageToTheTrace(item: DivergenceCase) throws {
    let width = item.width, all = 1 << width
    let signs = (0..<4).flatMap { _ in
      (0..<all).flatMap { pattern in (0..<width).map { pattern >> $0 & 1 == 1 ? 1.0 : -1.0 } }
    }
    let probes = Tensor<Double>(signs, shape: [4, all, width])
    let mean = Divergence(probes: probes)(at: item.state, of: item.field).divergence
    #expect(try close(mean.evaluated().scalars, item.traces(), 1e-12))
  }

  /// As many vectors as columns span everything: nothing is left to estimate.
  @Test(arguments: DivergenceCase.all) func aFullSketchIsExact(item: DivergenceCase) throws {
    let divergence = Divergence<Double>(
      .hutchPlusPlus(probes: item.width), shape: item.state.shape, key: RandomKey(seed: 8))
    let trace = divergence(at: item.state, of: item.field).divergence
    #expect(try close(trace.evaluated().scalars, item.traces(), 1e-12))
  }

  /// Below the sketch's rank the basis is made of rounding in part, and of nothing else where the Jacobian is zero: no gradient
  /// goes through it. Those of the state and of w leave the range alone, so they are exact.
  @Test(arguments: [(1, 1), (1, 3), (2, 2), (2, 4)]) func gradientsOfLowRanksAreExact(
    item: (rank: Int, probes: Int)
  ) throws {
    let y = Tensor<Double>.normal(shape: [4, 5], key: RandomKey(seed: 1))
    let w = DivergenceCase.matrix(5, item.rank, 2), u = DivergenceCase.matrix(item.rank, 5, 3)
    func gradients(_ method: DivergenceMethod, _ u: Tensor<Double>) throws -> [Double] {
      let divergence = Divergence<Double>(method, shape: y.shape, key: RandomKey(seed: 4))
      func sum(_ y: Tensor<Double>, _ w: Tensor<Double>) -> Tensor<Double> {
        divergence(at: y) { matmul(tanh(matmul($0, w)), u) }.divergence.sum()
      }
      return try gradient(at: y) { sum($0, w) }.evaluated().scalars
        + gradient(at: w) { sum(y, $0) }.evaluated().scalars
    }
    let sketch = DivergenceMethod.hutchPlusPlus(probes: item.probes)
    let exact = try gradients(.exact, u)
    #expect(try close(gradients(sketch, u), exact, 1e-11) && exact.contains { abs($0) > 1e-2 })
    #expect(try gradients(sketch, u * 0).allSatisfy { $0 == 0 })
  }

  @Test(arguments: DivergenceCase.all) func derivativesAreRight(item: DivergenceCase) throws {
    guard item.testDescription != "relu", item.testDescription != "detached" else { return }
    for method in [DivergenceMethod.exact, .hutchinson(probes: 2)] {
      let divergence = Divergence<Double>(method, shape: item.state.shape, key: RandomKey(seed: 5))
      let report = try checkGradient(
        of: { y in divergence(at: y, of: item.field).divergence }, at: item.state, order: 2, tolerance: 1e-6)
      #expect(report.passed, "\(method): \(report)")
    }
  }
}
