/// Why bytes are not an IDX file of unsigned bytes.
public enum IDXError: Error, Equatable, CustomStringConvertible {
  case compressed
  case tooShort(bytes: Int)
  case badMagic([UInt8])
  case unsupportedType(UInt8)
  case badRank(Int)
  case wrongLength(expected: Int, found: Int, dimensions: [Int])
  case tooLarge(dimensions: [Int])

  public var description: String {
    switch self {
    case .compressed: "the IDX file is gzip-compressed and no decompressor was given"
    case .tooShort(let bytes): "the IDX file ends within its header (\(bytes) bytes)"
    case .badMagic(let bytes): "not an IDX file: it starts with \(bytes) where two zero bytes are expected"
    case .unsupportedType(let type):
      "the IDX file holds elements of type \(type); only unsigned bytes (8) are read"
    case .badRank(let rank): "the IDX file has rank \(rank); 1 to 8 can be read"
    case .wrongLength(let expected, let found, let dimensions):
      "the IDX file should hold \(expected) bytes of data for the extents \(dimensions) but holds \(found)"
    case .tooLarge(let dimensions): "the IDX file claims the impossible extents \(dimensions)"
    }
  }
}

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
  /// - Throws: `IDXError`, or what the decompressor throws.
  public init(_ file: [UInt8], decompressor: (([UInt8]) throws -> [UInt8])? = nil) throws {
    var bytes = file
    if bytes.starts(with: [0x1f, 0x8b]) {
      guard let decompressor else { throw IDXError.compressed }
      bytes = try decompressor(bytes)
    }
    guard bytes.count >= 4 else { throw IDXError.tooShort(bytes: bytes.count) }
    guard bytes[0] == 0, bytes[1] == 0 else { throw IDXError.badMagic(Array(bytes[0..<4])) }
    guard bytes[2] == 8 else { throw IDXError.unsupportedType(bytes[2]) }
    let rank = Int(bytes[3])
    guard (1...8).contains(rank) else { throw IDXError.badRank(rank) }
    let header = 4 + 4 * rank
    guard bytes.count >= header else { throw IDXError.tooShort(bytes: bytes.count) }
    let dimensions = (0..<rank).map { axis in
      bytes[(4 + 4 * axis)..<(8 + 4 * axis)].reduce(0) { $0 << 8 | Int($1) }
    }
    var count = 1
    for extent in dimensions {
      let (product, overflow) = count.multipliedReportingOverflow(by: extent)
      if overflow { throw IDXError.tooLarge(dimensions: dimensions) }
      count = product
    }
    guard bytes.count - header == count else {
      throw IDXError.wrongLength(expected: count, found: bytes.count - header, dimensions: dimensions)
    }
    self.dimensions = dimensions
    elements = Array(bytes[header...])
  }

  public init(dimensions: [Int], elements: [UInt8]) {
    require(
      dimensions.reduce(1, *) == elements.count,
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
