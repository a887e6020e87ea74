import NODECore
import Testing

@Suite struct CustomGradientTests {
  private let x = Tensor<Double>([0.3, -1.2, 0.8])

  /// A derivative that says something else than the value: whoever differentiates must get what it says.
  @Test func theRuleDecides() {
    func f(_ x: Tensor<Double>) -> Tensor<Double> {
      customGradient(at: x, value: { square($0) }) { x, _, cotangent in cotangent * x * 10.0 }
    }
    #expect(f(x).scalars == square(x).scalars)
    let expected = (x * 10.0).scalars
    #expect(gradient(at: x) { f($0).sum() }.scalars == expected)
    let direction = Tensor<Double>([1, 2, -1])
    #expect(jvp(at: x, along: direction, of: f).tangent.scalars == (x * 10.0 * direction).scalars)
    // Of second order: the derivative of what the rule computed.
    #expect(hvp(at: x, along: direction) { f($0).sum() }.scalars == (direction * 10.0).scalars)
    let twice = gradient(at: x) { x in gradient(at: x) { f($0).sum() }.sum() }
    #expect(twice.scalars == [10, 10, 10])
  }

  /// JAX's example: log(1 + exp(x)) overflows in its own derivative, not in a given one.
  @Test func stableWhereTheDerivativeOfTheValueIsNot() {
    let large = Tensor<Double>([100, 800])
    func f(_ x: Tensor<Double>) -> Tensor<Double> {
      customGradient(at: x, value: { maximum($0, 0) + log(1.0 + exp(-abs($0))) }) { x, _, cotangent in
        cotangent * (1.0 - 1.0 / (1.0 + exp(minimum(x, 500))))
      }
    }
    #expect(gradient(at: large) { f($0).sum() }.scalars == [1, 1])
    #expect(gradient(at: large) { log(1.0 + exp($0)).sum() }.scalars[1].isNaN)
  }

  /// Rules made of the value, of the arguments, of several arguments, of other rules; to third order in both modes.
  @Test func nestsInEveryMode() throws {
    func exponential(_ x: Tensor<Double>) -> Tensor<Double> {
      customGradient(at: x, value: { exp($0) }) { _, y, cotangent in cotangent * y }
    }
    @Sendable func sine(_ x: Tensor<Double>) -> Tensor<Double> {
      customGradient(at: x, value: { sin($0) }) { x, _, cotangent in cotangent * cosine(x) }
    }
    @Sendable func cosine(_ x: Tensor<Double>) -> Tensor<Double> {
      customGradient(at: x, value: { cos($0) }) { x, _, cotangent in -cotangent * sine(x) }
    }
    func product(_ x: Tensor<Double>, _ w: Tensor<Double>) -> Tensor<Double> {
      customGradient(at: [x, w], value: { matmul($0[0], $0[1]) }) { x, _, cotangent in
        [matmul(cotangent, x[1], transposeB: true), matmul(x[0], cotangent, transposeA: true)]
      }
    }
    for f in [exponential, sine, { sine(exponential($0) * $0) }] {
      let report = try checkGradient(of: f, at: x, order: 3)
      #expect(report.passed, "\(report)")
    }
    let a = Tensor<Double>.normal(shape: [2, 3], key: RandomKey(seed: 1))
    let b = Tensor<Double>.normal(shape: [3, 2], key: RandomKey(seed: 2))
    let report = try checkGradient(of: { tanh(product(sin($0[0]), square($0[1]))) }, at: [a, b], order: 2)
    #expect(report.passed, "\(report)")
  }

  /// What the closures capture is a constant.
  @Test func capturesAreConstants() {
    let w = Tensor<Double>([2, 3, 4])
    let g = gradient(at: x, w) { x, w in
      customGradient(at: x, value: { $0 * w }) { _, _, cotangent in cotangent * w }.sum()
    }
    #expect(g.0.scalars == w.scalars)
    #expect(g.1.scalars == [0, 0, 0])
  }

  @Test func straightThrough() {
    let rounded = { (x: Tensor<Double>) in
      customGradient(at: x, value: { floor($0 + 0.5) }) { _, _, cotangent in cotangent }
    }
    #expect(rounded(x).scalars == [0, -1, 1])
    #expect(gradient(at: x) { (rounded($0) * $0).sum() }.scalars == (rounded(x) + x).scalars)
  }

  /// In a compiled function and in a vector field, whose gradient is then the plain one's.
  @Test func insideOfCompiledFunctionsAndSolves() throws {
    @Sendable func hyperbolic(_ x: Tensor<Double>) -> Tensor<Double> {
      customGradient(at: x, value: { tanh($0) }) { _, y, cotangent in cotangent * (1.0 - y * y) }
    }
    let step = compiled { (x: Tensor<Double>) in gradient(at: x) { hyperbolic($0).sum() } }
    let expected = gradient(at: x) { tanh($0).sum() }.scalars
    for (a, b) in zip(try step(x).scalars, expected) { #expect(abs(a - b) < 1e-15) }

    let w = Tensor<Double>.normal(shape: [3, 3], key: RandomKey(seed: 3))
    func loss(_ y0: Tensor<Double>, _ w: Tensor<Double>, _ f: @escaping (Tensor<Double>) -> Tensor<Double>)
      throws
      -> Tensor<Double>
    {
      let path = try odeint(from: y0, at: [0, 0.5, 1], method: .rk4, controller: .fixed(step: 0.1)) { _, y in
        f(matmul(y, w))
      }
      return square(path.states).sum()
    }
    let y0 = x.reshaped(to: [1, 3])
    let custom = try gradient(at: y0, w) { try loss($0, $1, hyperbolic) }
    let plain = try gradient(at: y0, w) { try loss($0, $1) { tanh($0) } }
    for (a, b) in zip(custom.0.scalars + custom.1.scalars, plain.0.scalars + plain.1.scalars) {
      #expect(abs(a - b) < 1e-12)
    }
    let moved = try hvp(at: y0, along: y0) { try loss($0, w, hyperbolic) }
    let movedPlain = try hvp(at: y0, along: y0) { try loss($0, w) { tanh($0) } }
    for (a, b) in zip(moved.scalars, movedPlain.scalars) { #expect(abs(a - b) < 1e-10) }
  }
}
