/// The header of an .npy file: magic, version, length, and a Python dictionary of three entries.
struct NPYHeader {
  var type: ElementType
  var isBigEndian = false
  var isFortran: Bool
  var shape: [Int]

  private static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)

  /// Version 1.0, little-endian; the data start at a multiple of 64 bytes.
  var encoded: [UInt8] {
    let order = type.byteCount == 1 ? "|" : "<"
    let extents = shape.count == 1 ? "\(shape[0])," : shape.map(String.init).joined(separator: ", ")
    var text =
      "{'descr': '\(order)\(type.numpyCode!)', 'fortran_order': \(isFortran ? "True" : "False"), "
      + "'shape': (\(extents)), }"
    let unpadded = NPYHeader.magic.count + 4 + text.utf8.count + 1
    text += String(repeating: " ", count: (64 - unpadded % 64) % 64) + "\n"
    // At most 8 extents of at most 19 digits: two bytes hold the length.
    let length = text.utf8.count
    return NPYHeader.magic + [1, 0, UInt8(length & 0xff), UInt8(length >> 8)] + Array(text.utf8)
  }

  /// The header, and where the elements start.
  static func read(_ file: ArraySlice<UInt8>, place: String) throws -> (NPYHeader, dataStart: Int) {
    guard file.starts(with: magic), file.count >= 8 else {
      throw FileError(
        .malformed, in: place, expected: "the bytes \\x93NUMPY and a version",
        found: file.isEmpty ? "nothing" : "the bytes \(Array(file.prefix(8)))")
    }
    let major = file[file.startIndex + 6], minor = file[file.startIndex + 7]
    guard (1...3).contains(major), minor == 0 else {
      throw FileError(
        .unsupported, in: "\(place): version", expected: "1.0, 2.0 or 3.0", found: "\(major).\(minor)")
    }
    let lengthBytes = major == 1 ? 2 : 4
    let start = file.startIndex + 8 + lengthBytes
    guard start <= file.endIndex else {
      throw FileError(
        .malformed, in: "\(place): header", expected: "its length in \(lengthBytes) bytes",
        found: "\(file.count - 8) bytes")
    }
    let length = file[(file.startIndex + 8)..<start].reversed().reduce(0) { $0 << 8 | Int($1) }
    guard length <= file.endIndex - start else {
      throw FileError(
        .malformed, in: "\(place): header", expected: "\(length) bytes", found: "\(file.endIndex - start)")
    }
    let end = start + length
    return (try parse(file[start..<end], version: major, place: "\(place): header"), end)
  }

  private static func parse(_ text: ArraySlice<UInt8>, version: UInt8, place: String) throws -> NPYHeader {
    var scanner = TextScanner(text, place: place)
    var type: (element: ElementType, isBigEndian: Bool)?
    var isFortran: Bool?
    var shape: [Int]?
    scanner.skip(" \t\n")
    try scanner.expect("{")
    scanner.skip(" \t\n")
    while !scanner.take("}") {
      let key = try string(&scanner)
      scanner.skip(" \t\n")
      try scanner.expect(":")
      scanner.skip(" \t\n")
      switch key {
      case "descr" where type == nil: type = try elementType(&scanner, place)
      case "fortran_order" where isFortran == nil: isFortran = try truth(&scanner)
      case "shape" where shape == nil: shape = try extents(&scanner, allowsLongs: version < 3)
      default:
        throw FileError(
          .malformed, in: place, expected: "descr, fortran_order and shape, once each",
          found: "\(key) \(["descr", "fortran_order", "shape"].contains(key) ? "again" : "too")")
      }
      scanner.skip(" \t\n")
      if scanner.take("}") { break }
      try scanner.expect(",")
      scanner.skip(" \t\n")
    }
    scanner.skip(" \t\n")
    guard scanner.isAtEnd else { throw scanner.failure(expected: "nothing after the dictionary") }
    guard let type, let isFortran, let shape else {
      let missing = [
        type == nil ? "descr" : nil, isFortran == nil ? "fortran_order" : nil, shape == nil ? "shape" : nil,
      ]
      throw FileError(
        .malformed, in: place, expected: "descr, fortran_order and shape",
        found: "no \(missing.compactMap { $0 }.joined(separator: ", no "))")
    }
    guard shape.count <= Shape.maximumRank, Shape.isCountable(shape) else {
      throw FileError(
        .unsupported, in: place,
        expected: "at most \(Shape.maximumRank) axes and 2^60 elements", found: "the shape \(shape)")
    }
    return NPYHeader(type: type.element, isBigEndian: type.isBigEndian, isFortran: isFortran, shape: shape)
  }

  /// A Python string without escapes, in ASCII.
  private static func string(_ scanner: inout TextScanner) throws -> String {
    let isDouble = scanner.take("\"")
    if !isDouble { try scanner.expect("'") }
    let quote: UInt8 = isDouble ? 0x22 : 0x27
    var text = ""
    while true {
      guard let next = scanner.next, (0x20..<0x7f).contains(next), next != 0x5c else {
        throw scanner.failure(expected: "a plain string")
      }
      _ = try scanner.byte(expected: "a string")
      if next == quote { return text }
      text.unicodeScalars.append(UnicodeScalar(next))
    }
  }

  private static func truth(_ scanner: inout TextScanner) throws -> Bool {
    if scanner.take("True") { return true }
    if scanner.take("False") { return false }
    throw scanner.failure(expected: "True or False")
  }

  private static func elementType(_ scanner: inout TextScanner, _ place: String) throws -> (ElementType, Bool)
  {
    func unsupported(_ found: String) -> FileError {
      FileError(
        .unsupported, in: "\(place): descr",
        expected: "f2, f4, f8, b1, or integers i1 to i8 and u1 to u8, with their byte order", found: found)
    }
    if scanner.next == 0x5b { throw unsupported("records of several fields") }
    let text = try string(&scanner)
    if text.hasSuffix("O") { throw unsupported("\(text): Python objects, which are pickles and never read") }
    guard let type = ElementType.allCases.first(where: { $0.numpyCode == String(text.dropFirst()) }) else {
      throw unsupported(text)
    }
    switch text.first {
    case "<": return (type, false)
    case ">": return (type, true)
    case "|" where type.byteCount == 1: return (type, false)
    default: throw unsupported(text)
    }
  }

  /// A Python tuple of counts. Python 2 wrote an L after long ones.
  private static func extents(_ scanner: inout TextScanner, allowsLongs: Bool) throws -> [Int] {
    var result: [Int] = []
    try scanner.expect("(")
    scanner.skip(" \t\n")
    while !scanner.take(")") {
      result.append(try scanner.count())
      if allowsLongs { _ = scanner.take("L") }
      scanner.skip(" \t\n")
      if scanner.take(",") {
        scanner.skip(" \t\n")
        continue
      }
      // (3) is a number in Python, not a tuple.
      guard result.count > 1, scanner.next == 0x29 else { throw scanner.failure(expected: "a comma") }
    }
    return result
  }
}
