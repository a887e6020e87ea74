import Foundation
import RunnerSupport

/// One figure of an experiment over seeds, beside the published one.
struct SeedFigure: Codable {
  var task: String, model: String, figure: String
  /// One value a seed; infinite or NaN where that run diverged.
  var values: [Double]
  /// The authors' own figure, and where it stands.
  var published: Double?
  var source: String?

  /// A diverged run counts as the worst one.
  private var ordered: [Double] { values.map { $0.isNaN ? .infinity : $0 }.sorted() }
  var median: Double { RunnerSupport.median(ordered) }
  var range: ClosedRange<Double> { ordered.first!...ordered.last! }
}

/// The figures of one experiment: a table on the terminal, and <name>.json and <name>.md in a folder.
struct SeedReport: Codable {
  var command: String
  var seconds: Double
  var figures: [SeedFigure] = []
  /// Set where the user ended it: rows are missing, or have fewer seeds.
  var isInterrupted: Bool?
  /// Equations that were recovered, by run, where the experiment is about such.
  var formulas: [String: [String]]?

  init() {
    command = Self.commandLine
    seconds = 0
  }

  /// What was typed, without folders and files: they are of one machine.
  static var commandLine: String {
    var words = ["nde-bench"], isPath = false
    for word in CommandLine.arguments.dropFirst() {
      defer {
        isPath = ["--out", "--real-pendulum", "--lotka-volterra-data", "--hudson-data"].contains(word)
      }
      if word.hasPrefix("--out=") || isPath { continue }
      if word != "--out" { words.append(word) }
    }
    return words.joined(separator: " ")
  }

  var table: TextTable {
    var table = TextTable(["task", "model", "figure", "median", "range", "published"])
    for figure in figures where !figure.values.isEmpty {
      table.add([
        figure.task, figure.model, figure.figure, Self.text(figure.median),
        "\(Self.text(figure.range.lowerBound)) to \(Self.text(figure.range.upperBound))",
        figure.published.map(Self.text) ?? "",
      ])
    }
    return table
  }

  func write(to folder: String, name: String) throws {
    var copy = self
    if Interrupt.isRequested { copy.isInterrupted = true }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    try makeFolder(folder)
    try writeAtomically(
      String(decoding: try encoder.encode(copy), as: UTF8.self) + "\n", to: "\(folder)/\(name).json")
    let note =
      copy.isInterrupted == true ? "\nInterrupted: rows are missing, or have fewer seeds than others.\n" : ""
    try writeAtomically(table.markdown + "\n" + note, to: "\(folder)/\(name).md")
  }

  /// Three significant digits.
  static func text(_ value: Double) -> String {
    guard value.isFinite else { return value.isNaN ? "nan" : "diverged" }
    return String(format: value != 0 && (abs(value) < 1e-2 || abs(value) >= 1e4) ? "%.2e" : "%.3g", value)
  }
}
