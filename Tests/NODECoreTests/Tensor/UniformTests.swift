import Testing

@testable import NODECore

@Suite struct UniformTests {
  private func check<S: FloatingScalar>(_ type: S.Type, _ range: Range<Double>) {
    let numbers = Tensor<S>.uniform(shape: [100_000], in: range, key: RandomKey(seed: 4)).scalars
    #expect(numbers.allSatisfy { range.contains($0.asDouble) }, "\(S.self) \(range)")
  }

  static let ranges: [Range<Double>] = [
    1e7..<(1e7 + 1), 1e7..<(1e7 + 3), 1..<(1 + 0x1p-22), 0..<1, -1..<1, 2..<4, -1e-30..<1, 0.1..<0.3,
  ]

  /// Rounding must not reach the upper bound, however few numbers there are in between.
  @Test(arguments: ranges)
  func upperBoundsAreOutside(_ range: Range<Double>) {
    check(Float.self, range)
    check(Double.self, range)
  }

  @Test func doublesToo() {
    for range: Range<Double> in [1e16..<(1e16 + 2), 1..<(1 + 3 * 0x1p-52)] { check(Double.self, range) }
    var stream = RandomStream(key: RandomKey(seed: 4))
    for _ in 0..<1000 { #expect(stream.nextUniform(1e16, 1e16 + 2) == 1e16) }
  }

  /// The clamp is only there where it is needed.
  @Test func commonRangesAreAScaleAndAShift() {
    let key = RandomKey(seed: 9)
    let unit = Tensor<Float>.uniform(shape: [1000], key: key).scalars
    #expect(Tensor<Float>.uniform(shape: [1000], in: -1..<1, key: key).scalars == unit.map { $0 * 2 - 1 })
    guard case .random = Tensor<Float>.uniform(shape: [3], key: key).value.node.operation else {
      Issue.record("a uniform number in 0..<1 is more than drawn")
      return
    }
  }
}
