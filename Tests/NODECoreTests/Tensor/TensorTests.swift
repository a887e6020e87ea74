import NODECore
import Testing

@testable import ProgramFuzzing

@Suite struct TensorTests {
  /// A number in every element is held in the element type before it is another one's.
  @Test func conversionsOfRepeatedNumbersRound() {
    func repeated(_ x: Double, _ dtype: DType = .float32) -> Value { Graph.splat(x, TensorType(dtype, [2])) }
    for x in [0.1, 1e300, -1e300, 16_777_217, 1e-50] {
      let there = Tensor<Float>(repeated(x)).converted(to: Double.self)
      #expect(there.scalars == [Double](repeating: Double(Float(x)), count: 2))
      let back = Tensor<Double>(repeated(x, .float64)).converted(to: Float.self).converted(to: Double.self)
      #expect(back.scalars == [Double](repeating: Double(Float(x)), count: 2))
    }
    let integers = Tensor<Int32>(repeated(16_777_217, .int32)).converted(to: Float.self)
    #expect(integers.converted(to: Double.self).scalars == [16_777_216, 16_777_216])
  }

  static let broadcastPairs: [(Shape, Shape, Shape)] = [
    ([], [3], [3]), ([2, 1], [3], [2, 3]), ([2, 3], [2, 3], [2, 3]), ([4, 1, 3], [2, 1], [4, 2, 3]),
    ([1], [], [1]), ([1, 1], [5], [1, 5]),
  ]

  @Test(arguments: broadcastPairs)
  func broadcasting(_ a: Shape, _ b: Shape, _ expected: Shape) throws {
    let x = Tensor<Double>(spreadOut(a)), y = Tensor<Double>(spreadOut(b, seed: 2))
    #expect((x * y).shape == expected && (y - x).shape == expected)
    // Element by element: the position in an operand ignores the axes where its extent is 1.
    let product = (x * y).interpreted, left = x.interpreted, right = y.interpreted
    for index in 0..<expected.count {
      func position(_ shape: Shape) -> Int {
        var rest = index, result = 0, stride = 1
        for back in 1...max(expected.rank, 1) where back <= expected.rank {
          let coordinate = rest % expected[expected.rank - back]
          rest /= expected[expected.rank - back]
          guard back <= shape.rank else { continue }
          if shape[shape.rank - back] > 1 { result += coordinate * stride }
          stride *= shape[shape.rank - back]
        }
        return result
      }
      #expect(product[index] == left[position(a)] * right[position(b)])
    }
    let check = DerivativeCase("broadcast", [x.value, y.value]) {
      [(Tensor<Double>($0[0]) / Tensor($0[1])).value]
    }
    let report = try check.check()
    #expect(report.passed, "\(report)")
  }

  @Test func literalsAndNumbersOnEitherSide() {
    let x = Tensor<Float>([1, 2])
    let step: Float = 0.5, wide = 0.25, count = 3
    #expect((2.0 * x + 1.0).interpreted == [3, 5])
    #expect((2 * x - 1).interpreted == [1, 3])
    #expect((step * x / wide).interpreted == [2, 4])
    #expect((1 / x).interpreted == [1, 0.5])
    #expect((x * Float(count)).interpreted == [3, 6])
    let three: Tensor<Float> = 3, labels: Tensor<Int32> = 7
    #expect(three.shape == [] && labels.interpreted == [7])
    var y = x
    y += 1
    y *= x
    #expect((-y).interpreted == [-2, -6])
    #expect(
      (x .> 1).interpreted == [0, 1] && (x .<= 1).interpreted == [1, 0] && (x .== x).interpreted == [1, 1])
  }

  @Test func indexing() {
    let x = Tensor<Double>((0..<24).map(Double.init), shape: [2, 3, 4])
    #expect(x[1].shape == [3, 4] && x[1].interpreted == (12..<24).map(Double.init))
    #expect(x[-1, 0, 1].interpreted == [13])
    #expect(x[0..<1, ...].shape == [1, 3, 4])
    #expect(x[..., -1].interpreted == [3, 7, 11, 15, 19, 23])
    #expect(x[0, .all, .every(2)].interpreted == [0, 2, 4, 6, 8, 10])
    #expect(x[0, 1..., 2...3].interpreted == [6, 7, 10, 11])
    #expect(x[.newAxis, .ellipsis, ..<2].shape == [1, 2, 3, 2])
    #expect(x[0, 0, .newAxis].shape == [1, 4])
    #expect(x[1, -2 ... -1, 0].interpreted == [16, 20])
  }

  @Test func structure() {
    let x = Tensor<Double>([[1, 2, 3], [4, 5, 6]])
    #expect(x.transposed().interpreted == [1, 4, 2, 5, 3, 6])
    #expect(x.reversed(axes: -1).interpreted == [3, 2, 1, 6, 5, 4])
    #expect(x.flattened().shape == [6] && Tensor<Double>(1.0).flattened().shape == [1])
    #expect(x.padded(before: [0, 1], after: [1, 0]).interpreted == [0, 1, 2, 3, 0, 4, 5, 6, 0, 0, 0, 0])
    #expect(Tensor.concatenated([x, x], axis: -1).shape == [2, 6])
    #expect(Tensor.stacked([x[0], x[1]], axis: -1).interpreted == x.transposed().interpreted)
    #expect(x.split(counts: [1, 2], axis: 1).map(\.interpreted) == [[1, 4], [2, 3, 5, 6]])
    #expect(x.gather(at: Tensor<Int32>([1, 1])).interpreted == [4, 5, 6, 4, 5, 6])
    #expect(
      x.scatterAdded(at: Tensor<Int32>([2, 2]), entries: 3).interpreted == [0, 0, 0, 0, 0, 0, 5, 7, 9])
    #expect(x.converted(to: Int32.self).converted(to: Float.self).interpreted == [1, 2, 3, 4, 5, 6])
  }

  @Test func reductions() {
    let x = Tensor<Double>([[1, 2, 3], [4, 5, 9]])
    #expect(x.sum().interpreted == [24] && x.sum().shape == [])
    #expect(x.sum(axes: 0).interpreted == [5, 7, 12])
    #expect(x.mean(axes: -1, keepingDimensions: true).shape == [2, 1])
    #expect(x.max(axes: 0, 1).interpreted == [9] && x.min(axes: 1).interpreted == [1, 4])
    #expect(x.variance(axes: 1).interpreted[0] == 2.0 / 3)
    #expect(x.sum(axes: []).value == x.value)
    #expect(logSumExp(Tensor<Double>([-.infinity, -.infinity])).interpreted == [-.infinity])
    #expect(logSumExp(Tensor<Double>([1000, 1000])).interpreted[0] > 1000)
  }

  @Test func matrixProductsOfVectorsAndBatches() {
    let a = Tensor<Double>([[1, 2], [3, 4]]), v = Tensor<Double>([5, 6])
    #expect(matmul(a, v).interpreted == [17, 39] && matmul(v, a).interpreted == [23, 34])
    #expect(matmul(v, v).shape == [] && dot(v, v).interpreted == [61])
    let x = Tensor<Double>(spreadOut([3, 1, 2, 2])), y = Tensor<Double>(spreadOut([4, 2, 5]))
    #expect(matmul(x, y).shape == [3, 4, 2, 5])
  }

  @Test func simplificationsKeepValuesAndDropNodes() {
    let x = Graph.input("x", TensorType(.float32, [2]))
    #expect(x + 0 == x && x * 1 == x && -(-x) == x && x.reshaped(to: [2]) == x)
    #expect((x * 0).splatValue == nil, "0 * NaN is NaN")
    #expect(x.broadcast(to: [3, 2], axes: [1]).broadcast(to: [4, 3, 2], axes: [1, 2]).node.operands == [x])
    #expect(x.splat(2).broadcast(to: [3, 2], axes: [1]).splatValue == 2)
    // Folding rounds as Float does.
    #expect((x.splat(0.1) + x.splat(0.2)).splatValue == Double(Float(0.1) + Float(0.2)))
    #expect((x.splat(1) / x.splat(3)).splatValue == Double(Float(1) / Float(3)))
  }

  @Test func paddingSameKeepsTheExtent() {
    let x = Tensor<Double>(spreadOut([1, 5, 6, 1])), filter = Tensor<Double>(spreadOut([3, 2, 1, 1]))
    #expect(conv2d(x, filter, padding: .same).shape == [1, 5, 6, 1])
    #expect(conv2d(x, filter, stride: 2, padding: .same).shape == [1, 3, 3, 1])
    #expect(conv2d(x, filter).shape == [1, 3, 5, 1])
    #expect(conv2d(x, filter, padding: .zeros(1)).shape == [1, 5, 7, 1])
  }

  // Known answers of Random123 1.14 (tests/kat_vectors, philox4x32 10), counter and key zero.
  @Test func philoxKnownAnswer() {
    var stream = RandomStream(key: RandomKey(seed: 0))
    let words = (0..<4).map { _ in stream.nextWord() }
    #expect(words == [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8])
  }

  /// A compiled step derives the same keys from a key that is an input as a script does from a known one.
  @Test func symbolicKeysSplitAlike() {
    let key = RandomKey(seed: 99)
    let symbol = Graph.input("key", TensorType(.int32, [2]))
    let children = RandomKey(words: Tensor(symbol)).split(5).map(\.words.value)
    var interpreter = Interpreter([symbol: key.words.interpreted])
    let known = key.split(5).map(\.words.interpreted)
    #expect(interpreter.evaluate(children) == known)
    #expect(key.fold(in: 3).words.interpreted == known[3])
    #expect(Set(known).count == 5)
  }

  @Test func drawsHaveTheirMoments() {
    let key = RandomKey(seed: 5).split()
    let uniform = Tensor<Double>.uniform(shape: [20_000], in: 2..<4, key: key[0]).interpreted
    #expect(uniform.allSatisfy { $0 >= 2 && $0 < 4 })
    let normal = Tensor<Float>.normal(shape: [20_000], mean: 1, standardDeviation: 2, key: key[1]).interpreted
    // Five standard errors of the mean: 5 sigma / sqrt(20000).
    let error = 5 / Double(20_000).squareRoot()
    let uniformMean = uniform.reduce(0, +) / 20_000, normalMean = normal.reduce(0, +) / 20_000
    #expect((uniformMean - 3).magnitude < error * 0.578)
    #expect((normalMean - 1).magnitude < error * 2)
  }
}
