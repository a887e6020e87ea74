import Foundation
import RunnerSupport

/// One comparison that was made.
public struct Finding: Codable, Sendable, Equatable {
  public enum Verdict: String, Codable, Sendable { case equal, regression, improvement, skipped }

  public var name: String
  /// A counter's name, "time / yardstick" or "time, head / base".
  public var quantity: String
  public var before: Double?
  public var after: Double?
  public var verdict: Verdict
  public var note: String

  public init(
    _ name: String, _ quantity: String, before: Double?, after: Double?, _ verdict: Verdict, note: String = ""
  ) {
    self.name = name
    self.quantity = quantity
    self.before = before
    self.after = after
    self.verdict = verdict
    self.note = note
  }

  /// After over before, less one.
  public var change: Double? {
    guard let before, let after, before != 0 else { return nil }
    return after / before - 1
  }
}

/// What a whole check found.
public struct Findings: Codable, Sendable {
  public var machine: Machine
  /// What counters and ratios were compared with, in words; the base of the pairs.
  public var baseline: String
  public var base: String?
  public var findings: [Finding]

  public init(machine: Machine, baseline: String, base: String?, findings: [Finding]) {
    self.machine = machine
    self.baseline = baseline
    self.base = base
    self.findings = findings
  }

  public var regressions: [Finding] { findings.filter { $0.verdict == .regression } }
  public var improvements: [Finding] { findings.filter { $0.verdict == .improvement } }

  /// 0 equal, 2 regression, 4 only improvements.
  public var exitCode: Int32 { !regressions.isEmpty ? 2 : improvements.isEmpty ? 0 : 4 }
}

extension Findings {
  public var terminal: String { text { $0.terminal } }

  public var markdown: String {
    "# Performance check\n\n" + text { $0.markdown }
  }

  private func text(_ table: (TextTable) -> String) -> String {
    var parts = [
      machine.summary,
      "counters and ratios against \(baseline)"
        + (base.map { "; pairs against \($0)" } ?? "; no base commit, so no pairs"),
    ]
    for (title, list) in [
      ("Regressions", regressions), ("Improvements", improvements),
      ("Not compared", findings.filter { $0.verdict == .skipped }),
    ] where !list.isEmpty {
      var rows = TextTable(["case", "quantity", "before", "after", "change", "note"])
      for item in list {
        rows.add([
          item.name, item.quantity, number(item.before), number(item.after),
          item.change.map { String(format: "%+.1f %%", 100 * $0) } ?? "-",
          item.note.isEmpty ? "-" : item.note,
        ])
      }
      parts.append("\(title): \(list.count)\n\n" + table(rows))
    }
    let equal = findings.filter { $0.verdict == .equal }.count
    parts.append("\(findings.count) comparisons, \(equal) equal: " + summary)
    return parts.joined(separator: "\n\n")
  }

  private var summary: String {
    switch exitCode {
    case 2: "REGRESSION"
    case 4: "only improvements; `make perf-baseline` makes them the new baseline"
    default: "no change"
    }
  }

  private func number(_ x: Double?) -> String {
    guard let x else { return "-" }
    return x == x.rounded() ? String(Int(x)) : String(format: "%.4g", x)
  }
}
