import CKernels
import Testing

@Suite struct ReduceTests {
  /// Sums down columns of very many rows: the error of pairwise addition, whatever the number of columns.
  @Test(arguments: KernelCase.vector) func longColumnsAreAddedPairwise(_ test: KernelCase) {
    let count = 1 << 20
    for inner in [2, 9] {
      let x = Operand(count * inner, test.dtype), y = Operand(inner, test.dtype)
      for i in 0..<count * inner { x[i] = 0.1 }
      withExtendedLifetime((x, y)) {
        test.kernels.reduce(.sum, x.raw, y.raw, 1, count, inner, 1, 0)
      }
      // 64 additions in a block, then one for each level.
      let bound = Double(64 + 14) * test.epsilon / 2
      for sum in y.values { #expect(abs(sum / (Double(count) * x[0]) - 1) < bound) }
    }
  }

  /// The tree depends on the extents alone: columns side by side, alone, and on every instruction set have the same bits.
  @Test(arguments: [1, 63, 64, 65, 128, 129, 320, 1000]) func treesAreTheSameEverywhere(count: Int) {
    for dtype in [nk_dtype.NK_F32, .NK_F64] {
      var random = SeededGenerator(state: UInt64(count))
      let inner = 37
      let x = Operand(random: count * inner, dtype, using: &random)
      var results: [[Double]] = []
      for test in KernelCase.vector where test.dtype == dtype {
        let y = Operand(inner, dtype)
        withExtendedLifetime((x, y)) {
          test.kernels.reduce(.sum, x.raw, y.raw, 1, count, inner, 1, 0)
        }
        results.append(y.values)
        // Columns 2 and 3 alone are the narrow path of the same kernel.
        let narrow = Operand((0..<2 * count).map { x[$0 / 2 * inner + 2 + $0 % 2] }, dtype),
          z = Operand(2, dtype)
        withExtendedLifetime((narrow, z)) {
          test.kernels.reduce(.sum, narrow.raw, z.raw, 1, count, 2, 1, 0)
        }
        #expect(z.values == Array(y.values[2...3]))
      }
      #expect(results.allSatisfy { $0 == results[0] })
    }
  }
}
