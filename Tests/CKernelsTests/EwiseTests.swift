import CKernels
import Testing

typealias EwiseKernel =
  @convention(c) (
    UnsafeMutableRawPointer?, UnsafeRawPointer?, UnsafeRawPointer?, UnsafeRawPointer?, Int
  ) -> Void

extension nk_kernels {
  /// The C array of kernels imports as a tuple.
  func ewise(_ op: Elementwise) -> EwiseKernel {
    withUnsafeBytes(of: ewise) {
      $0.load(fromByteOffset: Int(op.rawValue) * MemoryLayout<EwiseKernel>.stride, as: EwiseKernel.self)
    }
  }
}

let elementwiseOperations = (0..<UInt32(NK_EWISE_COUNT)).map { Elementwise(rawValue: $0)! }

/// Numbers where functions change their behaviour.
let specialValues: [Double] = [
  0, -0.0, 1, -1, 0.5, -0.5, 2, -2, 3, -3, 0.55, -0.55, 10, -10, 22, 88.5, 89, -87.5, -103.9, -104.1, 709.7,
  710,
  -708.5, -745.1, -746, 1e-3, 1e-9, -1e-9, 1e-17, -1e-17, 1e-40, -1e-40, 0x1p-126, 0x1p-149, -0x1p-149,
  0x1p-1022,
  0x1p-1074, -0x1p-1074, 0x1p20, 0x1p21, -0x1p30, 0x1.fffffep127, -0x1.fffffep127, 0x1.fffffffffffffp1023,
  .infinity,
  -.infinity, .nan,
]

private let longest = 67

@Suite struct EwiseTests {
  /// Three operands with specials, both signs and every magnitude among them.
  private func operands(_ count: Int, _ dtype: nk_dtype, _ op: Elementwise) -> [Operand] {
    var random = SeededGenerator(state: 7 + UInt64(op.rawValue))
    return (0..<3).map { which in
      let values = (0..<count).map { i -> Double in
        if i % 3 == which { return specialValues.randomElement(using: &random)! }
        return Double.random(in: -8...8, using: &random)
      }
      return Operand(values, dtype)
    }
  }

  private func bits(_ x: Operand, _ i: Int) -> UInt64 {
    let value = x[i]
    return value.isNaN ? Double.nan.bitPattern : value.bitPattern
  }

  /// Every kernel on every remainder length from aligned and unaligned starts: within its bound of the
  /// reference, no write behind the end, and the bits of an element the same wherever it stands.
  @Test(arguments: KernelCase.vector, elementwiseOperations)
  func agreesWithTheReferenceOnEveryRemainder(kernel: KernelCase, op: Elementwise) {
    let run = kernel.kernels.ewise(op), reference = kernel.reference.ewise(op)
    let starts = 4, inputs = operands(longest + starts, kernel.dtype, op)
    let whole = Operand(longest + starts, kernel.dtype), expected = Operand(longest + starts, kernel.dtype)
    run(whole.raw, inputs[0].raw, inputs[1].raw, inputs[2].raw, whole.count)
    reference(expected.raw, inputs[0].raw, inputs[1].raw, inputs[2].raw, expected.count)
    for i in 0..<whole.count {
      let distance = ulps(whole[i], expected[i], kernel.dtype, op)
      #expect(
        distance <= allowance(op),
        "\(op) of \(inputs.map { $0[i] }): \(whole[i]), expected \(expected[i]), \(distance) ulp")
    }
    for start in 0..<starts {
      for n in 0...longest {
        let out = Operand(n, kernel.dtype)
        run(out.raw, inputs[0].at(start), inputs[1].at(start), inputs[2].at(start), n)
        #expect(out.guardIsIntact)
        let moved = (0..<n).first { bits(out, $0) != bits(whole, start + $0) }
        #expect(moved == nil, "element \(moved ?? 0) of \(n) from \(start) depends on its position")
      }
    }
    withExtendedLifetime(inputs) {}
  }

  @Test(arguments: KernelCase.all, elementwiseOperations)
  func theResultMayReplaceAnyOperand(kernel: KernelCase, op: Elementwise) {
    let run = kernel.kernels.ewise(op), arity = Int(nk_ewise_arity(op))
    for n in [5, 32, longest] {
      let expected = Operand(n, kernel.dtype), inputs = operands(n, kernel.dtype, op)
      run(expected.raw, inputs[0].raw, inputs[1].raw, inputs[2].raw, n)
      for replaced in 0..<arity {
        let fresh = inputs.map(\.copy)
        run(fresh[replaced].raw, fresh[0].raw, fresh[1].raw, fresh[2].raw, n)
        #expect((0..<n).allSatisfy { bits(fresh[replaced], $0) == bits(expected, $0) })
      }
    }
  }

  /// C's rules for pow, the sign of zeros included.
  @Test(arguments: KernelCase.all)
  func powFollowsItsSpecialCases(kernel: KernelCase) {
    let inf = Double.infinity
    let cases: [(x: Double, y: Double, result: Double)] = [
      (0, 0, 1), (.nan, 0, 1), (1, .nan, 1), (1, inf, 1), (-1, inf, 1), (-1, -inf, 1), (-8, 1.0 / 3, .nan),
      (-2, 3, -8),
      (-2, -2, 0.25), (-0.0, 3, -0.0), (-0.0, -3, -inf), (-0.0, 2, 0), (0, -0.5, inf), (0.5, -inf, inf),
      (0.5, inf, 0),
      (2, -inf, 0), (2, inf, inf), (-inf, 3, -inf), (-inf, 2, inf), (-inf, -3, -0.0), (-inf, 0.5, inf),
      (inf, -1, 0),
      (-1, 0x1p30, 1), (10, 400, inf), (10, -400, 0), (-10, 401, -inf), (-3, 16_777_215, -inf), (4, 0.5, 2),
    ]
    let x = Operand(cases.map(\.x), kernel.dtype), y = Operand(cases.map(\.y), kernel.dtype)
    let out = Operand(cases.count, kernel.dtype), expected = Operand(cases.map(\.result), kernel.dtype)
    kernel.kernels.ewise(.pow)(out.raw, x.raw, y.raw, nil, cases.count)
    for i in cases.indices {
      #expect(bits(out, i) == bits(expected, i), "pow(\(x[i]), \(y[i])) gave \(out[i])")
    }
    withExtendedLifetime((x, y)) {}
  }

  @Test(arguments: KernelCase.all)
  func specialValuesKeepTheirMeaning(kernel: KernelCase) {
    let inf = Double.infinity
    let cases: [(op: Elementwise, x: Double, result: Double)] = [
      (.exp, inf, inf), (.exp, -inf, 0), (.exp, -0.0, 1), (.expm1, -0.0, -0.0), (.expm1, -inf, -1),
      (.expm1, inf, inf),
      (.log, 0, -inf), (.log, -0.0, -inf), (.log, -1, .nan), (.log, inf, inf), (.log, 1, 0),
      (.log1p, -1, -inf),
      (.log1p, -0.0, -0.0), (.log1p, -2, .nan), (.log1p, inf, inf), (.tanh, inf, 1), (.tanh, -inf, -1),
      (.tanh, -0.0, -0.0), (.sigmoid, inf, 1), (.sigmoid, -inf, 0), (.sigmoid, 0, 0.5), (.softplus, inf, inf),
      (.softplus, -inf, 0), (.sin, -0.0, -0.0), (.sin, inf, .nan), (.cos, 0, 1), (.cos, -inf, .nan),
      (.sqrt, -1, .nan),
      (.sqrt, -0.0, -0.0), (.rsqrt, 0, inf), (.reciprocal, -0.0, -inf), (.sign, -0.0, 0), (.sign, -3, -1),
      (.relu, -3, 0), (.relu, .nan, .nan), (.floor, -0.5, -1), (.floor, -0.0, -0.0), (.floor, 1e30, 1e30),
      (.step, 0, 0), (.step, 1e-40, 1), (.atan, -0.0, -0.0), (.atan, inf, .pi / 2), (.atan, -inf, -.pi / 2),
      (.atan, .nan, .nan), (.erf, -0.0, -0.0), (.erf, inf, 1), (.erf, -inf, -1), (.erf, -6, -1),
      (.erf, .nan, .nan),
    ]
    for test in cases {
      let x = Operand([test.x], kernel.dtype), out = Operand(1, kernel.dtype)
      kernel.kernels.ewise(test.op)(out.raw, x.raw, nil, nil, 1)
      let equal = test.result.isNaN ? out[0].isNaN : out[0] == Double(test.result)
      let expected = kernel.dtype == .NK_F64 ? test.result : Double(Float(test.result))
      #expect(
        equal || out[0] == expected && out[0].sign == expected.sign, "\(test.op) of \(test.x) gave \(out[0])")
    }
    for (op, a, b, result) in [
      (Elementwise.minimum, Double.nan, 1, Double.nan), (.minimum, 1, .nan, .nan), (.maximum, .nan, 1, .nan),
      (.maximum, 1, .nan, .nan), (.maximum, -0.0, 0, -0.0), (.maximum, 2, 3, 3), (.minimum, 2, 3, 2),
      (.equal, .nan, .nan, 0), (.greater, .nan, 0, 0), (.greaterOrEqual, 1, 1, 1),
    ] {
      let x = Operand([a], kernel.dtype), y = Operand([b], kernel.dtype), out = Operand(1, kernel.dtype)
      kernel.kernels.ewise(op)(out.raw, x.raw, y.raw, nil, 1)
      #expect(bits(out, 0) == bits(Operand([result], kernel.dtype), 0), "\(op)(\(a), \(b)) gave \(out[0])")
    }
  }
}
