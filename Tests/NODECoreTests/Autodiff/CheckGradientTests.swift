import NODECore
import Testing

@Suite struct CheckGradientTests {
  @Test func passesWhereDerivativesAreRight() throws {
    let x = Tensor<Double>([0.3, -0.7, 1.2])
    let report = try checkGradient(of: { tanh($0 * sin($0)) }, at: x, order: 3)
    #expect(report.passed, "\(report)")
    // Two comparisons for each of 1 + 2 + 4 ways to differentiate.
    #expect(report.comparisons.count == 14)
  }

  @Test func findsAKink() throws {
    let report = try checkGradient(of: { relu($0) }, at: Tensor<Double>([0.0, 1.0]))
    #expect(!report.passed)
    #expect(throws: GradientMismatch.self) { try report.verify() }
  }

  /// A derivative far below 1 is held to its own size, one that is zero to that of the function.
  @Test func smallDerivativesCount() throws {
    let x = Tensor<Double>([0.3, -0.7, 1.2])
    func small(_ x: Tensor<Double>, factor: Double) -> Tensor<Double> {
      customGradient(at: x, value: { square($0) * 1e-9 }) { x, _, cotangent in cotangent * x * (factor * 1e-9)
      }
    }
    #expect(try checkGradient(of: { small($0, factor: 2) }, at: x).passed)
    #expect(try !checkGradient(of: { small($0, factor: 2.1) }, at: x).passed)
    #expect(try checkGradient(of: { square(sin($0)) + square(cos($0)) }, at: x, order: 2).passed)
    #expect(try checkGradient(of: { $0 * 0.0 }, at: x, order: 2).passed)
  }

  @Test func oneModeAlone() throws {
    for mode in DerivativeMode.allCases {
      let report = try checkGradient(of: { exp($0) }, at: Tensor<Double>([0.5]), modes: [mode])
      #expect(report.passed && report.comparisons.count == 1)
    }
  }
}
