import Foundation
import Testing

@testable import NODECore

@Suite struct InitializerTests {
  private func draw(_ initializer: Initializer, _ shape: Shape = [300, 200], seed: UInt64 = 1) -> [Double] {
    let tensor: Tensor<Double> = initializer(
      shape, fanIn: shape[0], fanOut: shape[shape.rank - 1], key: RandomKey(seed: seed))
    return tensor.value.node.evaluated(0)!.array(of: Double.self, count: shape.count)
  }

  /// Variances by their formulas; the sampling error of 60,000 draws is below 2 % at 3 sigma.
  private static let expected: [(initializer: Initializer, mean: Double, variance: Double)] = [
    (.uniform(-1..<3), 1, 4.0 / 3), (.normal(mean: 2, standardDeviation: 0.5), 2, 0.25),
    (.xavierUniform(gain: 1), 0, 0.004), (.xavierNormal(gain: 2), 0, 0.016),
    (.kaimingUniform(gain: 2), 0, 4.0 / 300), (.kaimingNormal(gain: 1), 0, 1.0 / 300), (.fanIn, 0, 1.0 / 900),
    (.orthogonal(gain: 1), 0, 1.0 / 300), (.lecunUniform, 0, 1.0 / 300), (.lecunNormal, 0, 1.0 / 300),
    // Moments of the truncated normal distribution: with phi, Phi at the ends, 1 - 4 phi(2) / (Phi(2) - Phi(-2)).
    (.truncatedNormal(), 0, 0.773741),
    (.truncatedNormal(mean: 1, standardDeviation: 0.5, in: 0...2), 1, 0.193435),
    // And from 4 to 5 standard deviations above the mean, where a plain inversion has no digits left.
    (.truncatedNormal(in: 4...5), 4.216831, 0.038290),
  ]

  @Test(arguments: expected.indices)
  func moments(_ index: Int) {
    let (initializer, mean, variance) = Self.expected[index]
    let x = draw(initializer)
    let m = x.reduce(0, +) / Double(x.count)
    let v = x.reduce(0) { $0 + ($1 - m) * ($1 - m) } / Double(x.count)
    #expect(abs(m - mean) < 4 * (variance / Double(x.count)).squareRoot() + 1e-12)
    #expect(abs(v / variance - 1) < 0.025)
  }

  @Test func constants() {
    for (initializer, number) in [(Initializer.ones, 1.0), (.zeros, 0), (.constant(-2.5), -2.5)] {
      let tensor: Tensor<Double> = initializer([2, 3], fanIn: 2, fanOut: 3, key: RandomKey(seed: 1))
      #expect(tensor.scalars == Array(repeating: number, count: 6))
    }
  }

  /// The share of draws below x is the distribution function, everywhere (Kolmogorov's test at 1e-4).
  @Test func truncatedNormalHasItsDistribution() {
    let x = draw(.truncatedNormal(mean: 0.5, standardDeviation: 2, in: -1...4)).sorted()
    func phi(_ x: Double) -> Double { erfc(-(x - 0.5) / 2 * 0.5.squareRoot()) / 2 }
    let distance = x.indices.map { i in
      abs((phi(x[i]) - phi(-1)) / (phi(4) - phi(-1)) - (Double(i) + 0.5) / Double(x.count))
    }.max()!
    #expect(distance * Double(x.count).squareRoot() < 2.23)
    #expect(x.first! >= -1 && x.last! <= 4)
  }

  /// 30 to 31 deviations from the mean, on either side, where the distribution function is 5e-198. What is left is nearly
  /// exponential: the sampling error of the variance is 1.2 %, so 6 % is 5 sigma.
  @Test(arguments: [
    (Initializer.truncatedNormal(in: 30...31), 30.033260, 0.00110377),
    (Initializer.truncatedNormal(mean: 1, standardDeviation: 2, in: -61...(-59)), -59.066519, 0.00441509),
  ])
  func farTails(_ initializer: Initializer, _ mean: Double, _ variance: Double) {
    let x = draw(initializer)
    let m = x.reduce(0, +) / Double(x.count)
    let v = x.reduce(0) { $0 + ($1 - m) * ($1 - m) } / Double(x.count)
    #expect(abs(m - mean) < 5 * (variance / Double(x.count)).squareRoot())
    #expect(abs(v / variance - 1) < 0.06)
  }

  @Test func boundsOfUniformOnes() {
    #expect(draw(.truncatedNormal()).allSatisfy { (-2...2).contains($0) })
    #expect(draw(.lecunUniform).allSatisfy { abs($0) <= (3 / 300.0).squareRoot() })
    #expect(draw(.fanIn).allSatisfy { abs($0) <= 1 / 300.0.squareRoot() })
    #expect(draw(.uniform(2..<3)).allSatisfy { (2..<3).contains($0) })
  }

  @Test(arguments: [(12, 7), (7, 12), (9, 9)])
  func orthogonalIs(_ rows: Int, _ columns: Int) {
    let q = draw(.orthogonal(gain: 1), [rows, columns])
    let wide = rows <= columns
    let count = min(rows, columns), length = max(rows, columns)
    func element(_ vector: Int, _ i: Int) -> Double {
      wide ? q[vector * columns + i] : q[i * columns + vector]
    }
    for a in 0..<count {
      for b in 0..<count {
        let product = (0..<length).reduce(0.0) { $0 + element(a, $1) * element(b, $1) }
        #expect(abs(product - (a == b ? 1 : 0)) < 1e-14)
      }
    }
  }

  /// 3 x 3 windows of 8 channels: 72 inputs and 144 outputs of a weight. 1152 draws: the sampling error of the variance is
  /// 4.2 % for normal ones at 1 sigma.
  @Test func fansOfAConvolution() {
    func variance(_ initializer: Initializer) -> Double {
      let layer = Conv2D<Double>(8, 16, kernel: 3, weightInitializer: initializer, key: RandomKey(seed: 8))
      #expect(layer.weight.shape == [3, 3, 8, 16])
      let w = layer.weight.scalars, bias = layer.bias!.scalars
      #expect(bias.allSatisfy { abs($0) <= 1 / 72.0.squareRoot() })
      return w.reduce(0) { $0 + $1 * $1 } / Double(w.count)
    }
    #expect(abs(variance(.fanIn) / (1 / (3 * 72.0)) - 1) < 0.15)
    #expect(abs(variance(.kaimingNormal()) / (2 / 72.0) - 1) < 0.2)
    #expect(abs(variance(.xavierNormal()) / (2 / (72.0 + 144.0)) - 1) < 0.2)
  }

  /// Rounding to Float must not reach the end of a half-open range.
  @Test(
    arguments: [1e7..<(1e7 + 1), 1e7..<(1e7 + 3), 1..<(1 + 0x1p-22), 0..<1, -1..<1, 0.7..<0.8]
      as [Range<Double>])
  func endsOfUniformRangesAreOutside(_ range: Range<Double>) {
    let drawn: Tensor<Float> = Initializer.uniform(range)(
      [100_000], fanIn: 1, fanOut: 1, key: RandomKey(seed: 4))
    #expect(drawn.scalars.allSatisfy { range.contains(Double($0)) })
    let still: Tensor<Float> = Initializer.kaimingUniform(gain: 0)(
      [9], fanIn: 1, fanOut: 1, key: RandomKey(seed: 4))
    #expect(still.scalars.allSatisfy { $0 == 0 })
  }

  @Test func dependOnTheKeyOnly() {
    #expect(draw(.fanIn, seed: 5) == draw(.fanIn, seed: 5))
    #expect(draw(.fanIn, seed: 5) != draw(.fanIn, seed: 6))
    let a = Linear<Float>(3, 4, key: RandomKey(seed: 7)), b = Linear<Float>(3, 4, key: RandomKey(seed: 7))
    #expect(
      a.weight.value.node.evaluated(0)!.array(of: Float.self, count: 12)
        == b.weight.value.node.evaluated(0)!.array(of: Float.self, count: 12))
  }
}
