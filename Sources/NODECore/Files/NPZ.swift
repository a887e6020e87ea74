/// Named arrays in one file as `numpy.savez` writes them: a zip archive with an .npy file for each array.
///
/// What numpy wrote with `savez` is read as it is; for `savez_compressed` the library, which links no zlib, needs `inflate`.
/// What is written is stored, not compressed.
public struct NPZ: NamedArrayFile, Sendable, Hashable {
  /// Undoes deflate (RFC 1951, raw, without a wrapper): the compressed bytes, and how many bytes they have to become.
  public typealias Inflate = (_ compressed: [UInt8], _ size: Int) throws -> [UInt8]

  /// In the order of the archive's directory; names without ".npy".
  public var arrays: [NamedArray]

  /// Names are checked when the file is made, by `encoded`.
  public init(arrays: [NamedArray]) { self.arrays = arrays }

  /// Reads a file.
  /// - Parameter inflate: for compressed entries. Must not make more than the given number of bytes.
  /// - Throws: `FileError`.
  public init(contentsOf path: String, inflate: Inflate? = nil) throws {
    self = try WholeFile.read(path) { try NPZ($0, inflate: inflate) }
  }

  /// Reads a file's bytes; parameters and errors as above.
  public init(_ file: [UInt8], inflate: Inflate? = nil) throws {
    arrays = []
    for entry in try ZipArchive(file).entries {
      let place = "npz: \(entry.name)"
      guard entry.name.hasSuffix(NPZ.suffix) else {
        throw FileError(.unsupported, in: "npz", expected: "entries *.npy", found: entry.name)
      }
      let content = try NPZ.content(of: entry, file[entry.data], inflate, place)
      let checksum = CRC32.checksum(content)
      guard checksum == entry.checksum else {
        throw FileError(
          .malformed, in: place, expected: "data with the CRC-32 \(hex(entry.checksum))", found: hex(checksum)
        )
      }
      let array = try NPY(content, place: place).array
      arrays.append(NamedArray(String(entry.name.dropLast(NPZ.suffix.count)), array))
    }
  }

  private static let suffix = ".npy"

  private static func content(
    of entry: ZipArchive.Entry, _ data: ArraySlice<UInt8>, _ inflate: Inflate?, _ place: String
  ) throws -> ArraySlice<UInt8> {
    switch entry.method {
    case 0:
      guard entry.size == data.count else {
        throw FileError(.malformed, in: place, expected: "\(entry.size) stored bytes", found: "\(data.count)")
      }
      return data
    case 8:
      guard let inflate else {
        throw FileError(
          .unsupported, in: place, expected: "stored data (numpy.savez), or a function `inflate`",
          found: "deflated data (numpy.savez_compressed)")
      }
      guard entry.size / ZipReader.largestRatio <= data.count else {
        throw FileError(
          .malformed, in: place, expected: "at most \(ZipReader.largestRatio) times its \(data.count) bytes",
          found: "\(entry.size)")
      }
      let content: [UInt8]
      do { content = try inflate(Array(data), entry.size) } catch {
        throw FileError(.malformed, in: place, expected: "deflated data", found: "\(error)")
      }
      guard content.count == entry.size else {
        throw FileError(.malformed, in: place, expected: "\(entry.size) bytes", found: "\(content.count)")
      }
      return content[...]
    default:
      throw FileError(
        .unsupported, in: place, expected: "stored or deflated data", found: "method \(entry.method)")
    }
  }

  /// Writes a file whole or not at all. Throws `FileError`.
  public func write(to path: String) throws { try WholeFile.write(encoded, to: path) }

  /// The file's bytes. Traps where names repeat, are empty, or are no relative paths.
  public var encoded: [UInt8] { encoded(zip64Above: ZipArchive.saturated32 - 1) }

  /// - Parameter limit: lengths and offsets above it are written in their long form.
  func encoded(zip64Above limit: UInt64) -> [UInt8] {
    let names = arrays.map { $0.name + NPZ.suffix }
    require(Set(names).count == names.count, "NPZ: names must differ, got \(names)")
    for name in names {
      require(
        name != NPZ.suffix && ZipReader.isSound(name), "NPZ: \(name.debugDescription) cannot be a name")
    }
    var writer = ZipWriter(zip64Above: limit)
    for (name, named) in zip(names, arrays) { writer.append(name, NPY(named.array).encoded) }
    return writer.finished
  }
}

private func hex(_ value: UInt32) -> String { "0x" + String(value, radix: 16) }
