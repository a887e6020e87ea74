import Foundation
import NODECore
import RunnerSupport

/// Rows of numbers to learn the density of.
struct DensityTable {
  var name: String
  var columns: [String]
  /// Whether the first line names the columns; else they are called by their number.
  var hasNames = false
  /// Row-major.
  var numbers: [Double]
  var rows: Int { numbers.count / columns.count }
  /// Means and standard deviations of the columns over the rows to train on; none for a table that is not for training.
  private(set) var scaling: (means: [Double], deviations: [Double]) = ([], [])
  /// Sentences about columns with few different numbers.
  private(set) var warnings: [String] = []

  /// A file of numbers between commas (`CSV`), one row a line, at least two columns; a first line that has no number names them.
  /// Throws a sentence that names line and column.
  /// - Parameter isForTraining: there have to be enough rows, and no column of one number in those to train on.
  init(csv path: String, isForTraining: Bool = true) throws {
    let text: String
    do { text = try String(contentsOfFile: path, encoding: .utf8) } catch {
      throw RunnerError("\(path) cannot be read as text: \(reason(error, for: path))")
    }
    name = path
    columns = []
    numbers = []
    let csv: CSV
    do { csv = try CSV(text) } catch { throw RunnerError("\(path), \(error)") }
    for record in csv.records {
      let cells = record.cells
      if columns.isEmpty {
        hasNames = cells.allSatisfy { !$0.isEmpty && Double($0) == nil }
        columns = hasNames ? cells : Self.numbered(cells.count)
        if hasNames { continue }
      }
      guard cells.count == columns.count else {
        throw RunnerError(
          "\(path), line \(record.line): \(cells.count) cells, the first line has \(columns.count)")
      }
      for (cell, column) in zip(cells, columns) {
        guard let number = Double(cell), number.isFinite else {
          let what = cell.isEmpty ? "is empty" : "is \"\(cell.prefix(40))\", not a finite number"
          throw RunnerError("\(path), line \(record.line), \(column): the cell \(what)")
        }
        numbers.append(number)
      }
    }
    guard columns.count >= 2 else {
      throw RunnerError("\(path) has \(columns.count) column(s) of numbers, needs at least 2")
    }
    guard isForTraining else { return }
    guard rows >= 20 else { throw RunnerError("\(path) has \(rows) rows of numbers, needs at least 20") }
    let train = split().train
    for (index, column) in columns.enumerated() {
      let values = stride(from: index, to: train.count, by: columns.count).map { train[$0] }
      let different = Set(values).count
      guard different > 1 else {
        throw RunnerError(
          "\(path): \(column) is \(values[0]) in every row to train on; a constant has no density")
      }
      let (mean, deviation) = Self.moments(values)
      guard deviation.isNormal, (1 / deviation).isNormal else {
        throw RunnerError(
          "\(path): the numbers of \(column) are too large or too near to each other to be scaled")
      }
      scaling.means.append(mean)
      scaling.deviations.append(deviation)
      if different * 10 <= values.count {
        warnings.append(
          "\(column) of \(path) has \(different) different numbers in \(values.count) rows to train on; numbers that repeat have "
            + "no density, and the likelihood grows without a bound: add noise as wide as the steps between them"
        )
      }
    }
  }

  /// The names of columns without names.
  static func numbered(_ count: Int) -> [String] { (0..<count).map { "column \($0 + 1)" } }

  private static func moments(_ values: [Double]) -> (mean: Double, deviation: Double) {
    let mean = values.reduce(0, +) / Double(values.count)
    let squares = values.reduce(0.0) { sum, value in sum + (value - mean) * (value - mean) }
    return (mean, (squares / Double(values.count)).squareRoot())
  }

  /// Every tenth row is for testing.
  func split() -> (train: [Double], test: [Double]) {
    let width = columns.count
    var train: [Double] = [], test: [Double] = []
    for row in 0..<rows {
      let part = numbers[row * width..<(row + 1) * width]
      if row % 10 == 9 { test += part } else { train += part }
    }
    return (train, test)
  }
}
