import Foundation
import Testing

@testable import NODECore

@Suite struct ModuleTests {
  private struct Nested: Module {
    var scale: Tensor<Double> = 2.0
    var layers = [
      Linear<Double>(2, 3, key: RandomKey(seed: 1)), Linear(3, 1, bias: false, key: RandomKey(seed: 2)),
    ]
    var absent: Linear<Double>?
    var unseen = 3

    func callAsFunction(_ x: Tensor<Double>) -> Tensor<Double> { scale * layers[1](tanh(layers[0](x))) }

    mutating func visitParameters(_ visit: inout ParameterVisitor) {
      visit("scale", &scale)
      visit("layers", &layers)
      visit("absent", &absent)
    }
  }

  @Test func flatVectorAndBack() {
    let module = Nested()
    #expect(
      module.parameterLayout.entries.map(\.name) == [
        "scale", "layers.0.weight", "layers.0.bias", "layers.1.weight",
      ])
    #expect(module.parameterCount == 13)
    let vector = module.parameterVector(Double.self)
    #expect(vector.shape == [13] && vector.scalars[0] == 2)
    let changed = module.replacingParameters(with: vector + 1.0)
    #expect(changed.parameterVector(Double.self).scalars == vector.scalars.map { $0 + 1 })
    #expect(changed.layers[1].weight.shape == [3, 1] && changed.absent == nil && changed.unseen == 3)
    #expect(module.scale.scalar == 2, "a module is a value")
  }

  @Test func gradientIsOfTheSameType() {
    let module = Nested()
    let x = Tensor<Double>([[0.3, -0.2], [0.1, 0.4]])
    let (value, gradient) = valueAndGradient(of: module) { NODECore.square($0(x)).sum() }
    #expect(value.scalar > 0)
    // Central differences on the flat vector.
    let vector = module.parameterVector(Double.self).scalars
    let slopes = gradient.parameterVector(Double.self).scalars
    for i in vector.indices {
      func loss(_ step: Double) -> Double {
        var moved = vector
        moved[i] += step
        return square(module.replacingParameters(with: Tensor(moved))(x)).sum().scalar
      }
      let expected = (loss(1e-5) - loss(-1e-5)) / 2e-5
      #expect(abs(slopes[i] - expected) < 1e-8 * max(1, abs(expected)))
    }
  }

  @Test func parametersWithoutInfluenceGetZero() {
    let gradient = valueAndGradient(of: Nested()) { square($0.scale) }.gradient
    #expect(gradient.scale.scalar == 4)
    #expect(gradient.layers[0].weight.scalars == [Double](repeating: 0, count: 6))
  }

  /// Its copies show more parameters each time.
  private final class Count: @unchecked Sendable { var visits = 0 }
  private struct Growing: Module {
    var parameters = [Tensor<Double>(1.0), Tensor<Double>(2.0)]
    let count = Count()
    mutating func visitParameters(_ visit: inout ParameterVisitor) {
      count.visits += 1
      visit("first", &parameters[0])
      if count.visits > 1 { visit("second", &parameters[1]) }
    }
  }

  @Test func visitsThatChangeAreNamed() async throws {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let module = Growing()
      _ = module.replacingParameters(module.parameterValues)
    }
    let message = String(decoding: try #require(result).standardErrorContent, as: UTF8.self)
    #expect(
      message.contains("ParameterVisitor: 1 replacements for more parameters"), "\(message.prefix(300))")
  }

  private struct Nothing: Module {
    mutating func visitParameters(_ visit: inout ParameterVisitor) {}
  }

  @Test func noParametersAreAnEmptyVector() {
    #expect(Nothing().parameterVector().shape == [0])
  }

  /// A bias that would broadcast is a mistake of whoever set it.
  @Test func aBiasHasToFitItsWeight() async throws {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      var layer = Linear<Float>(2, 4)
      layer.bias = .zeros([1])
      _ = layer(.zeros([3, 2]))
    }
    let message = String(decoding: try #require(result).standardErrorContent, as: UTF8.self)
    #expect(message.contains("Linear: bias [1] beside a weight [2, 4]"), "\(message.prefix(300))")
  }

  @Test func losses() {
    let a = Tensor<Double>([1, -2, 0.5, 3]), b = Tensor<Double>([0, 1, 0.25, 3])
    func expectClose(_ x: Tensor<Double>, _ expected: Double) { #expect(abs(x.scalar - expected) < 1e-14) }
    expectClose(meanSquaredError(a, b), 2.515625)
    expectClose(meanAbsoluteError(a, b), 1.0625)
    // Differences 1, 3, 0.25 and 0: two beyond delta, two below.
    expectClose(huberLoss(a, b, delta: 0.75), (0.46875 + 1.96875 + 0.03125) / 4)
    let logits = Tensor<Double>([[1, 2, 0.5], [0, -1, 0.25]]), labels = Tensor<Int32>([1, 0])
    #expect(correctCount(logits: logits, labels: labels).scalar == 1)
    // Scores that are not numbers are never right; infinite ones are compared like others.
    let broken = Tensor<Double>([
      [.nan, .nan, .nan], [1, .nan, 0], [0, .infinity, 1], [-.infinity, 0, .infinity],
      [.infinity, .infinity, 0],
    ])
    #expect(correctCount(logits: broken, labels: Tensor<Int32>([0, 1, 1, 0, 1])).scalar == 2)
    let probability = softmax(logits).scalars
    expectClose(
      crossEntropy(logits: logits, labels: labels), -(log(probability[1]) + log(probability[3])) / 2)
  }
}
