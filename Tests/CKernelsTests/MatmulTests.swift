import CKernels
import Testing

/// Bounds: a sum of k products is within k * eps * sum |a||b| of the exact one, whatever its order; the reference
/// table applied to absolute values gives that sum.
struct MatmulTests {
  /// k: empty, one, odd, and beyond one block of k.
  static let inner = [0, 1, 7, 300]

  @Test(arguments: KernelCase.vector) func productsAgreeWithTheReference(_ test: KernelCase) {
    let kernels = test.kernels
    var generator = SeededGenerator(state: 1)
    for rows in 1...Int(2 * kernels.mr + 1) {
      for n in 1...Int(2 * kernels.nr + 1) {
        for k in Self.inner where k < 300 || (rows + n) % 5 == 0 {
          let problem = MatmulProblem(rows: rows, k: k, n: n, test.dtype, &generator)
          problem.compare(test)
        }
      }
    }
    // Several blocks of rows and of k, a right operand beyond the caches; few columns, where vectors run along k; few
    // elements of k.
    let blocks = [(49, 70, 40), (97, 513, 33), (1, 1025, 64), (101, 300, 530)]
    let thin = [1, 2, 3, 5, 20].flatMap { rows in
      (1...4).flatMap { n in [16, 17, 31, 32, 50].map { (rows, $0, n) } }
    }
    let short = [1, 2, 7].flatMap { rows in
      (2...4).flatMap { k in [1, 3, 4, 8, 15, 17, 31, 33, 50].map { (rows, k, $0) } }
    }
    // Few rows, which go through several panels side by side.
    let nr = Int(kernels.nr)
    let few = [1, 2, 3].flatMap { rows in
      [3, 4, 5, 9].flatMap { panels in [0, 1, nr - 1].map { (rows, 19, panels * nr - $0) } }
    }
    for (rows, k, n) in blocks + thin + short + few {
      MatmulProblem(rows: rows, k: k, n: n, test.dtype, &generator).compare(test)
    }
  }

  @Test(arguments: KernelCase.all) func referenceAgreesWithTheDefinition(_ test: KernelCase) {
    var generator = SeededGenerator(state: 2)
    let (rows, k, n) = (5, 19, 11)
    let p = MatmulProblem(rows: rows, k: k, n: n, test.dtype, &generator)
    let c = p.product(test.kernels, kind: .NK_PACK_MATRIX, p.b, bias: p.bias, act: -1)
    for i in 0..<rows {
      for j in 0..<n {
        let exact = (0..<k).reduce(p.bias[j]) { $0 + p.a[i * p.lda + $1] * p.b[$1 * n + j] }
        #expect(abs(c[i * p.ldc + j] - exact) <= Double(k + 2) * test.epsilon * Double(k + 1))
      }
    }
  }

  @Test(arguments: KernelCase.vector) func outerProductsAgreeWithTheReference(_ test: KernelCase) {
    let kernels = test.kernels
    var generator = SeededGenerator(state: 3)
    for k in 1...Int(2 * kernels.mr + 1) {
      for n in 1...Int(2 * kernels.nr + 1) {
        for rows in Self.inner where rows < 300 || (k + n) % 5 == 0 {
          compareOuter(test, rows: rows, k: k, n: n, &generator)
        }
      }
    }
    let thin = [0, 1, 20, 300].flatMap { rows in
      (1...4).flatMap { n in [16, 17, 31, 33, 50, 64, 99].map { (rows, $0, n) } }
    }
    let flat = [20, 300].flatMap { rows in (1...4).flatMap { k in [50, 99, 200].map { (rows, k, $0) } } }
    for (rows, k, n) in [(257, 100, 70), (513, 49, 97)] + thin + flat {
      compareOuter(test, rows: rows, k: k, n: n, &generator)
    }
    for rows in [0, 1, 20, 96, 130, 256, 300] {
      for (k, n) in [(1, 1), (3, 40), (40, 3), (7, 9), (13, 33), (100, 70)] {
        compareOuter(test, terms: 2, rows: rows, k: k, n: n, &generator)
      }
    }
  }

  /// Blocks of rows do not end where a term does.
  @Test(arguments: KernelCase.vector) func twoOuterProductsAreOneOfTheRowsOfBoth(_ test: KernelCase) {
    let kernels = test.kernels, (k, n) = (37, 50)
    var generator = SeededGenerator(state: 4)
    for rows in [1, 96, 200] {
      let a = Operand(random: 2 * rows * k, test.dtype, using: &generator)
      let b = Operand(random: 2 * rows * n, test.dtype, using: &generator)
      let size = Int(nk_dtype_bytes(test.dtype))
      func product(terms: Int) -> Operand {
        let c = Operand(k * n, test.dtype), each = 2 * rows / terms
        let pairs = (0..<terms).map {
          nk_outer_term(a: a.raw + $0 * each * k * size, b: b.raw + $0 * each * n * size)
        }
        let scratch = Operand(
          bytes: kernels.matmul_outer_scratch(Int64(2 * rows), Int64(k), Int64(n)), test.dtype)
        withExtendedLifetime((a, b, scratch)) {
          kernels.matmul_outer(
            pairs, Int32(terms), Int64(k), Int64(n), c.raw, Int64(n), Int64(each), Int64(k), Int64(n), 1, 0,
            scratch.raw)
        }
        return c
      }
      let (two, one) = (product(terms: 2), product(terms: 1))
      #expect((0..<k * n).allSatisfy { two[$0] == one[$0] }, "\(rows) rows")
    }
  }

  /// The bits are those of the operations one after another, on each way that a product takes.
  @Test(arguments: KernelCase.all) func epiloguesAreTheOperationsThemselves(_ test: KernelCase) {
    var generator = SeededGenerator(state: 5)
    let tanh = Int32(Elementwise.tanh.rawValue), derivative = Int32(Elementwise.dtanh.rawValue)
    for (rows, k, n) in [(61, 70, 37), (2, 70, 200), (13, 50, 2), (9, 3, 21), (101, 300, 530), (3, 5, 300)] {
      for gap in [0, 3] {
        let p = MatmulProblem(rows: rows, k: k, n: n, gap: gap, test.dtype, &generator)
        let times = Operand(random: rows * n, test.dtype, using: &generator)
        for act in [-1, tanh] as [Int32] {
          for factor in [-1, derivative] as [Int32] {
            let c = p.product(
              test.kernels, kind: .NK_PACK_MATRIX, p.b, bias: p.bias, act: act, times: times, factor: factor)
            let expected = p.product(test.kernels, kind: .NK_PACK_MATRIX, p.b, bias: p.bias)
            let scale = times.copy
            withExtendedLifetime((expected, scale)) {
              if factor >= 0 {
                test.kernels.ewise(.dtanh)(scale.raw, scale.raw, nil, nil, rows * n)
              }
              for row in 0..<rows {
                let x = expected.at(row * p.ldc)
                if act >= 0 { test.kernels.ewise(.tanh)(x, x, nil, nil, n) }
                test.kernels.ewise(.multiply)(x, x, scale.at(row * n), nil, n)
              }
            }
            let same = (0..<rows * p.ldc).allSatisfy { c[$0] == expected[$0] }
            #expect(same, "\(rows)x\(k)x\(n), gap \(gap), act \(act), factor \(factor)")
          }
        }
      }
    }
  }

  @Test(arguments: KernelCase.all) func aRowDoesNotDependOnItsCompany(_ test: KernelCase) {
    var generator = SeededGenerator(state: 4)
    for (rows, k, n) in [
      (61, 70, 37), (13, 600, 64), (5, 3, 2), (13, 50, 2), (9, 33, 1), (7, 40, 3), (11, 3, 21), (2, 70, 200),
      (3, 300, 209), (9, 31, 300), (101, 300, 530),
    ] {
      let p = MatmulProblem(rows: rows, k: k, n: n, test.dtype, &generator)
      for accumulate in [0, 1] as [Int32] {
        let together = p.product(test.kernels, kind: .NK_PACK_MATRIX, p.b, accumulate: accumulate)
        for row in stride(from: 0, to: rows, by: rows > 100 ? 20 : 1) {
          let alone = p.product(test.kernels, kind: .NK_PACK_MATRIX, p.b, accumulate: accumulate, only: row)
          let range = row * p.ldc..<row * p.ldc + n
          #expect(range.allSatisfy { together[$0] == alone[$0] }, "row \(row) of \(rows)x\(k)x\(n)")
        }
      }
    }
  }

  /// Where vectors run along k, the last one begins before the one before it ends: an infinity there counts once.
  @Test(arguments: KernelCase.vector) func anInfinityStaysOne(_ test: KernelCase) {
    let k = 37
    for n in 1...4 {
      for place in 0..<k {
        let a = Operand(k, test.dtype), b = Operand(k * n, test.dtype), c = Operand(n, test.dtype)
        for p in 0..<k { a[p] = p == place ? .infinity : 1 }
        for i in 0..<k * n { b[i] = i % n == 0 ? 2 : -2 }
        let packed = Operand(bytes: test.kernels.packed_bytes(Int64(k), Int64(n)), test.dtype)
        test.kernels.pack(.NK_PACK_MATRIX, b.raw, packed.raw, Int64(k), Int64(n), nil)
        test.kernels.matmul(
          a.raw, Int64(k), packed.raw, nil, c.raw, Int64(n), 1, Int64(k), Int64(n), 1, 0)
        #expect((0..<n).allSatisfy { c[$0] == ($0 == 0 ? .infinity : -.infinity) }, "element \(place)")
      }
    }
  }

  private func compareOuter(
    _ test: KernelCase, terms: Int = 1, rows: Int, k: Int, n: Int, _ generator: inout SeededGenerator
  ) {
    let (lda, ldb, ldc) = (k + 2, n + 1, n + 3)
    let a = Operand(random: terms * rows * lda, test.dtype, using: &generator)
    let b = Operand(random: terms * rows * ldb, test.dtype, using: &generator)
    let before = Operand(random: k * ldc, test.dtype, using: &generator)
    func run(_ kernels: nk_kernels, _ a: Operand, _ b: Operand, _ c: Operand, _ accumulate: Int32) {
      let count = Int32(terms), size = nk_dtype_bytes(test.dtype)
      // The last term first: a kernel that walked on from one would miss the others.
      let pairs = (0..<terms).reversed().map {
        nk_outer_term(a: a.raw + $0 * rows * lda * Int(size), b: b.raw + $0 * rows * ldb * Int(size))
      }
      let (rows, k, n) = (Int64(rows), Int64(k), Int64(n))
      let scratch = Operand(bytes: kernels.matmul_outer_scratch(Int64(count) * rows, k, n), test.dtype)
      withExtendedLifetime((a, b, c, scratch)) {
        kernels.matmul_outer(
          pairs, count, Int64(lda), Int64(ldb), c.raw, Int64(ldc), rows, k, n, 0.5, accumulate, scratch.raw)
      }
      #expect(scratch.guardIsIntact)
    }
    let magnitude = before.magnitudes
    run(test.reference, a.magnitudes, b.magnitudes, magnitude, 1)
    for accumulate in [0, 1] as [Int32] {
      let (actual, expected) = (before.copy, before.copy)
      run(test.kernels, a, b, actual, accumulate)
      run(test.reference, a, b, expected, accumulate)
      let problem = disagreement(actual, expected) {
        Double(terms * rows + 3) * test.epsilon * magnitude[$0]
      }
      #expect(
        problem == nil,
        "\(terms) terms of \(rows) rows, \(k)x\(n), accumulate \(accumulate): \(problem ?? "")")
    }
  }
}

/// A [rows, k] times [k, n] problem whose rows have gaps between them.
private struct MatmulProblem {
  let rows, k, n, lda, ldc: Int
  let a, b, transposed, bias, before: Operand

  init(rows: Int, k: Int, n: Int, gap: Int = 3, _ dtype: nk_dtype, _ generator: inout SeededGenerator) {
    (self.rows, self.k, self.n, lda, ldc) = (rows, k, n, k + 1, n + gap)
    a = Operand(random: rows * lda, dtype, using: &generator)
    b = Operand(random: k * n, dtype, using: &generator)
    transposed = Operand(k * n, dtype)
    for p in 0..<k { for j in 0..<n { transposed[j * k + p] = b[p * n + j] } }
    bias = Operand(random: n, dtype, using: &generator)
    before = Operand(random: rows * ldc, dtype, using: &generator)
  }

  func product(
    _ kernels: nk_kernels, kind: nk_pack_kind, _ b: Operand, a: Operand? = nil, bias: Operand? = nil,
    act: Int32 = -1, times: Operand? = nil, factor: Int32 = -1, accumulate: Int32 = 0, only row: Int? = nil
  ) -> Operand {
    let packed = Operand(bytes: kernels.packed_bytes(Int64(k), Int64(n)), before.dtype)
    let (c, a) = (before.copy, a ?? self.a)
    withExtendedLifetime((a, b, packed, bias, times, c)) {
      kernels.pack(kind, b.raw, packed.raw, Int64(k), Int64(n), nil)
      var end = nk_epilogue(bias: bias?.raw, times: times?.raw, act: act, factor: factor)
      kernels.matmul(
        a.at((row ?? 0) * lda), Int64(lda), packed.raw, &end, c.at((row ?? 0) * ldc), Int64(ldc),
        row == nil ? Int64(rows) : 1, Int64(k), Int64(n), 0.5, accumulate)
    }
    #expect(packed.guardIsIntact)
    return c
  }

  func compare(_ test: KernelCase) {
    let magnitude = product(
      test.reference, kind: .NK_PACK_MATRIX, b.magnitudes, a: a.magnitudes, bias: bias.magnitudes)
    func check(_ what: String, _ run: (nk_kernels) -> Operand, plus: Double = 0) {
      let problem = disagreement(run(test.kernels), run(test.reference)) {
        Double(k + 3) * test.epsilon * (abs(magnitude[$0]) + abs(before[$0])) + plus
      }
      #expect(problem == nil, "\(what) \(rows)x\(k)x\(n): \(problem ?? "")")
    }
    check("bias") { product($0, kind: .NK_PACK_MATRIX, b, bias: bias) }
    check("transposed") { product($0, kind: .NK_PACK_MATRIX_TRANSPOSED, transposed) }
    check("accumulate") { product($0, kind: .NK_PACK_MATRIX, b, accumulate: 1) }
    // tanh has slope at most one and a few ulp of its own.
    let act = Int32(Elementwise.tanh.rawValue)
    check("tanh", { product($0, kind: .NK_PACK_MATRIX, b, bias: bias, act: act) }, plus: 8 * test.epsilon)
  }
}
