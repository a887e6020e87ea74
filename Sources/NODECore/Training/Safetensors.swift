import Foundation

/// Why bytes are not a safetensors file that can be read here.
public enum SafetensorsError: Error, Equatable, CustomStringConvertible {
  case tooShort(bytes: Int)
  case headerTooLong(claimed: UInt64, available: Int)
  case badHeader(String)
  case unsupportedType(tensor: String, type: String)
  case badShape(tensor: String, [Int])
  case badOffsets(tensor: String, begin: Int, end: Int, expected: String)
  case unusedBytes(Int)

  public var description: String {
    switch self {
    case .tooShort(let bytes): "not a safetensors file: \(bytes) bytes are too few"
    case .headerTooLong(let claimed, let available):
      "the safetensors file is truncated or damaged: its header claims \(claimed) bytes of \(available)"
    case .badHeader(let why): "the safetensors header is damaged: \(why)"
    case .unsupportedType(let tensor, let type):
      "tensor \(tensor) has elements of type \(type); F32, F64 and I32 are read"
    case .badShape(let tensor, let shape): "tensor \(tensor) claims the impossible shape \(shape)"
    case .badOffsets(let tensor, let begin, let end, let expected):
      "tensor \(tensor) claims bytes \(begin)..<\(end) where \(expected)"
    case .unusedBytes(let count): "the safetensors file has \(count) bytes that belong to no tensor"
    }
  }
}

/// Named arrays in one file, in the safetensors format (huggingface/safetensors, README, "Format"): the
/// header's length as 8 little-endian bytes, the header in JSON, the elements, little-endian, without gaps.
public struct Safetensors: Sendable, Equatable {
  public struct Item: Sendable, Equatable {
    public var name: String
    public var dtype: DType
    public var shape: Shape
    /// The elements, little-endian, row-major.
    public var bytes: [UInt8]

    public init(name: String, dtype: DType, shape: Shape, bytes: [UInt8]) {
      require(
        bytes.count == shape.count * dtype.byteCount,
        "Safetensors: \(bytes.count) bytes for \(name), \(dtype)\(shape)")
      self.name = name
      self.dtype = dtype
      self.shape = shape
      self.bytes = bytes
    }
  }

  /// In the order of the file.
  public var items: [Item]
  public var metadata: [String: String]

  public init(items: [Item], metadata: [String: String] = [:]) {
    self.items = items
    self.metadata = metadata
  }

  public subscript(name: String) -> Item? { items.first { $0.name == name } }

  private static let typeNames: [DType: String] = [.float32: "F32", .float64: "F64", .int32: "I32"]
  private static let metadataKey = "__metadata__"

  /// Reads a file's bytes. Every length and offset is checked: any bytes give either a value or an error.
  public init(_ file: [UInt8]) throws {
    guard file.count >= 8 else { throw SafetensorsError.tooShort(bytes: file.count) }
    let claimed = (0..<8).reduce(UInt64(0)) { $0 | UInt64(file[$1]) << UInt64(8 * $1) }
    guard claimed <= UInt64(file.count - 8) else {
      throw SafetensorsError.headerTooLong(claimed: claimed, available: file.count - 8)
    }
    let start = 8 + Int(claimed)
    let header: Header
    do { header = try JSONDecoder().decode(Header.self, from: Data(file[8..<start])) } catch {
      throw SafetensorsError.badHeader(explain(error))
    }
    let size = file.count - start
    var position = 0
    let sorted = header.entries.sorted { a, b in
      (a.value.begin, a.value.end, a.key) < (b.value.begin, b.value.end, b.key)
    }
    items = try sorted.map { name, entry in
      guard let dtype = Safetensors.typeNames.first(where: { $0.value == entry.dtype })?.key else {
        throw SafetensorsError.unsupportedType(tensor: name, type: entry.dtype)
      }
      guard entry.shape.count <= Shape.maximumRank, entry.shape.allSatisfy({ $0 >= 0 }),
        Shape.isCountable(entry.shape)
      else {
        throw SafetensorsError.badShape(tensor: name, entry.shape)
      }
      let bytes = entry.shape.reduce(dtype.byteCount, *)
      func bad(_ expected: String) -> SafetensorsError {
        .badOffsets(tensor: name, begin: entry.begin, end: entry.end, expected: expected)
      }
      guard entry.begin == position else { throw bad("the bytes from \(position) on are next") }
      guard entry.end >= entry.begin, entry.end <= size else { throw bad("the file has \(size)") }
      guard entry.end - entry.begin == bytes else { throw bad("its shape \(entry.shape) needs \(bytes)") }
      position = entry.end
      return Item(
        name: name, dtype: dtype, shape: Shape(entry.shape),
        bytes: Array(file[(start + entry.begin)..<(start + entry.end)]))
    }
    guard position == size else { throw SafetensorsError.unusedBytes(size - position) }
    metadata = header.metadata
  }

  /// The file's bytes.
  public var encoded: [UInt8] {
    require(
      Set(items.map(\.name)).count == items.count && self[Safetensors.metadataKey] == nil,
      "Safetensors: names must differ, and \(Safetensors.metadataKey) is taken")
    var header = Header(entries: [:], metadata: metadata)
    var position = 0
    for item in items {
      header.entries[item.name] = Entry(
        dtype: Safetensors.typeNames[item.dtype]!, shape: item.shape.dimensions, begin: position,
        end: position + item.bytes.count)
      position += item.bytes.count
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    // Strings, integers and arrays of them: there is nothing that JSON cannot hold.
    var json = [UInt8](try! encoder.encode(header))
    // Spaces up to a multiple of 8, so that elements are aligned in a mapped file.
    json += [UInt8](repeating: 0x20, count: (8 - json.count % 8) % 8)
    let length = (0..<8).map { UInt8(truncatingIfNeeded: json.count >> (8 * $0)) }
    return length + json + items.flatMap(\.bytes)
  }

  private struct Entry: Codable {
    var dtype: String
    var shape: [Int]
    var begin: Int, end: Int

    enum CodingKeys: String, CodingKey { case dtype, shape, offsets = "data_offsets" }

    init(dtype: String, shape: [Int], begin: Int, end: Int) {
      self.dtype = dtype
      self.shape = shape
      self.begin = begin
      self.end = end
    }

    init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: CodingKeys.self)
      dtype = try container.decode(String.self, forKey: .dtype)
      shape = try container.decode([Int].self, forKey: .shape)
      let offsets = try container.decode([Int].self, forKey: .offsets)
      guard offsets.count == 2, offsets[0] >= 0 else {
        throw DecodingError.dataCorruptedError(
          forKey: .offsets, in: container,
          debugDescription: "data_offsets must be two numbers, not \(offsets)")
      }
      (begin, end) = (offsets[0], offsets[1])
    }

    func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(dtype, forKey: .dtype)
      try container.encode(shape, forKey: .shape)
      try container.encode([begin, end], forKey: .offsets)
    }
  }

  private struct Header: Codable {
    var entries: [String: Entry]
    var metadata: [String: String]

    struct Name: CodingKey {
      var stringValue: String
      var intValue: Int? { nil }
      init(stringValue: String) { self.stringValue = stringValue }
      init?(intValue: Int) { nil }
    }

    init(entries: [String: Entry], metadata: [String: String]) {
      self.entries = entries
      self.metadata = metadata
    }

    init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: Name.self)
      entries = [:]
      metadata = [:]
      for name in container.allKeys {
        if name.stringValue == Safetensors.metadataKey {
          metadata = try container.decode([String: String].self, forKey: name)
        } else {
          entries[name.stringValue] = try container.decode(Entry.self, forKey: name)
        }
      }
    }

    func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: Name.self)
      if !metadata.isEmpty {
        try container.encode(metadata, forKey: Name(stringValue: Safetensors.metadataKey))
      }
      for (name, entry) in entries { try container.encode(entry, forKey: Name(stringValue: name)) }
    }
  }
}

private func explain(_ error: any Error) -> String {
  guard let error = error as? DecodingError else { return "\(error)" }
  return switch error {
  case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
    context.debugDescription
  case .keyNotFound(let key, _): "\(key.stringValue) is missing"
  @unknown default: "\(error)"
  }
}
