/// Named arrays in one file, in the safetensors format (huggingface/safetensors, README, "Format"): the header's length as
/// 8 little-endian bytes, the header in JSON, the elements, little-endian, row-major, without gaps.
///
/// Read are F32, F64 and I32; F16 and BF16 as float32; BOOL and the other integers as int32 where each of them fits.
public struct Safetensors: NamedArrayFile, Sendable, Hashable {
  /// In the order of their elements in the file.
  public var arrays: [NamedArray]
  /// Texts of the header's `__metadata__`, which is left out where there are none.
  public var metadata: [String: String]

  /// Names are checked when the file is made, by `encoded`.
  public init(arrays: [NamedArray], metadata: [String: String] = [:]) {
    self.arrays = arrays
    self.metadata = metadata
  }

  /// Reads a file. Throws `FileError`.
  public init(contentsOf path: String) throws {
    self = try WholeFile.read(path) { try Safetensors($0) }
  }

  /// The reference implementation's limit.
  static let largestHeader = 100_000_000

  /// Reads a file's bytes. Every length and offset is checked: any bytes give either a value or a `FileError`.
  public init(_ file: [UInt8]) throws {
    func malformed(_ place: String, expected: String, found: String) -> FileError {
      FileError(.malformed, in: "safetensors: \(place)", expected: expected, found: found)
    }
    guard file.count >= 8 else {
      throw malformed("length of the header", expected: "8 bytes", found: "\(file.count)")
    }
    let claimed = file[..<8].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    let available = min(file.count - 8, Safetensors.largestHeader)
    guard claimed <= UInt64(available) else {
      throw malformed("header", expected: "at most \(available) bytes", found: "a claim of \(claimed)")
    }
    let start = 8 + Int(claimed), size = file.count - start
    let header = try SafetensorsHeader(file[8..<start])
    arrays = []
    var position = 0
    // In the order of the elements; empty ones in the order of the header.
    let order = header.entries.indices.sorted { a, b in
      let (a1, b1) = (header.entries[a], header.entries[b])
      return (a1.begin, a1.end, a) < (b1.begin, b1.end, b)
    }
    for entry in order.map({ header.entries[$0] }) {
      let place = "tensor \(entry.name)"
      guard let type = ElementType.allCases.first(where: { $0.safetensorsName == entry.type }) else {
        let names = ElementType.allCases.map(\.safetensorsName).joined(separator: ", ")
        throw FileError(
          .unsupported, in: "safetensors: \(place)", expected: "one of \(names)", found: entry.type)
      }
      guard entry.shape.count <= Shape.maximumRank, Shape.isCountable(entry.shape) else {
        throw FileError(
          .unsupported, in: "safetensors: \(place)",
          expected: "at most \(Shape.maximumRank) axes and 2^60 elements", found: "the shape \(entry.shape)")
      }
      let needed = entry.shape.reduce(type.byteCount, *)
      guard entry.begin == position, entry.end >= entry.begin, entry.end <= size,
        entry.end - entry.begin == needed
      else {
        throw malformed(
          place, expected: "\(needed) bytes for the shape \(entry.shape) from \(position) on, of \(size)",
          found: "bytes \(entry.begin)..<\(entry.end)")
      }
      position = entry.end
      let bytes = try type.widened(
        file[(start + entry.begin)..<(start + entry.end)], isBigEndian: false, place: "safetensors: \(place)")
      arrays.append(
        NamedArray(entry.name, StoredArray(dtype: type.dtype, shape: Shape(entry.shape), bytes: bytes)))
    }
    guard position == size else {
      throw malformed("data", expected: "\(position) bytes, those of the tensors", found: "\(size)")
    }
    metadata = header.metadata
  }

  /// Writes a file whole or not at all. Throws `FileError`.
  public func write(to path: String) throws { try WholeFile.write(encoded, to: path) }

  /// The file's bytes. Traps where names repeat or one is `__metadata__`.
  public var encoded: [UInt8] {
    require(
      Set(arrays.map(\.name)).count == arrays.count && self[SafetensorsHeader.metadataKey] == nil,
      "Safetensors: names must differ, and \(SafetensorsHeader.metadataKey) is taken")
    var header = SafetensorsHeader(entries: [], metadata: metadata)
    var size = 0
    for named in arrays {
      let array = named.array
      header.entries.append(
        .init(
          name: named.name, type: ElementType(array.dtype).safetensorsName, shape: array.shape.dimensions,
          begin: size,
          end: size + array.bytes.count))
      size += array.bytes.count
    }
    let json = header.encoded
    var file = (0..<8).map { UInt8(truncatingIfNeeded: json.count >> (8 * $0)) } + json
    file.reserveCapacity(file.count + size)
    for named in arrays { file += named.array.bytes }
    return file
  }
}
