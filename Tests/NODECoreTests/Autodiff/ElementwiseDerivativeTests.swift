import NODECore
import Testing

@testable import ProgramFuzzing

@Suite struct ElementwiseDerivativeTests {
  /// Every operation of the kernels' list is here by construction.
  @Test(arguments: Elementwise.all)
  func derivativesToSecondOrder(_ operation: Elementwise) throws {
    let shape: Shape = [9]
    let a = spreadOut(shape, positive: needsPositive(operation)), b = spreadOut(shape, seed: 2)
    let c = spreadOut(shape, seed: 3)
    let check: DerivativeCase
    switch (operation, operation.arity) {
    case (.select, _):
      // A finite difference across a mask would compare the branches: the mask is data.
      let mask = Value.data([1, 0, 0, 1, 1, 0, 1, 0, 1], shape)
      check = DerivativeCase("select", [a, b]) { [.select(mask, $0[0], $0[1])] }
    case (_, 1): check = DerivativeCase(operation.name, [a]) { [$0[0].map(operation)] }
    case (_, 2): check = DerivativeCase(operation.name, [a, b]) { [.elementwise(operation, $0[0], $0[1])] }
    default:
      check = DerivativeCase(operation.name, [a, b, c]) { [.elementwise(operation, $0[0], $0[1], $0[2])] }
    }
    let report = try check.check()
    #expect(report.passed, "\(report)")
    #expect(report.comparisons.count == 6)
  }

  private func needsPositive(_ operation: Elementwise) -> Bool {
    switch operation {
    case .sqrt, .rsqrt, .log, .log1p, .pow: true
    case .neg, .abs, .sign, .step, .reciprocal, .square, .exp, .expm1, .tanh, .sigmoid, .softplus, .sin, .cos,
      .atan, .erf, .relu,
      .floor, .dtanh, .dsigmoid, .add, .subtract, .multiply, .divide, .minimum, .maximum, .greater,
      .greaterOrEqual, .equal, .select, .fma:
      false
    }
  }

  /// A NaN is the result, so the derivative is with respect to it and not to the bound.
  @Test func boundsOfNaN() {
    let x = Tensor<Double>([.nan, -1, 0, 2])
    #expect(gradient(at: x) { maximum($0, 0).sum() }.scalars == [1, 0, 1, 1])
    #expect(gradient(at: x) { minimum($0, 0).sum() }.scalars == [1, 1, 1, 0])
    #expect(gradient(at: x) { maximum(Tensor(0.0), $0).sum() }.scalars == [1, 0, 0, 1])
  }

  @Test func thirdDerivativeOfSine() {
    let x = Tensor<Double>([0.3, -1.1, 2.5])
    func derivative(_ f: @escaping (Tensor<Double>) -> Tensor<Double>) -> (Tensor<Double>) -> Tensor<Double> {
      { x in gradient(at: x) { f($0).sum() } }
    }
    let third = derivative(derivative(derivative { sin($0) }))(x).interpreted
    let expected = (-cos(x)).interpreted
    for (a, b) in zip(third, expected) { #expect((a - b).magnitude < 1e-15) }
  }

  @Test func powerOfZero() {
    let x = Tensor<Double>([0, 0, 0]), y = Tensor<Double>([0, 1, 2])
    let (dx, dy) = gradient(at: x, y) { pow($0, $1).sum() }
    #expect(dx.interpreted == [0, 1, 0])
    #expect(dy.interpreted == [0, 0, 0])
  }

  @Test func integerPowersAreExact() {
    let x = Tensor<Double>([-3, 0, 2])
    #expect(gradient(at: x) { pow($0, 3).sum() }.interpreted == [27, 0, 12])
    #expect(gradient(at: x) { pow($0, 2).sum() }.interpreted == [-6, 0, 4])
  }

  /// The tangent of the branch that is not taken is infinite here; a product with the mask would be NaN.
  @Test func untakenBranchesSendNoNaN() {
    let x = Tensor<Double>([0, 4])
    let one = Tensor<Double>([1, 1])
    #expect(jvp(at: x, along: one) { `where`($0 .> 0, sqrt($0), 0) }.tangent.interpreted == [0, 0.25])
    #expect(
      gradient(at: x) { `where`($0 .> 0, sqrt(`where`($0 .> 0, $0, 1)), 0).sum() }.interpreted == [0, 0.25])
  }

  @Test func tiesGoToTheFirstOperandAndAreSharedByMaxima() {
    let x = Tensor<Double>([1, 2]), y = Tensor<Double>([1, 3])
    let (dx, dy) = gradient(at: x, y) { maximum($0, $1).sum() }
    #expect(dx.interpreted == [1, 0])
    #expect(dy.interpreted == [0, 1])
    #expect(gradient(at: Tensor<Double>([5, 1, 5, 0])) { $0.max() }.interpreted == [0.5, 0, 0.5, 0])
  }

  @Test func activationsComposed() throws {
    let functions: [(String, @Sendable (Tensor<Double>) -> Tensor<Double>)] = [
      ("silu", { silu($0) }), ("gelu", { gelu($0) }),
      ("geluTanh", { geluTanh($0) }), ("elu", { elu($0) }), ("leakyReLU", { leakyReLU($0) }),
      ("softmax", { softmax($0) }), ("logSoftmax", { logSoftmax($0) }), ("logSumExp", { logSumExp($0) }),
      ("variance", { $0.variance(axes: 1) }), ("min", { $0.min(axes: 0) }), ("clamp", { clamp($0, -1, 1) }),
    ]
    for (name, function) in functions {
      let report = try DerivativeCase(name, [spreadOut([3, 4])]) { [function(Tensor($0[0])).value] }.check()
      #expect(report.passed, "\(name): \(report)")
    }
  }
}
