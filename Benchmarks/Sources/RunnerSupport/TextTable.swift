/// A table for terminals and for Markdown; the first column is text, the others are aligned right.
public struct TextTable {
  public var header: [String]
  public var rows: [[String]] = []

  public init(_ header: [String]) { self.header = header }

  public mutating func add(_ row: [String]) {
    precondition(row.count == header.count, "TextTable: \(row.count) cells under \(header.count) columns")
    rows.append(row)
  }

  private var widths: [Int] {
    header.indices.map { column in ([header] + rows).map { $0[column].count }.max() ?? 0 }
  }

  private func line(_ cells: [String], _ widths: [Int]) -> [String] {
    cells.enumerated().map { column, cell in
      let padding = String(repeating: " ", count: widths[column] - cell.count)
      return column == 0 ? cell + padding : padding + cell
    }
  }

  public var terminal: String {
    let widths = widths
    let rule = widths.map { String(repeating: "-", count: $0) }.joined(separator: "  ")
    let text = ([header] + rows).map { line($0, widths).joined(separator: "  ") }
    return ([text[0], rule] + text.dropFirst()).joined(separator: "\n")
  }

  public var markdown: String {
    let widths = widths.map { max($0, 3) }
    let rule = widths.enumerated().map { column, width in
      column == 0 ? String(repeating: "-", count: width) : String(repeating: "-", count: width - 1) + ":"
    }
    let lines = [line(header, widths), rule] + rows.map { line($0, widths) }
    return lines.map { "| " + $0.joined(separator: " | ") + " |" }.joined(separator: "\n")
  }
}
