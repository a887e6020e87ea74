import CKernels
import Testing

/// Kernels that take many small matrices at once, against the reference table: every remainder of the vectors' elements, of
/// their rows and columns, every form of the operands.
struct SmallKernelTests {
  @Test(arguments: KernelCase.vector) func productsAgreeWithTheReference(_ test: KernelCase) {
    var generator = SeededGenerator(state: 1)
    for m in [1, 2, 3, 5, 8, 9, 13, 19] {
      for n in 1...Int(4 * test.kernels.nr / 2 + 2) {
        for k in [0, 1, 3, 4, 9] {
          for form in 0..<4 { compare(test, m, k, n, form, &generator) }
        }
      }
    }
    for form in 0..<4 { compare(test, 50, 50, 20, form, &generator) }
  }

  private func compare(
    _ test: KernelCase, _ m: Int, _ k: Int, _ n: Int, _ form: Int, _ generator: inout SeededGenerator
  ) {
    let count = 3, sharesRight = (m + n) % 3 == 0
    var g = nk_each_product(
      m: Int64(m), k: Int64(k), n: Int64(n), transpose_a: Int32(form & 1), transpose_b: Int32(form >> 1),
      a_stride: Int64(m * k), b_stride: sharesRight ? 0 : Int64(k * n), c_stride: Int64(m * n))
    let a = Operand(random: count * m * k, test.dtype, using: &generator)
    let b = Operand(random: count * k * n, test.dtype, using: &generator)
    func run(_ kernels: nk_kernels, _ a: Operand, _ b: Operand, only: Int? = nil) -> Operand {
      let c = Operand(count * m * n, test.dtype), scratch = Operand(k * n, test.dtype)
      let first = only ?? 0
      withExtendedLifetime((a, b, c, scratch)) {
        kernels.matmul_each(
          &g, a.at(first * m * k), b.at(sharesRight ? 0 : first * k * n), c.at(first * m * n),
          only == nil ? Int64(count) : 1, scratch.raw)
      }
      #expect(scratch.guardIsIntact)
      return c
    }
    let found = run(test.kernels, a, b), magnitude = run(test.reference, a.magnitudes, b.magnitudes)
    let problem = disagreement(found, run(test.reference, a, b)) {
      Double(k + 3) * test.epsilon * magnitude[$0]
    }
    #expect(problem == nil, "\(m)x\(k)x\(n), form \(form): \(problem ?? "")")
    let alone = run(test.kernels, a, b, only: 1)
    #expect((m * n..<2 * m * n).allSatisfy { alone[$0] == found[$0] }, "\(m)x\(k)x\(n): alone")
  }

  /// Counts around the number of elements of every vector.
  static let counts = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 19]

  @Test(arguments: KernelCase.vector) func factorsAndSolvesAgreeWithTheReference(_ test: KernelCase) {
    var generator = SeededGenerator(state: 2)
    for n in 1...Int(NK_SMALL_MATRIX) {
      for count in Self.counts {
        let a = Operand(random: count * n * n, test.dtype, using: &generator)
        // Far from singular, pivots off the diagonal.
        for index in 0..<count {
          for i in 0..<n { a[index * n * n + i * n + (i + 1) % n] += i % 2 == 0 ? 3 : -3 }
        }
        func factors(_ kernels: nk_kernels) -> (Operand, Operand) {
          let f = Operand(count * n * n, test.dtype), p = Operand(count * n, .NK_I32)
          withExtendedLifetime((a, f, p)) {
            kernels.small_lu(Int64(n), a.raw, f.raw, p.raw.assumingMemoryBound(to: Int32.self), Int64(count))
          }
          return (f, p)
        }
        let (found, expected) = (factors(test.kernels), factors(test.reference))
        let tolerance = 200 * test.epsilon
        #expect(disagreement(found.0, expected.0) { _ in tolerance } == nil, "LU \(n), \(count)")
        #expect(found.1.guardIsIntact)
        for i in 0..<count * n {
          let pivots = [found.1, expected.1].map { $0.raw.load(fromByteOffset: 4 * i, as: Int32.self) }
          #expect(pivots[0] == pivots[1], "pivot \(i) of \(n), \(count)")
        }
        for form in 0..<32 {
          compareSolves(
            test, expected.0, expected.1, n: n, k: [1, 3, 8, 11][count % 4], count, form, &generator)
        }
      }
    }
  }

  private func compareSolves(
    _ test: KernelCase, _ factors: Operand, _ pivots: Operand, n: Int, k: Int, _ count: Int, _ form: Int,
    _ generator: inout SeededGenerator
  ) {
    func bit(_ index: Int) -> Int32 { Int32(form >> index & 1) }
    var g = nk_matrix(
      matrices_per_lane: 1, m: Int64(n), n: Int64(n), k: Int64(k), lower: bit(0), transposed: bit(1),
      unit: bit(2),
      shares_left: bit(3), shares_right: bit(4))
    let b = Operand(random: count * n * k, test.dtype, using: &generator)
    for isTriangle in [false, true] {
      func run(_ kernels: nk_kernels) -> Operand {
        let x = Operand(count * n * k, test.dtype)
        withExtendedLifetime((factors, pivots, b, x)) {
          kernels.small_solve(
            &g, factors.raw, isTriangle ? nil : pivots.raw.assumingMemoryBound(to: Int32.self), b.raw, x.raw,
            Int64(count))
        }
        return x
      }
      let expected = run(test.reference)
      let largest = expected.values.reduce(1) { max($0, abs($1)) }
      let problem = disagreement(run(test.kernels), expected) { _ in 500 * test.epsilon * largest }
      #expect(
        problem == nil, "\(n) by \(k), \(count), form \(form), triangle \(isTriangle): \(problem ?? "")")
    }
  }

  @Test(arguments: KernelCase.vector) func choleskyAgreesWithTheReference(_ test: KernelCase) {
    var generator = SeededGenerator(state: 3)
    for n in 1...Int(NK_SMALL_MATRIX) {
      for count in Self.counts {
        let a = Operand(random: count * n * n, test.dtype, using: &generator)
        // One in the middle is not positive definite.
        for index in 0..<count {
          for i in 0..<n { a[index * n * n + i * (n + 1)] = index == count / 2 ? -1 : Double(n) }
        }
        func run(_ kernels: nk_kernels) -> Operand {
          let l = Operand(count * n * n, test.dtype)
          withExtendedLifetime((a, l)) { kernels.small_cholesky(Int64(n), a.raw, l.raw, Int64(count)) }
          return l
        }
        let found = run(test.kernels)
        let problem = disagreement(found, run(test.reference)) { _ in 30 * test.epsilon }
        #expect(problem == nil, "\(n), \(count): \(problem ?? "")")
        #expect(
          (0..<count * n * n).allSatisfy { found[$0].isNaN == ($0 / (n * n) == count / 2) }, "\(n), \(count)")
      }
    }
  }

  @Test(arguments: KernelCase.vector) func qrAgreesWithTheReference(_ test: KernelCase) {
    var generator = SeededGenerator(state: 4)
    for n in 1...Int(NK_SMALL_MATRIX) {
      for (count, m) in zip(Self.counts, [n, n + 1, 12, 19, Int(NK_SMALL_ROWS), n, n, 9, n + 3, 16, 11, n]) {
        let m = max(m, n), a = Operand(random: count * m * n, test.dtype, using: &generator)
        for index in 0..<count { for j in 0..<n { a[(index * m + j) * n + j] += j % 2 == 0 ? 3 : -3 } }
        func run(_ kernels: nk_kernels) -> (q: Operand, r: Operand) {
          let q = Operand(count * m * n, test.dtype), r = Operand(count * n * n, test.dtype)
          withExtendedLifetime((a, q, r)) {
            kernels.small_qr(Int64(m), Int64(n), a.raw, q.raw, r.raw, Int64(count))
          }
          return (q, r)
        }
        let (found, expected) = (run(test.kernels), run(test.reference)), bound = 200 * test.epsilon
        let q = disagreement(found.q, expected.q) { _ in bound }
        let r = disagreement(found.r, expected.r) { _ in 10 * bound }
        #expect(q == nil && r == nil, "\(m) x \(n), \(count): \(q ?? "") \(r ?? "")")
      }
    }
  }

  /// Their order and the signs of eigenvectors are free: what counts is A v = w v, and that nothing is missing.
  @Test(arguments: KernelCase.all) func eigenvectorsSolveTheirEquation(_ test: KernelCase) {
    var generator = SeededGenerator(state: 5)
    for n in 1...Int(NK_SMALL_MATRIX) {
      for count in Self.counts {
        let a = Operand(random: count * n * n, test.dtype, using: &generator)
        // A matrix of equal elements, one of zeros, and one that is not finite.
        for e in 0..<n * n {
          a[e] = 1
          if count > 2 { a[n * n + e] = 0 }
          if count > 3 { a[3 * n * n + e] = e == 0 ? .infinity : 1 }
        }
        let w = Operand(count * n, test.dtype), v = Operand(count * n * n, test.dtype)
        withExtendedLifetime((a, w, v)) {
          test.kernels.small_eigen(Int64(n), a.raw, w.raw, v.raw, Int64(count))
        }
        #expect(w.guardIsIntact && v.guardIsIntact)
        let bound = 60 * test.epsilon
        for index in 0..<count {
          if count > 3 && index == 3 {
            #expect((0..<n).allSatisfy { w[index * n + $0].isNaN && v[index * n * n + $0 * n].isNaN })
            continue
          }
          func element(_ i: Int, _ j: Int) -> Double {
            (a[(index * n + i) * n + j] + a[(index * n + j) * n + i]) / 2
          }
          for row in 0..<n {
            let vector = (0..<n).map { v[(index * n + row) * n + $0] }
            for i in 0..<n {
              let product = (0..<n).reduce(0) { $0 + element(i, $1) * vector[$1] }
              #expect(
                abs(product - w[index * n + row] * vector[i]) <= bound, "\(n), \(count), matrix \(index)")
            }
            for other in 0...row {
              let product = (0..<n).reduce(0) { $0 + vector[$1] * v[(index * n + other) * n + $1] }
              #expect(abs(product - (other == row ? 1 : 0)) <= bound, "\(n), \(count), matrix \(index)")
            }
          }
        }
      }
    }
  }
}
