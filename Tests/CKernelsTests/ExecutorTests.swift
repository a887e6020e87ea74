import CKernels
import Foundation
import Testing

@Suite struct ExecutorTests {
  // MARK: Copies

  /// [lanes, 3, 5] to [lanes, 3, 5] with strides of every kind on either side, padding untouched.
  @Test(arguments: [nk_dtype.NK_F32, .NK_F64, .NK_I32]) func copies(dtype: nk_dtype) {
    let layouts: [[Int]] = [[15, 5, 1], [15, 1, 3], [40, 10, 2], [21, 7, 1], [15, -5, -1]]
    for source in layouts {
      for target in layouts + [[15, 5, 1]] {
        let lanes = 4, room = 200
        let p = ProgramBuilder(dtype)
        p.blockLanes = 3
        let x = p.argument(source[0], lanes: true), y = p.argument(target[0], lanes: true)
        func start(_ layout: [Int]) -> Int { layout[1] < 0 ? 14 : 0 }
        p.copy(
          [3, 5], from: view(x, offset: start(source), lane: source[0], Array(source[1...])),
          to: view(y, offset: start(target), lane: target[0], Array(target[1...])))
        p.region(.NK_REGION_LANES, lanes: lanes)
        // Integers are moved as bits, so small floats in the same four bytes do for them.
        let type = dtype == .NK_F64 ? dtype : .NK_F32
        let from = Operand((0..<room).map(Double.init), type)
        let to = Operand([Double](repeating: -1, count: room), type)
        #expect(ProgramBuilder.run(p.build(), [from, to]).status == .NK_SUCCESS)
        var expected = [Double](repeating: -1, count: room)
        for lane in 0..<lanes {
          for i in 0..<3 {
            for j in 0..<5 {
              expected[start(target) + lane * target[0] + i * target[1] + j * target[2]] =
                from[start(source) + lane * source[0] + i * source[1] + j * source[2]]
            }
          }
        }
        #expect(to.values == expected, "\(source) \(target)")
      }
    }
  }

  /// A transposition larger than its squares, and a broadcast.
  @Test func largeTransposition() {
    let (m, n) = (37, 53)
    let p = ProgramBuilder()
    let x = p.argument(m * n), y = p.argument(m * n), z = p.argument(m * n)
    p.copy([n, m], from: view(x, [1, n]), to: view(y, [m, 1]))
    p.copy([m, n], from: view(x, [n, 0]), to: view(z, [n, 1]))
    p.region(.NK_REGION_SERIAL)
    let from = Operand((0..<m * n).map(Double.init), .NK_F64)
    let to = [Operand(m * n, .NK_F64), Operand(m * n, .NK_F64)]
    #expect(ProgramBuilder.run(p.build(), [from] + to).status == .NK_SUCCESS)
    #expect(to[0].values == (0..<m * n).map { from[$0 % m * n + $0 / m] })
    #expect(to[1].values == (0..<m * n).map { Double($0 / n * n) })
  }

  // MARK: Regions, groups, threads

  /// sum over lanes of x^T (x w), by blocks, in groups: the same bits with 1 and 2 threads, and the right number.
  static func sums(
    d: Int = 5, lanes: Int, block: Int64, groups: Int, threads: Int, dtype: nk_dtype = .NK_F64
  ) -> (matrix: [Double], row: [Double]) {
    let p = ProgramBuilder(dtype)
    p.blockLanes = block
    let x = p.argument(d, lanes: true), w = p.argument(d * d), matrix = p.argument(d * d), row = p.argument(d)
    let packed = p.packed(k: d, n: d)
    p.pack(w, to: packed, .NK_PACK_MATRIX, k: d, n: d)
    p.region(.NK_REGION_SERIAL)
    let u = p.scratch(d), first = p.accumulator(d * d), second = p.accumulator(d)
    p.matmul(x, packed, to: u, rows: 1, k: d, n: d)
    p.emit(.NK_OP_MATMUL_OUTER, [x, u], [first]) {
      $0.u.matmul.rows_per_lane = 1
      $0.u.matmul.k = Int64(d)
      $0.u.matmul.n = Int64(d)
    }
    p.reduceLanes(u, to: second, count: 1, inner: d, scale: 2)
    p.region(.NK_REGION_LANES, lanes: lanes, groups: groups, pieces: [(first, matrix), (second, row)])
    var random = SeededGenerator(state: 5)
    let input = Operand(random: lanes * d, dtype, using: &random)
    let weights = Operand(random: d * d, dtype, using: &random)
    let outputs = [Operand(d * d, dtype), Operand(d, dtype)]
    let status = ProgramBuilder.run(p.build(), [input, weights] + outputs, threads: threads).status
    #expect(status == .NK_SUCCESS)
    var expected = [Double](repeating: 0, count: d * d), sum = [Double](repeating: 0, count: d)
    for lane in 0..<lanes {
      for j in 0..<d {
        let u = (0..<d).reduce(0.0) { $0 + input[lane * d + $1] * weights[$1 * d + j] }
        sum[j] += 2 * u
        for i in 0..<d { expected[i * d + j] += input[lane * d + i] * u }
      }
    }
    let tolerance = (dtype == .NK_F64 ? 1e-14 : 1e-6) * Double(20 * d + lanes)
    #expect(largestDifference(outputs[0].values, expected) < tolerance)
    #expect(largestDifference(outputs[1].values, sum) < tolerance)
    return (outputs[0].values, outputs[1].values)
  }

  @Test(arguments: [1, 2, 7, 33], [1, 2, 3, 8]) func accumulators(lanes: Int, groups: Int) {
    for block in [Int64(1), 4, 40] {
      let blocks = (lanes + Int(block) - 1) / Int(block)
      let count = min(groups, blocks)
      let one = Self.sums(lanes: lanes, block: block, groups: count, threads: 1)
      for threads in [2, 3] {
        let many = Self.sums(lanes: lanes, block: block, groups: count, threads: threads)
        #expect(one.matrix == many.matrix && one.row == many.row)
      }
    }
  }

  /// Sums of 4,900 numbers are added and stored in many pieces, the last ones of which are not whole.
  @Test(arguments: [nk_dtype.NK_F32, .NK_F64], [1, 3, 5, 8]) func largeAccumulators(
    dtype: nk_dtype, groups: Int
  ) {
    let one = Self.sums(d: 70, lanes: 33, block: 4, groups: groups, threads: 1, dtype: dtype)
    for threads in [2, 3] {
      let many = Self.sums(d: 70, lanes: 33, block: 4, groups: groups, threads: threads, dtype: dtype)
      #expect(one.matrix == many.matrix && one.row == many.row)
    }
  }

  /// What is run once per block sees no lanes, and may still be added to an accumulator.
  @Test func oncePerBlock() {
    let p = ProgramBuilder()
    p.blockLanes = 2
    let x = p.argument(3, lanes: true), out = p.argument(3)
    let partial = p.scratch(3, lanes: false), total = p.accumulator(3)
    p.reduceLanes(x, to: partial, count: 1, inner: 3)
    p.emit(.NK_OP_REDUCE_LANES, [partial], [total]) {
      $0.once = 1
      $0.u.reduce.kind = .sum
      $0.u.reduce.outer = 1
      $0.u.reduce.count = 1
      $0.u.reduce.inner = 3
      $0.u.reduce.scale = 10
    }
    p.region(.NK_REGION_LANES, lanes: 7, pieces: [(total, out)])
    let input = Operand((0..<21).map(Double.init), .NK_F64), output = Operand(3, .NK_F64)
    #expect(ProgramBuilder.run(p.build(), [input, output]).status == .NK_SUCCESS)
    #expect(output.values == [630, 700, 770])
  }

  // MARK: Instructions

  static let shapes: [(batch: Int, m: Int, k: Int, n: Int)] = [(1, 1, 1, 1), (3, 2, 3, 2), (2, 17, 19, 23)]

  @Test(arguments: [nk_dtype.NK_F32, .NK_F64]) func batchedProducts(dtype: nk_dtype) {
    for (batch, m, k, n) in Self.shapes {
      for mode in 0..<16 {
        let (ta, tb, sharedB, lanesShared) = (mode & 1, mode >> 1 & 1, mode >> 2 & 1, mode >> 3 & 1)
        let lanes = 3, p = ProgramBuilder(dtype)
        p.blockLanes = 2
        let a = p.argument(batch * m * k, lanes: true)
        let b = p.argument(batch * k * n, lanes: lanesShared == 0), c = p.argument(batch * m * n, lanes: true)
        let bBatch = sharedB == 1 ? 0 : k * n, bLane = lanesShared == 1 ? 0 : batch * k * n
        p.emit(.NK_OP_MATMUL_BATCHED, [a, b], [c]) {
          $0.u.batched = nk_batched(
            batch: Int64(batch), m: Int64(m), k: Int64(k), n: Int64(n), transpose_a: Int32(ta),
            transpose_b: Int32(tb), a_lane: Int64(batch * m * k), a_batch: Int64(m * k), b_lane: Int64(bLane),
            b_batch: Int64(bBatch))
        }
        p.region(.NK_REGION_LANES, lanes: lanes)
        var random = SeededGenerator(state: UInt64(mode))
        let x = Operand(random: lanes * batch * m * k, dtype, using: &random)
        let y = Operand(random: lanes * batch * k * n, dtype, using: &random)
        let z = Operand(lanes * batch * m * n, dtype)
        #expect(ProgramBuilder.run(p.build(), [x, y, z]).status == .NK_SUCCESS)
        var worst = 0.0
        for lane in 0..<lanes {
          for i in 0..<batch {
            let left = (lane * batch + i) * m * k, right = lane * bLane + i * bBatch
            for r in 0..<m {
              for s in 0..<n {
                var sum = 0.0
                for q in 0..<k {
                  sum +=
                    x[left + (ta == 1 ? q * m + r : r * k + q)] * y[right + (tb == 1 ? s * k + q : q * n + s)]
                }
                worst = max(worst, abs(sum - z[((lane * batch + i) * m + r) * n + s]))
              }
            }
          }
        }
        #expect(worst < (dtype == .NK_F64 ? 1e-13 : 1e-5), "\(batch) \(m) \(k) \(n) mode \(mode)")
      }
    }
  }

  @Test func fillReduceConvertRandom() {
    let p = ProgramBuilder()
    p.blockLanes = 3
    let x = p.argument(6, lanes: true), filled = p.argument(2, lanes: true), sums = p.argument(2, lanes: true)
    let integers = p.argument(6, lanes: true, dtype: .NK_I32), back = p.argument(6, lanes: true)
    let key = p.argument(2, dtype: .NK_I32), uniform = p.argument(4, lanes: true)
    p.emit(.NK_OP_FILL, [], [filled]) {
      $0.u.fill.value = 2.5; $0.u.fill.count = 2
    }
    p.emit(.NK_OP_REDUCE, [x], [sums]) {
      $0.u.reduce.kind = .max
      $0.u.reduce.outer = 1
      $0.u.reduce.count = 3
      $0.u.reduce.inner = 2
      $0.u.reduce.scale = 1
    }
    p.emit(.NK_OP_CONVERT, [x], [integers]) { $0.u.convert.count = 6 }
    p.emit(.NK_OP_CONVERT, [integers], [back]) { $0.u.convert.count = 6 }
    p.emit(.NK_OP_RANDOM, [key], [uniform]) { $0.u.random.count = 4 }
    p.region(.NK_REGION_LANES, lanes: 4)
    let input = Operand((0..<24).map { Double($0 % 7) * 1.6 - 4 }, .NK_F64)
    let results = [8, 8, 24, 24].enumerated().map { Operand($1, $0 == 2 ? .NK_F32 : .NK_F64) }
    let keyMemory = Operand([1, 2], .NK_F32), drawn = Operand(16, .NK_F64)
    let status = ProgramBuilder.run(p.build(), [input] + results + [keyMemory, drawn]).status
    #expect(status == .NK_SUCCESS)
    #expect(results[0].values.allSatisfy { $0 == 2.5 })
    let maxima = (0..<8).map { i in (0..<3).map { input[i / 2 * 6 + $0 * 2 + i % 2] }.max()! }
    #expect(results[1].values == maxima)
    #expect(results[3].values == input.values.map { $0.rounded(.towardZero) })
    // The stream does not see blocks.
    var whole = [Double](repeating: 0, count: 16)
    nk_random_uniform(.NK_F64, keyMemory.raw.assumingMemoryBound(to: UInt32.self), 0, &whole, 16)
    #expect(drawn.values == whole)
  }

  @Test func gatherAndScatter() {
    for (index, expected) in [([2, 0, 2, 1], nk_status.NK_SUCCESS), ([0, 3, 1, 1], .NK_INDEX_OUT_OF_RANGE)] {
      let p = ProgramBuilder()
      p.blockLanes = 3
      let table = p.argument(6), indices = p.argument(1, lanes: true, dtype: .NK_I32)
      let rows = p.argument(2, lanes: true), sums = p.argument(6), total = p.accumulator(6)
      func configure(_ instruction: inout nk_instr) {
        instruction.u.gather.rows_per_lane = 1
        instruction.u.gather.width = 2
        instruction.u.gather.entries = 3
      }
      p.emit(.NK_OP_GATHER, [table, indices], [rows], configure)
      p.emit(.NK_OP_SCATTER_ADD, [rows, indices], [total], configure)
      p.region(.NK_REGION_LANES, lanes: 4, pieces: [(total, sums)])
      let numbers = Operand(4, .NK_F32)
      for (i, value) in index.enumerated() {
        numbers.raw.storeBytes(of: Int32(value), toByteOffset: 4 * i, as: Int32.self)
      }
      let gathered = Operand(8, .NK_F64), scattered = Operand(6, .NK_F64)
      let (status, diagnosis) = ProgramBuilder.run(
        p.build(), [Operand([1, 2, 3, 4, 5, 6], .NK_F64), numbers, gathered, scattered])
      #expect(status == expected && diagnosis.status == expected)
      if expected != .NK_SUCCESS {
        #expect(
          diagnosis.position == 1 && diagnosis.index == 3 && diagnosis.entries == 3 && diagnosis.instr == 0)
      } else {
        #expect(gathered.values == [5, 6, 1, 2, 5, 6, 3, 4])
        #expect(scattered.values == [1, 2, 3, 4, 10, 12])
      }
    }
  }
}
