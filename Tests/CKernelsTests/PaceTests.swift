import CKernels
import Foundation
import Testing

/// The step sizes of rows that march together, against the rule written down for one row.
@Suite struct PaceTests {
  /// One row's numbers and the rule as one reads it in Hairer, Norsett, Wanner I, II.4 and in DOPRI5.
  private struct Row {
    var t = 0.0, t1 = 0.0, end = 1.0, save = Double.nan
    var h = 0.1, lastH = 0.0, planned = Double.nan
    var error = 0.0, lastError = 0.0, logBefore = 0.0
    var accepted = 0, rejected = 0, until = Int.max
    var afterRejection = false, nonFinite = false

    mutating func next(_ rule: nk_pace_rule) -> nk_status {
      if accepted + rejected >= rule.max_steps { return .NK_MAX_STEPS }
      if !planned.isNaN {
        t1 = planned
        lastH = t1 - t
        planned = .nan
        return .NK_SUCCESS
      }
      let left = abs(end - t), size = min(h, rule.max_step)
      let isLast = 1.01 * size >= left && left <= rule.max_step
      if isLast { t1 = end } else { t1 = end >= t ? t + size : t - size }
      let before = abs(lastH)
      lastH = t1 - t
      let isStuck = afterRejection && abs(lastH) >= before && before < 1e-13 * max(abs(t), abs(t1))
      let isTooShort = size < rule.min_step && (!isLast || afterRejection)
      guard lastH == 0 || isStuck || isTooShort || !(size > 0) else { return .NK_SUCCESS }
      return nonFinite ? .NK_NON_FINITE_FIELD : .NK_STEP_UNDERFLOW
    }

    mutating func judge(_ rule: nk_pace_rule, logarithm: Double, factor: Double) -> Int32 {
      let isAccepted = rule.adaptive != 0 ? error <= 1 : error.isFinite
      if !isAccepted { nonFinite = !error.isFinite }  // of the last rejected step
      if rule.adaptive != 0 {
        var factor = !error.isFinite ? rule.min_factor : min(max(factor, rule.min_factor), rule.max_factor)
        if !isAccepted { factor = min(factor, max(NK_LARGEST_RETRY, rule.min_factor)) }
        if afterRejection { factor = min(factor, 1) }
        h = abs(t1 - t) * factor
        afterRejection = !isAccepted
        if isAccepted { logBefore = max(logarithm / 2, -9.210340371976182) } else { lastError = error }
      }
      var events: Int32 = 0
      if isAccepted { accepted += 1 } else { rejected += 1 }
      if !isAccepted { events |= Int32(NK_PACE_REJECTED) }
      if isAccepted, end >= t ? save <= t1 : save >= t1 { events |= Int32(NK_PACE_SAVES) }
      if isAccepted ? t1 == end || accepted >= until : rule.adaptive == 0 {
        events |= Int32(NK_PACE_ENDS)
      }
      return events
    }
  }

  /// The same rows as arrays.
  private final class Rows {
    let count: Int
    private let memory: UnsafeMutablePointer<Double>
    var paces = nk_paces()

    init(_ rows: [Row]) {
      count = rows.count
      let arrays = NK_PACE_ARRAYS
      memory = .allocate(capacity: max(1, arrays * count))
      memory.initialize(repeating: 0, count: arrays * count)
      withUnsafeMutableBytes(of: &paces) { bytes in
        for i in 0..<arrays {
          bytes.storeBytes(
            of: UnsafeMutableRawPointer(memory + i * count), toByteOffset: i * MemoryLayout<Int>.size,
            as: UnsafeMutableRawPointer.self)
        }
      }
      for (r, row) in rows.enumerated() {
        (paces.t[r], paces.t1[r], paces.end[r], paces.save[r]) = (row.t, row.t1, row.end, row.save)
        (paces.h[r], paces.last_h[r], paces.planned[r]) = (row.h, row.lastH, row.planned)
        (paces.error[r], paces.last_error[r], paces.log_before[r]) = (row.error, row.lastError, row.logBefore)
        paces.accepted[r] = Int64(row.accepted)
        paces.rejected[r] = Int64(row.rejected)
        paces.until[r] = row.until == .max ? .max : Int64(row.until)
        paces.after_rejection[r] = row.afterRejection ? 1 : 0
        paces.non_finite[r] = row.nonFinite ? 1 : 0
      }
    }
    deinit { memory.deallocate() }

    subscript(r: Int) -> Row {
      Row(
        t: paces.t[r], t1: paces.t1[r], end: paces.end[r], save: paces.save[r], h: paces.h[r],
        lastH: paces.last_h[r], planned: paces.planned[r], error: paces.error[r],
        lastError: paces.last_error[r], logBefore: paces.log_before[r], accepted: Int(paces.accepted[r]),
        rejected: Int(paces.rejected[r]), until: Int(paces.until[r]),
        afterRejection: paces.after_rejection[r] != 0, nonFinite: paces.non_finite[r] != 0)
    }
  }

  private static let rule = nk_pace_rule(
    adaptive: 1, max_steps: 50, min_step: 1e-6, max_step: .infinity, min_factor: 0.2, max_factor: 10,
    safety: -0.105, gain: -0.1, gain_before: 0.04)

  /// Rows in every situation: both directions, near the end, exhausted, too short, stuck, planned, saves everywhere.
  private static func situations(using random: inout SeededGenerator) -> [Row] {
    var rows: [Row] = []
    for i in 0..<203 {
      var row = Row()
      row.end = i % 3 == 0 ? -1 : 1
      row.t = row.end * Double.random(in: 0..<0.999, using: &random)
      row.h = [0.1, 1e-9, 0, .nan, 5e-7, 2.0, abs(row.end - row.t) / 1.005][i % 7]
      row.lastH = [0, 1e-16, -0.2][i % 3]
      row.afterRejection = i % 4 == 1
      row.nonFinite = i % 8 == 1
      row.rejected = i % 5
      row.accepted = i % 11 == 10 ? 50 : i % 17
      row.until = i % 13 == 12 ? row.accepted + 1 : .max
      row.planned = i % 19 == 18 ? row.t + 0.01 * row.end : .nan
      row.save = [.nan, row.t + 0.01 * row.end, row.end, 2 * row.end][i % 4]
      row.logBefore = Double.random(in: -9..<0, using: &random)
      row.error = [0, 1e-12, 0.3, 1, 1.0.nextUp, 40, .infinity, .nan][i % 8]
      rows.append(row)
    }
    return rows
  }

  private func isSame(_ a: Double, _ b: Double) -> Bool { a == b || (a.isNaN && b.isNaN) }

  /// A rejected step is retried with a smaller one, whatever the gains and the error before.
  @Test(arguments: KernelCase.all.filter { $0.dtype == .NK_F64 }, [0.2, 0.95])
  func retriesAreSmaller(kernel: KernelCase, least: Double) throws {
    var rule = Self.rule
    (rule.min_factor, rule.safety, rule.gain, rule.gain_before) = (least, 0, -0.05, -0.1)
    let errors: [Double] = [1 + 0x1p-52, 1.01, 2, 1e6, .infinity, .nan]
    let rows = errors.map { Row(t1: 0.1, error: $0, logBefore: -9) }
    let found = Rows(rows)
    let judge = try #require(kernel.kernels.pace_judge)
    #expect(judge(&rule, &found.paces, rows.count) & Int32(NK_PACE_REJECTED) != 0)
    for r in rows.indices { #expect(found[r].h > 0 && found[r].h <= max(0.9, least) * 0.1 * 1.0000001) }
  }

  @Test(arguments: KernelCase.all.filter { $0.dtype == .NK_F64 }, [Double.infinity, 0.05])
  func rowsFollowTheRule(kernel: KernelCase, longest: Double) throws {
    var random = SeededGenerator(state: 5)
    var rule = Self.rule
    rule.max_step = longest
    for count in [0, 1, 2, 3, 4, 5, 7, 8, 9, 33, 203] {
      for adaptive in [1, 0] as [Int64] {
        rule.adaptive = adaptive
        var expected = Array(Self.situations(using: &random).shuffled(using: &random).prefix(count))
        let found = Rows(expected)
        var answer: Int32 = 0
        let next = try #require(kernel.kernels.pace_next), judge = try #require(kernel.kernels.pace_judge)
        if adaptive == 1 {
          let flags = next(&rule, &found.paces, count)
          for r in 0..<count {
            let before = expected[r]
            let status = expected[r].next(rule)
            #expect(found.paces.verdict[r] == Int64(status.rawValue), "row \(r): \(before)")
            #expect(isSame(found.paces.proposed[r], before.h))
            answer |= status == .NK_SUCCESS ? 0 : Int32(NK_PACE_FAILS)
            if status == .NK_SUCCESS {
              let row = found[r]
              #expect(row.t1 == expected[r].t1 && row.lastH == expected[r].lastH && row.planned.isNaN)
            }
            let isInside = before.end >= before.t ? before.save < found[r].t1 : before.save > found[r].t1
            answer |= isInside ? Int32(NK_PACE_INSIDE) : 0
          }
          #expect(flags == answer)
        } else {
          for r in 0..<count {
            expected[r].t1 = expected[r].t + 0.01 * expected[r].end
            found.paces.t1[r] = expected[r].t1
          }
        }
        for r in 0..<count { expected[r].t1 = found[r].t1 }
        let events = judge(&rule, &found.paces, count)
        var all: Int32 = 0
        for r in 0..<count {
          let logarithm = found.paces.logarithm[r], factor = found.paces.factor[r]
          if adaptive == 1, expected[r].error.isFinite, expected[r].error > 0 {
            #expect(abs(logarithm - log(expected[r].error)) <= 1e-13 * max(1, abs(logarithm)))
            let past = expected[r].error <= 1 ? rule.gain_before * expected[r].logBefore : 0
            let right = exp(rule.safety + rule.gain * logarithm + past)
            #expect(abs(factor - right) <= 1e-13 * right)
          }
          let here = expected[r].judge(rule, logarithm: logarithm, factor: factor)
          all |= here
          let row = found[r]
          #expect(found.paces.verdict[r] == Int64(here), "row \(r): \(expected[r])")
          #expect(isSame(row.h, expected[r].h) && isSame(row.lastError, expected[r].lastError))
          #expect(row.logBefore == expected[r].logBefore)
          #expect(row.accepted == expected[r].accepted && row.rejected == expected[r].rejected)
          #expect(row.afterRejection == expected[r].afterRejection && row.nonFinite == expected[r].nonFinite)
        }
        #expect(events == all)
        let advance = try #require(kernel.kernels.pace_advance)
        let times = (0..<count).map { (from: found.paces.t[$0], to: found.paces.t1[$0]) }
        advance(&found.paces, count)
        for r in 0..<count {
          let isRejected = found.paces.verdict[r] & Int64(NK_PACE_REJECTED) != 0
          #expect(isSame(found.paces.t[r], isRejected ? times[r].from : times[r].to))
        }
      }
    }
  }

  /// Times of stages and every element's step: exactly the end for c = 1.
  @Test(arguments: KernelCase.all, [1, 2, 3, 4, 5, 17] as [Int])
  func stageTimesAndSteps(kernel: KernelCase, dim: Int) {
    var random = SeededGenerator(state: 6)
    for rows in [0, 1, 2, 3, 5, 8, 31] {
      let from = (0..<rows).map { _ in Double.random(in: -1..<1, using: &random) }
      let to = from.map { $0 + Double.random(in: -0.1..<0.1, using: &random) }
      func rounded(_ x: Double) -> Double { kernel.dtype == .NK_F64 ? x : Double(Float(x)) }
      for c in [0, 0.3, 8.0 / 9, 1] {
        let t = Operand(rows, kernel.dtype)
        kernel.kernels.stage_times(t.raw, from, to, c, rows)
        #expect(
          t.guardIsIntact
            && t.values == (0..<rows).map { rounded(c == 1 ? to[$0] : from[$0] + c * (to[$0] - from[$0])) })
      }
      let h = Operand(rows * dim, kernel.dtype)
      kernel.kernels.spread_steps(h.raw, from, to, rows, dim)
      #expect(
        h.guardIsIntact
          && h.values == (0..<rows * dim).map { rounded(to[$0 / dim] - from[$0 / dim]) })
    }
  }

  @Test(arguments: KernelCase.all)
  func columnsComeOutAndGoIn(kernel: KernelCase) {
    var random = SeededGenerator(state: 7)
    for n in [0, 1, 2, 3, 4, 7, 8, 9, 31, 32, 33, 70] {
      for columns in 1...6 {
        let parts = (0..<columns).map { _ in Operand(random: n, kernel.dtype, using: &random) }
        let whole = Operand(n * columns, kernel.dtype)
        kernel.kernels.interleave(
          whole.raw, parts.map { UnsafeRawPointer?($0.raw) }, Int32(columns), n)
        #expect(whole.guardIsIntact)
        #expect(whole.values == (0..<n * columns).map { parts[$0 % columns][$0 / columns] })
        guard n > 0 else { continue }
        for j in 0..<columns {
          let part = Operand(n, kernel.dtype)
          kernel.kernels.pick(part.raw, whole.at(j), columns, n)
          #expect(part.guardIsIntact && part.values == parts[j].values)
        }
        withExtendedLifetime((whole, parts)) {}
      }
    }
  }
}
