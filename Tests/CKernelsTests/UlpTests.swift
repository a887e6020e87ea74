import CKernels
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#endif

/// Spacing of the type's numbers at `x`.
func spacing(_ x: Double, _ dtype: nk_dtype) -> Double {
  dtype == .NK_F64
    ? min(abs(x), Double.greatestFiniteMagnitude).ulp
    : Double(
      min(abs(Float(x)), Float.greatestFiniteMagnitude).ulp)
}

/// Distance in units of the last place of `expected`; for the derivatives that cancel by nature, of 1 at
/// least.
func ulps(_ actual: Double, _ expected: Double, _ dtype: nk_dtype, _ op: Elementwise) -> Double {
  if actual.isNaN || expected.isNaN { return actual.isNaN && expected.isNaN ? 0 : .infinity }
  if actual == expected { return 0 }
  let cancels = op == .dtanh || op == .dsigmoid
  let top = dtype == .NK_F64 ? Double.greatestFiniteMagnitude : Double(Float.greatestFiniteMagnitude)
  let limit = { (x: Double) in min(max(x, -top), top) }  // infinity is one step behind the largest number
  let unit = spacing(cancels ? max(abs(expected), 1) : expected, dtype)
  return abs(limit(actual) - limit(expected)) / unit + (actual.isInfinite || expected.isInfinite ? 1 : 0)
}

/// The operation's bound and the reference's own: half a unit for Float, libm's for Double.
func allowance(_ op: Elementwise) -> Double {
  let bound = nk_ewise_ulp_bound(op)
  return bound <= 0.5 ? 0 : bound + 1
}

@Suite struct UlpTests {
  static let functions = elementwiseOperations.filter { nk_ewise_arity($0) == 1 }

  /// Float over the whole range: 2^20 bit patterns evenly spaced, so every exponent, subnormals, infinities
  /// and NaNs, against the reference in Double.
  @Test(arguments: KernelCase.vector.filter { $0.dtype == .NK_F32 }, functions)
  func floatsOverTheWholeRange(kernel: KernelCase, op: Elementwise) {
    let run = kernel.kernels.ewise(op), oracle = nk_kernels_for(.NK_ISA_REFERENCE, .NK_F64).pointee.ewise(op)
    let block = 1 << 12, step: UInt64 = 4093  // a prime: all low bits occur
    var inputs = [Float](repeating: 0, count: block), outputs = inputs
    var wide = [Double](repeating: 0, count: block), exact = wide
    var worst = 0.0, at = Float(0), pattern: UInt64 = 0
    while pattern >> 32 == 0 {
      for i in 0..<block {
        inputs[i] = Float(bitPattern: UInt32(truncatingIfNeeded: pattern))
        wide[i] = Double(inputs[i])
        pattern += step
      }
      run(&outputs, inputs, nil, nil, block)
      oracle(&exact, wide, nil, nil, block)
      for i in 0..<block {
        let error = ulpError(outputs[i], exact[i], op)
        if !(error <= worst) { (worst, at) = (error, inputs[i]) }
      }
    }
    #expect(worst <= nk_ewise_ulp_bound(op), "\(op) of \(at): \(worst) ulp")
  }

  /// Of a Float result against an exact one that need not be a Float.
  private func ulpError(_ actual: Float, _ exact: Double, _ op: Elementwise) -> Double {
    let rounded = Float(exact)
    if actual.isNaN || rounded.isNaN { return actual.isNaN && rounded.isNaN ? 0 : .infinity }
    if actual == rounded {
      return abs(exact) > 0x1.fffffep127 ? 0 : min(abs(Double(actual) - exact) / Double(rounded.ulp), 0.5)
    }
    let limit = { (x: Double) in min(max(x, -0x1p128), 0x1p128) }
    let unit = rounded.isInfinite ? 0x1p104 : Double(rounded.ulp)
    let scale = op == .dtanh || op == .dsigmoid ? max(unit, 0x1p-23) : unit
    return abs(limit(Double(actual)) - limit(exact)) / scale
  }

  @Test(arguments: KernelCase.vector.filter { $0.dtype == .NK_F32 })
  func powOfFloats(kernel: KernelCase) {
    let run = kernel.kernels.ewise(.pow),
      oracle = nk_kernels_for(.NK_ISA_REFERENCE, .NK_F64).pointee.ewise(.pow)
    var random = SeededGenerator(state: 11), worst = 0.0, at = (Float(0), Float(0))
    let block = 1 << 12
    for _ in 0..<64 {
      let pairs = (0..<block).map { _ in powOperands(&random) }
      let x = pairs.map { Float($0.0) }, y = pairs.map { Float($0.1) }
      var out = [Float](repeating: 0, count: block), exact = [Double](repeating: 0, count: block)
      run(&out, x, y, nil, block)
      oracle(&exact, x.map(Double.init), y.map(Double.init), nil, block)
      for i in 0..<block {
        let error = ulpError(out[i], exact[i], .pow)
        if !(error <= worst) { (worst, at) = (error, (x[i], y[i])) }
      }
    }
    #expect(worst <= nk_ewise_ulp_bound(.pow), "pow\(at): \(worst) ulp")
  }

  /// Bases of every exponent; exponents that are integers, small, or bring the result anywhere in the range.
  private func powOperands(_ random: inout SeededGenerator) -> (Double, Double) {
    let magnitude =
      Double.random(in: 1...2, using: &random) * exp2(Double.random(in: -100...100, using: &random).rounded())
    let near = Double.random(in: 0.5...2, using: &random)
    let x = Bool.random(using: &random) ? magnitude : near
    switch Int.random(in: 0..<3, using: &random) {
    case 0: return (Bool.random(using: &random) ? x : -x, Double(Int.random(in: -20...20, using: &random)))
    case 1: return (x, Double.random(in: -8...8, using: &random))
    default: return (x, Double.random(in: -90...90, using: &random) / abs(log(x)))
    }
  }
}

#if arch(x86_64) && !os(Windows)
  /// Double against the extended precision of this architecture, eleven bits more.
  @Suite struct ExtendedUlpTests {
    static let functions: [Elementwise] = elementwiseOperations.filter { exact($0, 0.5, 0.5) != nil }

    /// nil for the operations that the reference already computes exactly.
    static func exact(_ op: Elementwise, _ x: Float80, _ y: Float80) -> Float80? {
      switch op {
      case .exp: exp(x)
      case .expm1: expm1(x)
      case .log: log(x)
      case .log1p: log1p(x)
      case .tanh: tanh(x)
      case .sigmoid: x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x))
      case .softplus: (x > 0 ? x : 0) + log1p(exp(x > 0 ? -x : x))
      case .sin: sin(x)
      case .cos: cos(x)
      case .atan: atan(x)
      case .erf: erf(x)
      case .rsqrt: 1 / x.squareRoot()
      case .pow: pow(x, y)
      default: nil
      }
    }

    /// Log-uniform magnitudes over the whole range, uniform ones where the functions are interesting,
    /// specials.
    static func sample(_ random: inout SeededGenerator, _ op: Elementwise) -> (Double, Double) {
      let any = Double(bitPattern: random.next())
      let y = Double.random(in: -20...20, using: &random)
      switch Int.random(in: 0..<(op == .pow ? 5 : 4), using: &random) {
      case 0: return (any, y.rounded())
      case 1: return (Double.random(in: -30...30, using: &random), y.rounded())
      case 2: return (Double.random(in: -1...1, using: &random) * exp2(y), y)
      case 3:
        return (specialValues.randomElement(using: &random)!, specialValues.randomElement(using: &random)!)
      default:
        let x = Double.random(in: 0.5...2, using: &random) * exp2((y * 20).rounded())
        return (x, Double.random(in: -750...750, using: &random) / abs(log(x)))
      }
    }

    @Test(arguments: KernelCase.vector.filter { $0.dtype == .NK_F64 }, functions)
    func doublesOverTheWholeRange(kernel: KernelCase, op: Elementwise) {
      let run = kernel.kernels.ewise(op), count = 1 << 17
      var random = SeededGenerator(state: 5)
      let pairs = (0..<count).map { _ in Self.sample(&random, op) }
      let x = pairs.map(\.0), y = pairs.map(\.1)
      var out = [Double](repeating: 0, count: count)
      run(&out, x, y, nil, count)
      var worst = 0.0, at = (0.0, 0.0)
      for i in 0..<count {
        let error = ulpError(out[i], Self.exact(op, Float80(x[i]), Float80(y[i]))!)
        if !(error <= worst) { (worst, at) = (error, (x[i], y[i])) }
      }
      #expect(worst <= nk_ewise_ulp_bound(op), "\(op) of \(at): \(worst) ulp")
    }

    private func ulpError(_ actual: Double, _ exact: Float80) -> Double {
      let rounded = Double(exact)
      if actual.isNaN || rounded.isNaN { return actual.isNaN && rounded.isNaN ? 0 : .infinity }
      if actual == rounded {
        return rounded.isInfinite ? 0 : Double(abs(Float80(actual) - exact) / Float80(rounded.ulp))
      }
      let top = Float80(sign: .plus, exponent: 1024, significand: 1)
      let limit = { (x: Float80) in min(max(x, -top), top) }
      let unit = rounded.isInfinite ? Float80(Double.greatestFiniteMagnitude.ulp) : Float80(rounded.ulp)
      return Double(abs(limit(Float80(actual)) - limit(exact)) / unit)
    }
  }
#endif
