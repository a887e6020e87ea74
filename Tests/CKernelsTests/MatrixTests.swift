import CKernels
import Foundation
import Testing

/// One instruction of linear algebra, run on random matrices.
struct MatrixRun {
  let dtype: nk_dtype
  var batch: Int, m: Int, n: Int, k = 3
  var lower = false, transposed = false, unit = false

  init(_ dtype: nk_dtype, batch: Int, n: Int, m: Int? = nil) {
    (self.dtype, self.batch, self.n, self.m) = (dtype, batch, n, m ?? n)
  }

  var epsilon: Double { dtype == .NK_F64 ? 0x1p-52 : 0x1p-23 }

  /// Every matrix of the batch is a lane. Elements of outputs are those of one matrix; nil: pivots.
  func callAsFunction(_ op: nk_opcode, _ inputs: [Operand], _ outputs: [Int?], threads: Int = 2) -> [Operand]
  {
    let p = ProgramBuilder(dtype)
    p.blockLanes = 2
    let arguments = inputs + outputs.map { Operand(batch * ($0 ?? n), $0 == nil ? .NK_I32 : dtype) }
    let ids = arguments.map { p.argument($0.count / batch, lanes: true, dtype: $0.dtype) }
    p.emit(op, Array(ids[..<inputs.count]), Array(ids[inputs.count...])) {
      $0.u.matrix = nk_matrix(
        matrices_per_lane: 1, m: Int64(m), n: Int64(n), k: Int64(k), lower: lower ? 1 : 0,
        transposed: transposed ? 1 : 0, unit: unit ? 1 : 0, shares_left: 0, shares_right: 0)
    }
    p.region(.NK_REGION_LANES, lanes: batch)
    #expect(ProgramBuilder.run(p.build(), arguments, threads: threads).status == .NK_SUCCESS)
    return Array(arguments[inputs.count...])
  }

  func random(_ columns: Int, rows: Int? = nil, seed: UInt64 = 5) -> Operand {
    var generator = SeededGenerator(state: seed &+ UInt64(n * 100 + columns))
    return Operand(random: batch * (rows ?? m) * columns, dtype, using: &generator)
  }

  /// Matrix `index` of an operand.
  func matrix(_ operand: Operand, _ index: Int, _ rows: Int, _ columns: Int) -> [[Double]] {
    (0..<rows).map { i in (0..<columns).map { operand[(index * rows + i) * columns + $0] } }
  }

  func pivots(_ operand: Operand, _ index: Int) -> [Int] {
    (0..<n).map { Int(operand.raw.load(fromByteOffset: 4 * (index * n + $0), as: Int32.self)) }
  }
}

private func * (a: [[Double]], b: [[Double]]) -> [[Double]] {
  a.map { row in (b.first ?? []).indices.map { j in row.indices.reduce(0) { $0 + row[$1] * b[$1][j] } } }
}

private func transpose(_ a: [[Double]]) -> [[Double]] { a[0].indices.map { j in a.map { $0[j] } } }

/// The largest sum of magnitudes in a row.
private func norm(_ a: [[Double]]) -> Double {
  a.map { $0.reduce(0) { $0 + abs($1) } }.reduce(0) { $1.isNaN || $1 > $0 ? $1 : $0 }
}

private func distance(_ a: [[Double]], _ b: [[Double]]) -> Double {
  norm(zip(a, b).map { zip($0, $1).map { $0 - $1 } })
}

private func identity(_ n: Int) -> [[Double]] { (0..<n).map { i in (0..<n).map { $0 == i ? 1 : 0 } } }

@Suite struct MatrixTests {
  static let cases: [MatrixRun] = [nk_dtype.NK_F32, .NK_F64].flatMap { dtype in
    (Array(1...10) + [17]).flatMap { n in [1, 3, 9].map { MatrixRun(dtype, batch: $0, n: n) } }
  }

  /// Both systems, to a backward error of a few ulp, and the factors themselves.
  private func checkSolves(_ run: MatrixRun, _ a: Operand) {
    var run = run
    let n = run.n, lu = run(.NK_OP_LU, [a], [n * n, nil]), b = run.random(run.k)
    for index in 0..<run.batch {
      let f = run.matrix(lu[0], index, n, n), pivots = run.pivots(lu[1], index)
      let l = f.enumerated().map { i, row in row.indices.map { $0 <= i ? row[$0] : 0 } }
      let u = f.enumerated().map { i, row in row.indices.map { $0 > i ? row[$0] : $0 == i ? 1 : 0 } }
      var permuted = run.matrix(a, index, n, n)
      for (k, pivot) in pivots.enumerated() {
        #expect(pivot >= k && pivot < n)
        for i in 0..<n { permuted[i].swapAt(k, pivot) }
      }
      #expect(distance(l * u, permuted) <= 4 * Double(n) * run.epsilon * norm(permuted), "\(n): factors")
      #expect(u.allSatisfy { $0.allSatisfy { abs($0) <= 1 } }, "\(n): pivots are the largest of their row")
    }
    for transposed in [false, true] {
      run.transposed = transposed
      let x = run(.NK_OP_LU_SOLVE, [lu[0], lu[1], b], [n * run.k])[0]
      for index in 0..<run.batch {
        var m = run.matrix(a, index, n, n)
        if transposed { m = transpose(m) }
        let solution = run.matrix(x, index, n, run.k), right = run.matrix(b, index, n, run.k)
        let bound = 8 * Double(n) * run.epsilon * (norm(m) * norm(solution) + norm(right))
        #expect(distance(m * solution, right) <= bound, "\(n), transposed \(transposed)")
      }
    }
  }

  @Test(arguments: cases) func luSolves(_ run: MatrixRun) { checkSolves(run, run.random(run.n)) }

  @Test(arguments: [nk_dtype.NK_F32, .NK_F64])
  func luSolvesIllConditionedSystems(_ dtype: nk_dtype) {
    for n in [3, 5, 8, 9, 12] {
      let run = MatrixRun(dtype, batch: 2, n: n)
      let hilbert = (0..<2 * n * n).map { 1 / Double($0 % (n * n) / n + $0 % n + 1) }
      checkSolves(run, Operand(hilbert, dtype))
    }
  }

  @Test(arguments: cases) func determinants(_ run: MatrixRun) {
    let n = run.n, a = run.random(n), lu = run(.NK_OP_LU, [a], [n * n, nil])
    let results = run(.NK_OP_LU_DETERMINANT, lu, [1, 1, 1])
    for index in 0..<run.batch {
      // Elimination with row exchanges, in Double.
      var m = run.matrix(a, index, n, n), expected = 1.0
      for k in 0..<n {
        let pivot = (k..<n).max { abs(m[$0][k]) < abs(m[$1][k]) }!
        if pivot != k {
          m.swapAt(k, pivot)
          expected = -expected
        }
        expected *= m[k][k]
        for i in k + 1..<max(n, k + 1) {
          let factor = m[i][k] / m[k][k]
          for j in k..<n { m[i][j] -= factor * m[k][j] }
        }
      }
      let tolerance = 2e3 * run.epsilon
      #expect(abs(results[0][index] - expected) <= tolerance * abs(expected), "\(n)")
      #expect(results[2][index] == (expected < 0 ? -1 : 1), "\(n)")
      let value = results[2][index] * exp(results[1][index])
      #expect(abs(value - expected) <= tolerance * abs(expected), "\(n): logarithm")
    }
  }

  @Test(arguments: cases) func choleskyFactors(_ run: MatrixRun) {
    let n = run.n, a = run.random(n)
    // Far from symmetric: the symmetric part counts. Diagonally dominant.
    for index in 0..<run.batch { for i in 0..<n { a[(index * n + i) * n + i] += Double(n) } }
    let l = run(.NK_OP_CHOLESKY, [a], [n * n])[0]
    for index in 0..<run.batch {
      let m = run.matrix(a, index, n, n), factor = run.matrix(l, index, n, n)
      let symmetric = (0..<n).map { i in (0..<n).map { (m[i][$0] + m[$0][i]) / 2 } }
      #expect(
        distance(factor * transpose(factor), symmetric) <= 4 * Double(n) * run.epsilon * norm(symmetric),
        "\(n)")
      for i in 0..<n { #expect(factor[i][i] > 0 && factor[i][(i + 1)...].allSatisfy { $0 == 0 }) }
    }
  }

  @Test(arguments: cases) func triangularSystems(_ run: MatrixRun) {
    let n = run.n, b = run.random(run.k), t = run.random(n)
    for index in 0..<run.batch { for i in 0..<n { t[(index * n + i) * n + i] += 2 } }
    for form in 0..<8 {
      var run = run
      (run.lower, run.transposed, run.unit) = (form & 1 != 0, form & 2 != 0, form & 4 != 0)
      let x = run(.NK_OP_TRIANGULAR_SOLVE, [t, b], [n * run.k])[0]
      for index in 0..<run.batch {
        var m = run.matrix(t, index, n, n)
        for i in 0..<n {
          for j in 0..<n where i != j && (i > j) != run.lower { m[i][j] = 0 }
          if run.unit { m[i][i] = 1 }
        }
        if run.transposed { m = transpose(m) }
        let solution = run.matrix(x, index, n, run.k), right = run.matrix(b, index, n, run.k)
        let bound = 2 * Double(n) * run.epsilon * (norm(m) * norm(solution) + norm(right))
        #expect(distance(m * solution, right) <= bound, "\(n), form \(form)")
      }
    }
  }

  @Test(arguments: cases) func qrFactors(_ run: MatrixRun) {
    for m in [run.n, run.n + 3, 40] {
      let n = run.n, run = MatrixRun(run.dtype, batch: run.batch, n: n, m: m)
      let a = run.random(n), factors = run(.NK_OP_QR, [a], [m * n, n * n])
      for index in 0..<run.batch {
        let q = run.matrix(factors[0], index, m, n), r = run.matrix(factors[1], index, n, n)
        let original = run.matrix(a, index, m, n), bound = 8 * Double(m) * run.epsilon
        #expect(distance(transpose(q) * q, identity(n)) <= bound, "\(m) x \(n)")
        #expect(distance(q * r, original) <= bound * norm(original), "\(m) x \(n)")
        for i in 0..<n { #expect(r[i][i] >= 0 && r[i][..<i].allSatisfy { $0 == 0 }) }
      }
    }
  }

  private func checkEigen(_ run: MatrixRun, _ a: Operand) {
    let n = run.n, results = run(.NK_OP_SYMMETRIC_EIGEN, [a], [n, n * n])
    for index in 0..<run.batch {
      let m = run.matrix(a, index, n, n)
      let symmetric = (0..<n).map { i in (0..<n).map { (m[i][$0] + m[$0][i]) / 2 } }
      let w = (0..<n).map { results[0][index * n + $0] }, v = run.matrix(results[1], index, n, n)
      let bound = 8 * Double(n) * run.epsilon
      #expect(zip(w, w.dropFirst()).allSatisfy { $0 <= $1 })
      #expect(distance(transpose(v) * v, identity(n)) <= bound, "\(n): orthogonality")
      let scaled = v.map { row in row.indices.map { row[$0] * w[$0] } }
      #expect(distance(symmetric * v, scaled) <= bound * max(norm(symmetric), 1e-30), "\(n)")
      for j in 0..<n { #expect(v.map { $0[j] }.max { abs($0) < abs($1) }! > 0) }
    }
  }

  @Test(arguments: cases) func symmetricEigenvalues(_ run: MatrixRun) {
    checkEigen(run, run.random(run.n))
    // Equal eigenvalues, of a rank-one change of the identity, and a matrix of zeros.
    let n = run.n
    checkEigen(run, Operand((0..<run.batch * n * n).map { $0 % (n * n) % (n + 1) == 0 ? 2 : 1 }, run.dtype))
    checkEigen(run, Operand(Array(repeating: 0, count: run.batch * n * n), run.dtype))
  }

  /// What is singular, indefinite or not a number fails by itself.
  @Test(arguments: [nk_dtype.NK_F32, .NK_F64], [1, 2, 4, 8, 9, 17])
  func failuresAreValues(_ dtype: nk_dtype, _ n: Int) {
    var run = MatrixRun(dtype, batch: 3, n: n)
    run.k = 1
    let good = run.random(n), b = run.random(1)
    for index in 0..<3 { for i in 0..<n { good[(index * n + i) * n + i] += Double(n) } }
    func spoiled(_ change: (Operand, Int) -> Void) -> Operand {
      let copy = good.copy
      change(copy, n * n)
      return copy
    }
    // A row of zeros, minus the identity, one NaN: in the matrix in the middle.
    let singular = spoiled { a, start in for j in 0..<n { a[start + (n - 1) * n + j] = 0 } }
    let negative = spoiled { a, start in for i in 0..<n { a[start + i * (n + 1)] *= -1 } }
    let invalid = spoiled { a, start in a[start + n * n - 1] = .nan }
    func compare(_ op: nk_opcode, _ a: Operand, _ outputs: [Int], _ isBad: (Double) -> Bool) {
      let expected = run(op, [good], outputs), found = run(op, [a], outputs)
      for (size, (e, f)) in zip(outputs, zip(expected, found)) {
        for i in 0..<3 * size {
          #expect(i / size == 1 ? isBad(f[i]) : f[i] == e[i], "\(String(cString: nk_opcode_name(op))) \(n)")
        }
      }
    }
    compare(.NK_OP_CHOLESKY, negative, [n * n]) { $0.isNaN }
    compare(.NK_OP_CHOLESKY, invalid, [n * n]) { $0.isNaN }
    compare(.NK_OP_SYMMETRIC_EIGEN, invalid, [n, n * n]) { $0.isNaN }
    func solved(_ a: Operand) -> (x: Operand, determinant: [Operand]) {
      let lu = run(.NK_OP_LU, [a], [n * n, nil])
      return (run(.NK_OP_LU_SOLVE, lu + [b], [n])[0], run(.NK_OP_LU_DETERMINANT, lu, [1, 1, 1]))
    }
    let expected = solved(good), found = solved(singular)
    for i in 0..<3 * n { #expect(i / n == 1 ? !found.x[i].isFinite : found.x[i] == expected.x[i], "\(n)") }
    #expect(found.determinant[0][1] == 0 && found.determinant[2][1] == 0)
    #expect(found.determinant[1][1] == -.infinity)
    #expect(solved(invalid).x.values[n..<2 * n].contains { !$0.isFinite })
    #expect(solved(invalid).determinant[0][1].isNaN)
  }

  @Test(arguments: [nk_dtype.NK_F32, .NK_F64], [2, 5, 8, 9, 17])
  func bitsDoNotDependOnBatchOrThreads(_ dtype: nk_dtype, _ n: Int) {
    let many = MatrixRun(dtype, batch: 9, n: n), a = many.random(n), b = many.random(3)
    let calls: [(nk_opcode, [Operand], [Int?])] = [
      (.NK_OP_LU, [a], [n * n, nil]), (.NK_OP_CHOLESKY, [a], [n * n]),
      (.NK_OP_TRIANGULAR_SOLVE, [a, b], [n * 3]), (.NK_OP_QR, [a], [n * n, n * n]),
      (.NK_OP_SYMMETRIC_EIGEN, [a], [n, n * n]),
      // Some BLAS kernels add in an order that depends on the address: matrices of odd n stand at others.
      (.NK_OP_LU_SOLVE, many(.NK_OP_LU, [a], [n * n, nil]) + [b], [n * 3]),
    ]
    func bytes(_ operand: Operand, _ from: Int, _ count: Int) -> [UInt8] {
      let size = Int(nk_dtype_bytes(operand.dtype))
      return (from * size..<(from + count) * size).map {
        operand.raw.load(fromByteOffset: $0, as: UInt8.self)
      }
    }
    for (op, inputs, outputs) in calls {
      let whole = many(op, inputs, outputs, threads: 2), again = many(op, inputs, outputs, threads: 1)
      for index in 0..<9 {
        let one = MatrixRun(dtype, batch: 1, n: n)
        let pieces = inputs.map { input in
          let count = input.count / 9, piece = Operand(count, input.dtype)
          withExtendedLifetime((input, piece)) {
            piece.raw.copyMemory(
              from: input.at(index * count), byteCount: count * Int(nk_dtype_bytes(input.dtype)))
          }
          return piece
        }
        let alone = one(op, pieces, outputs, threads: 1)
        for place in outputs.indices {
          let count = outputs[place] ?? n
          let expected = bytes(alone[place], 0, count)
          #expect(bytes(whole[place], index * count, count) == expected)
          #expect(bytes(again[place], index * count, count) == expected)
        }
      }
    }
  }
}
