/// Reads the small texts in the headers of files, byte by byte. What does not fit is a `FileError`.
struct TextScanner {
  private let bytes: ArraySlice<UInt8>
  private var position: Int
  private let place: String

  init(_ bytes: ArraySlice<UInt8>, place: String) {
    self.bytes = bytes
    self.place = place
    position = bytes.startIndex
  }

  var next: UInt8? { position < bytes.endIndex ? bytes[position] : nil }
  var isAtEnd: Bool { position == bytes.endIndex }

  func failure(expected: String) -> FileError {
    let rest = bytes[position...].prefix(16)
    let printable = rest.map { (0x20..<0x7f).contains($0) ? String(UnicodeScalar($0)) : "." }.joined()
    return FileError(
      .malformed, in: place, expected: expected,
      found: rest.isEmpty ? "its end" : "\"\(printable)\" at byte \(position - bytes.startIndex)")
  }

  mutating func skip(_ blanks: StaticString) {
    while let byte = next, blanks.withUTF8Buffer({ $0.contains(byte) }) { position += 1 }
  }

  /// Whether the text goes on with this; reads it if so.
  mutating func take(_ text: StaticString) -> Bool {
    let isNext = text.withUTF8Buffer { bytes[position...].starts(with: $0) }
    if isNext { position += text.utf8CodeUnitCount }
    return isNext
  }

  mutating func expect(_ text: StaticString) throws {
    guard take(text) else { throw failure(expected: text.description) }
  }

  mutating func byte(expected: String) throws -> UInt8 {
    guard let byte = next else { throw failure(expected: expected) }
    position += 1
    return byte
  }

  /// A count in decimal digits, without sign and leading zeros.
  mutating func count() throws -> Int {
    let start = position
    var value = 0
    while let byte = next, (0x30...0x39).contains(byte) {
      let (product, overflow) = value.multipliedReportingOverflow(by: 10)
      let (sum, carry) = product.addingReportingOverflow(Int(byte - 0x30))
      if overflow || carry {
        position = start
        throw failure(expected: "a count of at most \(Int.max)")
      }
      value = sum
      position += 1
    }
    let isCanonical = position == start + 1 || (position > start && bytes[start] != 0x30)
    if !isCanonical {
      position = start
      throw failure(expected: "a count")
    }
    return value
  }
}
