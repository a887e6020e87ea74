import Foundation
import Testing

@testable import NODECore

/// Layers against their definitions in plain loops.
@Suite struct LayerTests {
  private func random(_ shape: Shape, _ seed: UInt64) -> Tensor<Double> {
    Initializer.normal(standardDeviation: 1)(shape, fanIn: 1, fanOut: 1, key: RandomKey(seed: seed))
  }

  private func expectClose(_ a: [Double], _ b: [Double], _ tolerance: Double = 1e-12) {
    #expect(a.count == b.count)
    for (x, y) in zip(a, b) { #expect(abs(x - y) <= tolerance * max(1, abs(y))) }
  }

  @Test(arguments: [true, false]) func linear(_ bias: Bool) {
    let layer = Linear<Double>(3, 4, bias: bias, key: RandomKey(seed: 1))
    let x = random([5, 3], 2)
    let xs = x.scalars, w = layer.weight.scalars
    let b: [Double] = layer.bias?.scalars ?? [0, 0, 0, 0]
    var expected: [Double] = []
    for row in 0..<5 {
      for column in 0..<4 {
        var sum: Double = b[column]
        for k in 0..<3 { sum += xs[row * 3 + k] * w[k * 4 + column] }
        expected.append(sum)
      }
    }
    expectClose(layer(x).scalars, expected)
    // A single sample and a stack of batches.
    expectClose(layer(x[0]).scalars, Array(expected[..<4]))
    #expect(layer(x.reshaped(to: [5, 1, 3])).shape == [5, 1, 4])
    #expect(layer.parameterCount == (bias ? 16 : 12))
  }

  @Test func mlpIsItsLayers() {
    let net = MLP<Double>(3, 6, 5, 2, activation: .tanh, outputActivation: .sigmoid, key: RandomKey(seed: 3))
    let x = random([4, 3], 4)
    let expected = sigmoid(net.layers[2](tanh(net.layers[1](tanh(net.layers[0](x))))))
    #expect(net(x).scalars == expected.scalars)
  }

  /// conv([t, x], W) with the time as a real first channel.
  @Test(arguments: [(Padding.zeros(1), 1), (.valid, 2)])
  func concatConvIsTheConvolutionOfTheConcatenation(_ padding: Padding, _ stride: Int) {
    let layer = ConcatConv2D<Double>(
      3, 4, kernel: 3, stride: stride, padding: padding, key: RandomKey(seed: 5))
    #expect(layer.weight.shape == [3, 3, 4, 4])
    let x = random([2, 5, 6, 3], 6)
    let t: Tensor<Double> = 0.37
    let joined = Tensor.concatenated([t.broadcast(to: [2, 5, 6, 1]), x], axis: 3)
    let expected = conv2d(joined, layer.weight, stride: stride, padding: padding) + layer.bias
    expectClose(layer(t, x).scalars, expected.scalars)
  }

  @Test func groupNormalisation() {
    var layer = GroupNorm<Double>(groups: 2, channels: 6)
    layer.scale = random([6], 7)
    layer.bias = random([6], 8)
    let x = random([3, 2, 4, 6], 9)
    let xs = x.scalars, scale = layer.scale.scalars, bias = layer.bias.scalars
    var expected = xs
    for n in 0..<3 {
      for group in 0..<2 {
        let members: [Int] = (0..<24).map { i in n * 48 + i / 3 * 6 + group * 3 + i % 3 }
        var mean = 0.0, variance = 0.0
        for at in members { mean += xs[at] / 24 }
        for at in members { variance += (xs[at] - mean) * (xs[at] - mean) / 24 }
        let root: Double = (variance + 1e-5).squareRoot()
        for at in members { expected[at] = (xs[at] - mean) / root * scale[at % 6] + bias[at % 6] }
      }
    }
    expectClose(layer(x).scalars, expected)
  }

  @Test func poolingAndFlattening() {
    let xs: [Double] = (0..<32).map { i in Double(i * 7 % 32) }
    let x = Tensor<Double>(xs, shape: [1, 4, 4, 2])
    func window(_ at: Int) -> [Double] {
      let corner: Int = at / 4 * 16 + at / 2 % 2 * 4 + at % 2
      return [xs[corner], xs[corner + 2], xs[corner + 8], xs[corner + 10]]
    }
    let largest: [Double] = (0..<8).map { at in window(at).max()! }
    let means: [Double] = (0..<8).map { at in window(at).reduce(0, +) / 4 }
    expectClose(MaxPool2D(size: 2)(x).scalars, largest)
    expectClose(AveragePool2D(size: 2)(x).scalars, means)
    var total: [Double] = [0, 0]
    for i in 0..<32 { total[i % 2] += xs[i] / 16 }
    expectClose(GlobalAveragePool2D()(x).scalars, total)
    let net = Sequential<Double>(MaxPool2D(size: 2), Flatten(), Linear(8, 3), ActivationLayer(.relu))
    #expect(net(x).shape == [1, 3])
    #expect(net.parameterLayout.entries.map(\.name) == ["2.weight", "2.bias"])
  }

  @Test(arguments: Activation.allCases) func activationsAreFiniteAndNamed(_ activation: Activation) {
    let y = activation(Tensor<Double>([-30, -1, 0, 1, 30])).scalars
    #expect(y.allSatisfy { $0.isFinite })
    #expect(activation == .identity || y != [-30, -1, 0, 1, 30])
  }

  /// Every activation against its formula, written down once more.
  @Test(arguments: Activation.allCases) func activationsAreTheirFormulas(_ activation: Activation) {
    let formula: (Double) -> Double =
      switch activation {
      case .identity: { $0 }
      case .relu: { max($0, 0) }
      case .tanh: { Foundation.tanh($0) }
      case .sigmoid: { 1 / (1 + Foundation.exp(-$0)) }
      case .softplus: { Foundation.log(1 + Foundation.exp($0)) }
      case .silu: { $0 / (1 + Foundation.exp(-$0)) }
      case .gelu: { $0 * Foundation.erfc(-$0 / 2.0.squareRoot()) / 2 }
      case .geluTanh:
        { $0 / 2 * (1 + Foundation.tanh((2 / Double.pi).squareRoot() * ($0 + 0.044715 * $0 * $0 * $0))) }
      case .elu: { $0 > 0 ? $0 : Foundation.exp($0) - 1 }
      case .leakyReLU: { $0 > 0 ? $0 : 0.01 * $0 }
      case .sin: { Foundation.sin($0) }
      case .gaussian: { Foundation.exp(-$0 * $0) }
      }
    let x: [Double] = [-3, -1.2, -0.4, 0, 0.3, 1, 2.5]
    expectClose(activation(Tensor<Double>(x)).scalars, x.map(formula), 1e-13)
  }
}
