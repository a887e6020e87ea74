import CKernels
import Testing

@Suite struct SolverKernelTests {
  private static let lengths = Array(0...67) + [511, 512, 513, 1500]

  /// Bits that do not depend on the instruction set, as reductions and norms promise: of the first vector
  /// table.
  private func firstVectorTable(_ dtype: nk_dtype) -> nk_kernels {
    nk_kernels_for(.NK_ISA_BASELINE, dtype).pointee
  }

  @Test(arguments: KernelCase.all)
  func fillAndScaledSum(kernel: KernelCase) {
    var random = SeededGenerator(state: 1)
    for n in Self.lengths {
      let filled = Operand(n, kernel.dtype)
      kernel.kernels.fill(filled.raw, 0.1, n)
      let value = kernel.dtype == .NK_F64 ? 0.1 : Double(Float(0.1))
      #expect(filled.guardIsIntact && filled.values.allSatisfy { $0 == value })

      let x = Operand(random: n, kernel.dtype, using: &random),
        y = Operand(random: n, kernel.dtype, using: &random)
      let expected = Operand((0..<n).map { 0.7 * x[$0] - 1.3 * y[$0] }, kernel.dtype)
      kernel.kernels.axpby(y.raw, x.raw, 0.7, -1.3, n)
      #expect(disagreement(y, expected) { _ in 4 * kernel.epsilon } == nil)
      // With b = 0 the destination, all NaN here, is not read.
      let fresh = Operand(n, kernel.dtype)
      kernel.kernels.axpby(fresh.raw, x.raw, 2, 0, n)
      #expect((0..<n).allSatisfy { fresh[$0] == 2 * x[$0] })
    }
  }

  /// [outer, count, inner] with rows shorter and longer than vectors, chunks and blocks.
  @Test(
    arguments: KernelCase.vector,
    [(3, 1), (1, 7), (2, 8), (1, 33), (2, 67), (1, 140)] as [(Int, Int)])
  func reductionsAgreeWithTheReference(kernel: KernelCase, extents: (outer: Int, inner: Int)) {
    var random = SeededGenerator(state: 2)
    let (outer, inner) = extents
    for count in [0, 1, 2, 3, 31, 32, 33, 63, 64, 65, 130, 512, 513, 1700] {
      let x = Operand(random: outer * count * inner, kernel.dtype, using: &random)
      let before = Operand(random: outer * inner, kernel.dtype, using: &random)
      for (kind, scale, accumulate) in [
        (Reduction.sum, 1.0, 0), (.sum, 0.3, 1), (.max, 1, 0),
      ] as [(Reduction, Double, Int32)] {
        let out = before.copy, expected = before.copy, other = before.copy
        kernel.kernels.reduce(kind, x.raw, out.raw, outer, count, inner, scale, accumulate)
        kernel.reference.reduce(kind, x.raw, expected.raw, outer, count, inner, scale, accumulate)
        firstVectorTable(kernel.dtype).reduce(kind, x.raw, other.raw, outer, count, inner, scale, accumulate)
        // The terms are at most 1. For Float the reference is exact by comparison and the tree's error grows
        // slowly; for Double the reference is one chain of `count` additions itself.
        let growth = kernel.dtype == .NK_F64 ? Double(count) : (Double(count) * 0.5 + 8).squareRoot() * 8
        let bound = kind == .max ? 0 : kernel.epsilon * (growth + 8)
        let problem = disagreement(out, expected) { _ in bound }
        #expect(problem == nil, "\(kind) of [\(outer), \(count), \(inner)]: \(problem ?? "")")
        #expect(out.values == other.values, "the bits depend on the instruction set")
      }
    }
  }

  @Test(arguments: KernelCase.all)
  func maximaPropagateNaN(kernel: KernelCase) {
    for n in [1, 5, 40, 600] {
      for place in [0, n / 2, n - 1] {
        for inner in [1, 9] {
          let values = (0..<n * inner).map { $0 / inner == place ? Double.nan : 3 }
          let x = Operand(values, kernel.dtype),
            out = Operand([Double](repeating: 0, count: inner), kernel.dtype)
          kernel.kernels.reduce(.max, x.raw, out.raw, 1, n, inner, 1, 0)
          #expect(out.values.allSatisfy { $0.isNaN })
          withExtendedLifetime(x) {}
        }
      }
    }
  }

  @Test(arguments: KernelCase.vector, 1...9)
  func combinationsAndNormsAgreeWithTheReference(kernel: KernelCase, terms: Int) {
    var random = SeededGenerator(state: 3)
    let start = 1  // unaligned
    for n in Self.lengths {
      let stages = (0..<terms).map { _ in Operand(random: n + start, kernel.dtype, using: &random) }
      let weights = (0..<terms).map { _ in Double.random(in: -1...1, using: &random) }
      let pointers = stages.map { UnsafeRawPointer?($0.at(start)) }
      let y0 = Operand(random: n + start, kernel.dtype, using: &random)
      let y1 = Operand(random: n + start, kernel.dtype, using: &random)

      for base in [UnsafeRawPointer?.none, UnsafeRawPointer(y0.at(start))] {
        let out = Operand(n, kernel.dtype), expected = Operand(n, kernel.dtype)
        kernel.kernels.combine(out.raw, base, weights, pointers, Int32(terms), n)
        kernel.reference.combine(expected.raw, base, weights, pointers, Int32(terms), n)
        let problem = disagreement(out, expected) { _ in kernel.epsilon * Double(terms + 2) }
        #expect(problem == nil, "\(problem ?? "")")
      }
      let inPlace = y0.copy, apart = Operand(n + start, kernel.dtype)
      kernel.kernels.combine(
        apart.raw, y0.raw, weights, stages.map { UnsafeRawPointer?($0.raw) }, Int32(terms), n)
      kernel.kernels.combine(
        inPlace.raw, inPlace.raw, weights, stages.map { UnsafeRawPointer?($0.raw) }, Int32(terms), n)
      #expect((0..<n).allSatisfy { inPlace[$0] == apart[$0] })

      let norms = [kernel.kernels, kernel.reference, firstVectorTable(kernel.dtype)].map { table in
        [
          table.error_norm2(
            y0.at(start), y1.at(start), weights, pointers, Int32(terms), 1e-3, 1e-2, n),
          table.scaled_norm2(y1.at(start), y0.at(start), 1e-3, 1e-2, n),
          table.dot(y0.at(start), y1.at(start), n),
        ]
      }
      for (index, scale) in [norms[1][0], norms[1][1], Double(n)].enumerated() {
        #expect(abs(norms[0][index] - norms[1][index]) <= 1e-13 * max(scale, 1))
      }
      #expect(norms[0] == norms[2], "the bits depend on the instruction set")
      withExtendedLifetime((stages, y0, y1)) {}
    }
  }

  /// Rows with a step size each, of lengths around the vectors' and the chunks'.
  @Test(arguments: KernelCase.all, [1, 2, 3, 7, 8, 9, 64, 511, 512, 700] as [Int])
  func rowsHaveTheirOwnSteps(kernel: KernelCase, dim: Int) {
    var random = SeededGenerator(state: 11)
    for rows in [1, 2, 5, 33] {
      let n = rows * dim, terms = 3
      let y0 = Operand(random: n, kernel.dtype, using: &random),
        h = Operand(random: n, kernel.dtype, using: &random)
      let stages = (0..<terms).map { _ in Operand(random: n, kernel.dtype, using: &random) }
      let pointers = stages.map { UnsafeRawPointer?($0.raw) }
      let weights = [0.3, -1.2, 0.7]
      let y1 = Operand(n, kernel.dtype), expected = Operand(n, kernel.dtype)
      for base in [y0.raw, nil] {
        kernel.kernels.combine_rows(y1.raw, base, h.raw, weights, pointers, Int32(terms), n)
        kernel.reference.combine_rows(expected.raw, base, h.raw, weights, pointers, Int32(terms), n)
        #expect(y1.guardIsIntact && disagreement(y1, expected) { _ in 8 * kernel.epsilon } == nil)
      }
      for counted in Set([1, (dim + 1) / 2, dim]) {
        var found = [Double](repeating: -1, count: rows), right = found, other = found, alone = found
        func errors(_ table: nk_kernels, _ out: inout [Double], _ y1: Operand) {
          table.error_rows(
            &out, y0.raw, y1.raw, h.raw, weights, pointers, Int32(terms), 1e-3, 1e-2, rows, dim, counted)
        }
        errors(kernel.kernels, &found, y1)
        errors(kernel.reference, &right, y1)
        errors(firstVectorTable(kernel.dtype), &other, y1)
        for r in 0..<rows { #expect(abs(found[r] - right[r]) <= 1e-12 * right[r]) }
        #expect(kernel.isa == .NK_ISA_REFERENCE || found == other, "the bits depend on the instruction set")
        // A row does not see the others.
        for r in 0..<rows {
          let at = r * dim
          kernel.kernels.error_rows(
            &alone, y0.at(at), y1.at(at), h.at(at), weights, stages.map { UnsafeRawPointer?($0.at(at)) },
            Int32(terms), 1e-3,
            1e-2,
            1, dim, counted)
          #expect(alone[0] == found[r])
        }
        // What is not finite is seen in components that do not count, too.
        let bad = y1.copy
        for value in [Double.nan, .infinity] {
          bad[n - 1] = value
          errors(kernel.kernels, &alone, bad)
          #expect(!alone[rows - 1].isFinite && alone.dropLast() == found.dropLast())
        }
      }
      withExtendedLifetime(stages) {}
    }
  }

  /// The same errors of rows that are stored as columns, to the bit.
  @Test(arguments: KernelCase.all, [1, 2, 3, 4, 5, 6, 7, 8, 9, 16] as [Int])
  func columnsHaveTheErrorsOfRows(kernel: KernelCase, dim: Int) {
    var random = SeededGenerator(state: 12)
    for rows in [1, 2, 7, 8, 9, 33] {
      for terms in [1, 3, 6] {
        let n = rows * dim, stride = (rows + 7) / 8 * 8 + 3
        let byRows = (0..<terms + 3).map { _ in Operand(random: n, kernel.dtype, using: &random) }
        let steps = (0..<rows).map { _ in Double.random(in: -1...1, using: &random) }
        for r in 0..<rows { for c in 0..<dim { byRows[2][r * dim + c] = steps[r] } }
        if rows > 3 { byRows[1][3 * dim + dim - 1] = .infinity }
        let byColumns = byRows.map { rows in
          let columns = Operand([Double](repeating: .nan, count: dim * stride), kernel.dtype)
          for i in 0..<n { columns[i % dim * stride + i / dim] = rows[i] }
          return columns
        }
        let weights = (0..<terms).map { _ in Double.random(in: -1...1, using: &random) }
        for counted in Set([1, (dim + 1) / 2, dim]) {
          let found = Operand(rows, .NK_F64)
          var right = [Double](repeating: -1, count: rows)
          kernel.kernels.error_rows(
            &right, byRows[0].raw, byRows[1].raw, byRows[2].raw, weights,
            byRows[3...].map { UnsafeRawPointer?($0.raw) }, Int32(terms), 1e-3, 1e-2, rows, dim, counted)
          kernel.kernels.error_columns(
            found.raw.assumingMemoryBound(to: Double.self), byColumns[0].raw, byColumns[1].raw,
            byColumns[2].raw, weights, byColumns[3...].map { UnsafeRawPointer?($0.raw) }, Int32(terms), 1e-3,
            1e-2, rows, dim, stride, counted)
          #expect(found.guardIsIntact)
          for r in 0..<rows { #expect(found[r] == right[r] || (found[r].isNaN && right[r].isNaN)) }
        }
        withExtendedLifetime((byRows, byColumns)) {}
      }
    }
  }

  /// A NaN anywhere in a state makes its norm NaN, so that the step is rejected.
  @Test(arguments: KernelCase.all)
  func normsPropagateNaN(kernel: KernelCase) {
    let n = 21
    for place in [0, 7, 8, 20] {
      let clean = Operand([Double](repeating: 1, count: n), kernel.dtype)
      let bad = Operand((0..<n).map { $0 == place ? .nan : 1 }, kernel.dtype)
      let k: [UnsafeRawPointer?] = [UnsafeRawPointer(clean.raw)]
      #expect(kernel.kernels.error_norm2(clean.raw, bad.raw, [1], k, 1, 1e-3, 1e-3, n).isNaN)
      #expect(
        kernel.kernels.error_norm2(clean.raw, clean.raw, [1], [UnsafeRawPointer(bad.raw)], 1, 1, 1, n).isNaN)
      #expect(kernel.kernels.scaled_norm2(bad.raw, clean.raw, 1e-3, 1e-3, n).isNaN)
      withExtendedLifetime((clean, bad)) {}
    }
  }

  @Test(arguments: KernelCase.all)
  func everyElementIsCheckedForFiniteness(kernel: KernelCase) {
    let n = 5000
    let x = Operand((0..<n).map { $0 % 2 == 0 ? 1e30 : -0.0 }, kernel.dtype)
    for length in Self.lengths + [4096, 4097, n] { #expect(kernel.kernels.all_finite(x.raw, length) == 1) }
    let places = Array(0..<67) + [511, 1000, 4095, 4096, 4999]
    for place in places {
      let kept = x[place]
      for value in [Double.infinity, -.infinity, .nan] {
        x[place] = value
        #expect(kernel.kernels.all_finite(x.raw, n) == 0)
        #expect(kernel.kernels.all_finite(x.raw, place + 1) == 0)
        #expect(kernel.kernels.all_finite(x.raw, place) == 1)
      }
      x[place] = kept
    }
  }
}
