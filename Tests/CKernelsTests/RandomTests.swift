import CKernels
import Testing

@Suite struct RandomTests {
  /// kat_vectors of the Random123 distribution, philox4x32 with 10 rounds.
  @Test(
    arguments: [
      ([0, 0], [0, 0, 0, 0], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
      (
        [0xffff_ffff, 0xffff_ffff], [0xffff_ffff, 0xffff_ffff, 0xffff_ffff, 0xffff_ffff],
        [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
      ),
      (
        [0xa409_3822, 0x299f_31d0], [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
        [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
      ),
    ] as [([UInt32], [UInt32], [UInt32])])
  func knownAnswers(key: [UInt32], counter: [UInt32], expected: [UInt32]) {
    var out = [UInt32](repeating: 0, count: 4)
    nk_philox4x32(key, counter, &out)
    #expect(out == expected)
  }

  /// The stream is the generator's blocks at counters 0, 1, 2, ..., also beyond 2^32.
  @Test(arguments: [0, 5, UInt64(UInt32.max) * 4 - 6])
  func bitsAreTheBlocksInOrder(first: UInt64) {
    let key: [UInt32] = [3, 4]
    var stream = [UInt32](repeating: 0, count: 37)
    nk_random_bits(key, first, &stream, 37)
    for (i, word) in stream.enumerated() {
      let at = first + UInt64(i), block = at / 4
      var out = [UInt32](repeating: 0, count: 4)
      nk_philox4x32(key, [UInt32(truncatingIfNeeded: block), UInt32(block >> 32), 0, 0], &out)
      #expect(word == out[Int(at % 4)])
    }
  }

  private func fill(_ dtype: nk_dtype, normal: Bool, first: UInt64, _ n: Int, key: [UInt32] = [1, 2])
    -> [Double]
  {
    let out = Operand(n, dtype)
    if normal {
      nk_random_normal(dtype, key, first, out.raw, Int64(n))
    } else {
      nk_random_uniform(dtype, key, first, out.raw, Int64(n))
    }
    #expect(out.guardIsIntact)
    return out.values
  }

  @Test(arguments: [nk_dtype.NK_F32, .NK_F64], [false, true])
  func anElementDependsOnItsIndexOnly(dtype: nk_dtype, normal: Bool) {
    let whole = fill(dtype, normal: normal, first: 0, 300)
    for first in [0, 1, 2, 3, 7, 16, 33, 255, 256] {
      for n in [0, 1, 2, 3, 15, 16, 17, 40] {
        #expect(fill(dtype, normal: normal, first: UInt64(first), n) == Array(whole[first..<first + n]))
      }
    }
    #expect(fill(dtype, normal: normal, first: 0, 300, key: [1, 3]) != whole)
  }

  /// Moments within five standard errors; the seed is fixed, so this passes always or never.
  @Test(arguments: [nk_dtype.NK_F32, .NK_F64])
  func momentsAndRanges(dtype: nk_dtype) {
    let n = 1 << 18, count = Double(n)
    func mean(_ values: [Double], _ f: (Double) -> Double) -> Double {
      values.reduce(0) { $0 + f($1) } / count
    }

    let uniform = fill(dtype, normal: false, first: 0, n)
    #expect(uniform.allSatisfy { 0 <= $0 && $0 < 1 })
    #expect(abs(mean(uniform) { $0 } - 0.5) < 5 * (1 / 12 / count).squareRoot())
    #expect(abs(mean(uniform) { $0 * $0 } - 1 / 3.0) < 5 * (4 / 45 / count).squareRoot())

    let normal = fill(dtype, normal: true, first: 0, n)
    let error = (1 / count).squareRoot()
    #expect(abs(mean(normal) { $0 }) < 5 * error)
    #expect(abs(mean(normal) { $0 * $0 } - 1) < 5 * error * 2.0.squareRoot())
    #expect(abs(mean(normal) { $0 * $0 * $0 }) < 5 * error * 15.0.squareRoot())
    #expect(abs(mean(normal) { $0 * $0 * $0 * $0 } - 3) < 5 * error * 96.0.squareRoot())
    let neighbours = zip(normal, normal.dropFirst()).reduce(0) { $0 + $1.0 * $1.1 } / count
    #expect(abs(neighbours) < 5 * error)
  }
}
