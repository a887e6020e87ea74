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

  @Test func oneModeAlone() throws {
    for mode in DerivativeMode.allCases {
      let report = try checkGradient(of: { exp($0) }, at: Tensor<Double>([0.5]), modes: [mode])
      #expect(report.passed && report.comparisons.count == 1)
    }
  }
}
