/// The JSON in front of a safetensors file, read strictly: names once each, nothing beside what the format knows.
struct SafetensorsHeader {
  struct Entry {
    var name: String
    var type: String
    var shape: [Int]
    var begin: Int
    var end: Int
  }

  var entries: [Entry]
  var metadata: [String: String]

  static let metadataKey = "__metadata__"

  init(entries: [Entry], metadata: [String: String]) {
    self.entries = entries
    self.metadata = metadata
  }

  // MARK: - Writing

  /// In the entries' order; spaces up to a multiple of 8, so that elements are aligned in a mapped file.
  var encoded: [UInt8] {
    var parts: [String] = []
    if !metadata.isEmpty {
      let pairs = metadata.sorted { $0.key < $1.key }.map { "\(quoted($0.key)):\(quoted($0.value))" }
      parts.append("\(quoted(SafetensorsHeader.metadataKey)):{\(pairs.joined(separator: ","))}")
    }
    for entry in entries {
      let shape = entry.shape.map(String.init).joined(separator: ",")
      parts.append(
        "\(quoted(entry.name)):{\"dtype\":\(quoted(entry.type)),\"shape\":[\(shape)],"
          + "\"data_offsets\":[\(entry.begin),\(entry.end)]}")
    }
    let json = Array("{\(parts.joined(separator: ","))}".utf8)
    return json + [UInt8](repeating: 0x20, count: (8 - json.count % 8) % 8)
  }

  private func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"", "\\": result += "\\\(scalar)"
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }

  // MARK: - Reading

  /// Throws `FileError`.
  init(_ json: ArraySlice<UInt8>) throws {
    var scanner = TextScanner(json, place: "safetensors: header")
    // The format wants no blanks in front, and spaces only behind.
    guard scanner.next == 0x7b else { throw scanner.failure(expected: "{") }
    var entries: [Entry] = []
    var metadata: [String: String]?
    var names: Set<String> = []
    try scanner.object { name, scanner in
      if name == SafetensorsHeader.metadataKey, metadata == nil {
        var texts: [String: String] = [:]
        try scanner.object { key, scanner in
          guard texts.updateValue(try scanner.jsonString(), forKey: key) == nil else {
            throw scanner.failure(expected: "each key once, not \(key) again")
          }
        }
        metadata = texts
      } else {
        guard names.insert(name).inserted, name != SafetensorsHeader.metadataKey else {
          throw scanner.failure(expected: "each name once, not \(name) again")
        }
        entries.append(try SafetensorsHeader.entry(name, &scanner))
      }
    }
    scanner.skip(" ")
    guard scanner.isAtEnd else { throw scanner.failure(expected: "nothing but spaces behind the header") }
    self.init(entries: entries, metadata: metadata ?? [:])
  }

  private static func entry(_ name: String, _ scanner: inout TextScanner) throws -> Entry {
    var type: String?
    var shape: [Int]?
    var offsets: [Int]?
    try scanner.object { key, scanner in
      switch key {
      case "dtype" where type == nil: type = try scanner.jsonString()
      case "shape" where shape == nil: shape = try scanner.jsonCounts()
      case "data_offsets" where offsets == nil:
        let pair = try scanner.jsonCounts()
        guard pair.count == 2 else { throw scanner.failure(expected: "two data_offsets, not \(pair.count)") }
        offsets = pair
      default: throw scanner.failure(expected: "dtype, shape and data_offsets once each, not \(key)")
      }
    }
    guard let type, let shape, let offsets else {
      throw scanner.failure(expected: "dtype, shape and data_offsets of \(name)")
    }
    return Entry(name: name, type: type, shape: shape, begin: offsets[0], end: offsets[1])
  }
}

/// As much of JSON (RFC 8259) as the header has.
extension TextScanner {
  private static let blanks: StaticString = " \t\n\r"

  fileprivate mutating func object(_ member: (String, inout TextScanner) throws -> Void) throws {
    try expect("{")
    skip(TextScanner.blanks)
    if take("}") { return }
    while true {
      let key = try jsonString()
      skip(TextScanner.blanks)
      try expect(":")
      skip(TextScanner.blanks)
      try member(key, &self)
      skip(TextScanner.blanks)
      if take("}") { return }
      try expect(",")
      skip(TextScanner.blanks)
    }
  }

  fileprivate mutating func jsonCounts() throws -> [Int] {
    try expect("[")
    skip(TextScanner.blanks)
    if take("]") { return [] }
    var counts: [Int] = []
    while true {
      counts.append(try count())
      skip(TextScanner.blanks)
      if take("]") { return counts }
      try expect(",")
      skip(TextScanner.blanks)
    }
  }

  fileprivate mutating func jsonString() throws -> String {
    try expect("\"")
    var text: [UInt8] = []
    while !take("\"") {
      guard let next, next >= 0x20 else { throw failure(expected: "a string without control characters") }
      if take("\\") {
        text += try escaped()
      } else {
        text.append(try byte(expected: "a string"))
      }
    }
    guard let string = String(validating: text, as: UTF8.self) else {
      throw failure(expected: "UTF-8 before this")
    }
    return string
  }

  /// What follows a backslash.
  private mutating func escaped() throws -> [UInt8] {
    let escapes: [UInt8: UInt8] = [
      0x22: 0x22, 0x5c: 0x5c, 0x2f: 0x2f, 0x62: 8, 0x66: 12, 0x6e: 10, 0x72: 13, 0x74: 9,
    ]
    let kind = try byte(expected: "an escape")
    if let plain = escapes[kind] { return [plain] }
    guard kind == 0x75 else { throw failure(expected: "a known escape before this") }
    var units = [try hexadecimal()]
    if 0xd800..<0xdc00 ~= units[0] {
      try expect("\\u")
      units.append(try hexadecimal())
    }
    guard let string = String(validating: units, as: UTF16.self) else {
      throw failure(expected: "a pair of surrogates before this")
    }
    return Array(string.utf8)
  }

  private mutating func hexadecimal() throws -> UInt16 {
    var value: UInt16 = 0
    for _ in 0..<4 {
      let digit = try byte(expected: "four hexadecimal digits")
      guard digit < 0x80, let number = Character(UnicodeScalar(digit)).hexDigitValue else {
        throw failure(expected: "four hexadecimal digits before this")
      }
      value = value << 4 | UInt16(number)
    }
    return value
  }
}
