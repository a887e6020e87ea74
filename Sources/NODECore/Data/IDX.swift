/// An array of unsigned bytes in the format of the MNIST files (LeCun, Cortes, Burges: "The MNIST database",
/// File formats): two zero bytes, the element type, the rank, big-endian 32-bit extents, the elements.
public struct IDXArray: Sendable, Equatable {
  /// Extents, outermost first.
  public let dimensions: [Int]
  /// Elements, row-major.
  public let elements: [UInt8]

  /// Reads a file's bytes.
  /// - Parameter decompressor: applied first where the bytes start like gzip (the library itself has no
  ///   inflate).
  /// - Throws: `FileError`.
  public init(_ file: [UInt8], decompressor: (([UInt8]) throws -> [UInt8])? = nil) throws {
    func failure(_ reason: FileError.Reason, _ place: String, expected: String, found: String) -> FileError {
      FileError(reason, in: "idx: \(place)", expected: expected, found: found)
    }
    var bytes = file
    if bytes.starts(with: [0x1f, 0x8b]) {
      guard let decompressor else {
        throw failure(.unsupported, "content", expected: "plain bytes, or a decompressor", found: "gzip")
      }
      do { bytes = try decompressor(bytes) } catch {
        throw failure(.malformed, "content", expected: "sound gzip data", found: "\(error)")
      }
    }
    guard bytes.count >= 4, bytes[0] == 0, bytes[1] == 0 else {
      throw failure(
        .malformed, "magic", expected: "two zero bytes, a type and a rank", found: "\(Array(bytes.prefix(4)))"
      )
    }
    guard bytes[2] == 8 else {
      throw failure(.unsupported, "type", expected: "unsigned bytes (8)", found: "\(bytes[2])")
    }
    let rank = Int(bytes[3])
    guard (1...8).contains(rank) else {
      throw failure(.unsupported, "rank", expected: "1 to 8", found: "\(rank)")
    }
    let header = 4 + 4 * rank
    guard bytes.count >= header else {
      throw failure(.malformed, "header", expected: "\(header) bytes", found: "\(bytes.count)")
    }
    let dimensions = (0..<rank).map { axis in
      bytes[(4 + 4 * axis)..<(8 + 4 * axis)].reduce(0) { $0 << 8 | Int($1) }
    }
    guard Shape.isCountable(dimensions) else {
      throw failure(.malformed, "extents", expected: "a countable product", found: "\(dimensions)")
    }
    let count = dimensions.reduce(1, *)
    guard bytes.count - header == count else {
      throw failure(
        .malformed, "data", expected: "\(count) bytes for the extents \(dimensions)",
        found: "\(bytes.count - header)")
    }
    self.dimensions = dimensions
    elements = Array(bytes[header...])
  }

  /// - Parameters:
  ///   - dimensions: 1 to 8 extents of 0 to 2^32 - 1, outermost first.
  ///   - elements: row-major, as many as the extents' product.
  public init(dimensions: [Int], elements: [UInt8]) {
    require(
      (1...8).contains(dimensions.count) && dimensions.allSatisfy { (0...Int(UInt32.max)).contains($0) },
      "IDXArray: files have 1 to 8 extents of 0 to 2^32 - 1, got \(dimensions)")
    require(
      dimensions.reduce(
        (1, false), { ($0.0 &* $1, $0.1 || $0.0.multipliedReportingOverflow(by: $1).overflow) })
        == (elements.count, false),
      "IDXArray: \(elements.count) elements for the extents \(dimensions)")
    self.dimensions = dimensions
    self.elements = elements
  }

  /// The file's bytes.
  public var encoded: [UInt8] {
    [0, 0, 8, UInt8(dimensions.count)]
      + dimensions.flatMap { extent in [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: extent >> $0) } }
      + elements
  }
}
