/// The records of a text of comma-separated values (RFC 4180): cells may stand between quotes, and there hold commas, line
/// breaks and, doubled, quotes. Spaces around a cell are dropped, as are lines of nothing else.
struct CSV {
  struct Record: Equatable {
    /// Of its first character, from 1.
    var line: Int
    var cells: [String]
  }

  let records: [Record]

  /// Throws a sentence that names the line, without the file.
  init(_ text: String) throws {
    // A byte order mark is no part of the first name.
    var rest = Substring(text)
    if rest.first == "\u{FEFF}" { rest.removeFirst() }
    var records: [Record] = [], line = 1
    while !rest.isEmpty {
      var record = Record(line: line, cells: [])
      var ends = false
      while !ends { ends = try CSV.cell(&rest, &line, &record) }
      if record.cells != [""] { records.append(record) }
    }
    self.records = records
  }

  /// Takes one cell and what ends it; true where that is the end of a line.
  private static func cell(_ rest: inout Substring, _ line: inout Int, _ record: inout Record) throws -> Bool
  {
    func skipSpaces() { rest = rest.drop { $0 == " " || $0 == "\t" } }
    skipSpaces()
    var cell = ""
    if rest.first == "\"" {
      let start = line
      rest.removeFirst()
      while true {
        guard let next = rest.popFirst() else {
          throw RunnerError("line \(start): a quote is opened and not closed")
        }
        if next.isNewline { line += 1 }
        if next != "\"" {
          cell.append(next)
        } else if rest.first == "\"" {
          cell.append(rest.removeFirst())
        } else {
          break
        }
      }
      skipSpaces()
      if let next = rest.first, next != ",", !next.isNewline {
        throw RunnerError(
          "line \(line): \"\(next)\" after a closing quote, where a comma or the line's end belongs")
      }
    } else {
      let plain = rest.prefix { $0 != "," && !$0.isNewline }
      cell = String(plain)
      rest = rest[plain.endIndex...]
      while let last = cell.last, last.isWhitespace { cell.removeLast() }
    }
    record.cells.append(cell)
    guard let end = rest.popFirst() else { return true }
    if end.isNewline { line += 1 }
    return end != ","
  }

  /// A cell as it is written: between quotes where it holds what has a meaning of its own.
  static func quoted(_ cell: String) -> String {
    let isPlain =
      !cell.contains { $0 == "," || $0 == "\"" || $0.isNewline } && cell.first?.isWhitespace != true
      && cell.last?.isWhitespace != true
    return isPlain
      ? cell
      : "\"" + cell.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
  }
}
