import Foundation
import Testing

@testable import NODECore

/// Each optimizer against its paper's update written out for one scalar, on f(p) = p^2 / 2 (so that the
/// gradient is p).
@Suite struct OptimizerTests {
  private func run(_ optimizer: some Optimizer, steps: Int) -> [Double] {
    var p = Tensor<Double>([1.5])
    var state = optimizer.stateNames.map { _ in Tensor<Double>([0]) }
    return (0..<steps).map { step in
      let rate = Tensor<Double>(optimizer.learningRate.rate(at: step))
      (p, state) = optimizer.update(
        parameters: p, gradient: p, state: state, learningRate: rate, step: Tensor(Double(step + 1)))
      return p.scalars[0]
    }
  }

  private func expectClose(_ a: [Double], _ b: [Double]) {
    #expect(a.count == b.count)
    for (x, y) in zip(a, b) { #expect(abs(x - y) < 1e-13) }
  }

  @Test(arguments: [(0.0, false, 0.0), (0.9, false, 0.0), (0.9, true, 0.0), (0.8, false, 0.1)])
  func sgd(_ momentum: Double, _ nesterov: Bool, _ decay: Double) {
    var p = 1.5, v = 0.0
    let expected = (0..<6).map { _ in
      let g = p + decay * p
      v = momentum * v + g
      p -= 0.1 * (nesterov ? g + momentum * v : v)
      return p
    }
    let optimizer = SGD(learningRate: 0.1, momentum: momentum, nesterov: nesterov, weightDecay: decay)
    expectClose(run(optimizer, steps: 6), expected)
  }

  @Test(arguments: [(0.0, false), (0.1, false), (0.1, true)])
  func adam(_ decay: Double, _ decoupled: Bool) {
    var p = 1.5, m = 0.0, v = 0.0
    let expected = (1...8).map { t in
      let g = decoupled ? p : p + decay * p
      m = 0.9 * m + 0.1 * g
      v = 0.999 * v + 0.001 * g * g
      let mHat = m / (1 - pow(0.9, Double(t))), vHat = v / (1 - pow(0.999, Double(t)))
      if decoupled { p -= 0.05 * decay * p }
      p -= 0.05 * mHat / (vHat.squareRoot() + 1e-8)
      return p
    }
    expectClose(run(Adam(learningRate: 0.05, weightDecay: decay, decoupled: decoupled), steps: 8), expected)
  }

  /// The text of torch.optim.RMSprop, its options in every combination.
  @Test(arguments: [0.0, 0.9], [(0.0, false), (0.1, false), (0.0, true), (0.1, true)])
  func rmsProp(_ momentum: Double, _ option: (decay: Double, centered: Bool)) {
    var p = 1.5, s = 0.0, v = 0.0, mean = 0.0
    let expected = (0..<6).map { _ in
      let g = p + option.decay * p
      s = 0.99 * s + 0.01 * g * g
      mean = 0.99 * mean + 0.01 * g
      let variance = option.centered ? s - mean * mean : s
      v = momentum * v + g / (variance.squareRoot() + 1e-8)
      p -= 0.01 * v
      return p
    }
    let optimizer = RMSprop(
      learningRate: 0.01, momentum: momentum, weightDecay: option.decay, centered: option.centered)
    expectClose(run(optimizer, steps: 6), expected)
  }

  /// In Float the first steps of Adam have full precision: 1 - 0.999 is not taken as a difference.
  @Test func adamInFloatFollowsDouble() {
    var p = Tensor<Float>([1]), state = [Tensor<Float>([0]), Tensor<Float>([0])]
    let optimizer = Adam(learningRate: 0.1)
    (p, state) = optimizer.update(
      parameters: p, gradient: Tensor<Float>([0.3]), state: state, learningRate: Tensor<Float>(0.1), step: 1)
    // The first step is the rate times the gradient's sign.
    #expect(abs(p.scalars[0] - 0.9) < 2e-7)
  }
}
