/// Makes a zip archive of stored entries, dated 1980-01-01 so that equal contents are equal files.
struct ZipWriter {
  private var file: [UInt8] = []
  private var directory: [UInt8] = []
  private var count: UInt64 = 0
  private let limit: UInt64

  /// - Parameter limit: lengths and offsets above it are written in their long form.
  init(zip64Above limit: UInt64) { self.limit = limit }

  mutating func append(_ name: String, _ content: [UInt8]) {
    let size = UInt64(content.count), offset = UInt64(file.count), name = Array(name.utf8)
    require(name.count <= UInt16.max, "NPZ: a name of \(name.count) bytes is longer than 65535")
    func extra(_ fields: [UInt64]) -> [UInt8] {
      // Sizes go together: a local header has to have both.
      let long = fields.filter { $0 > limit }.flatMap { bytes($0, 8) }
      return long.isEmpty ? [] : bytes(1, 2) + bytes(UInt64(long.count), 2) + long
    }
    let localExtra = extra([size, size]), centralExtra = extra([size, size, offset])
    let sizes = bytes(UInt64(CRC32.checksum(content[...])), 4) + short32(size) + short32(size)
    func common(_ extra: [UInt8]) -> [UInt8] {
      // Version 4.5 knows zip64; bit 11: names in UTF-8; method 0; time 0:00, 1980-01-01.
      bytes(extra.isEmpty ? 20 : 45, 2) + bytes(1 << 11, 2) + bytes(0, 2) + bytes(0, 2) + bytes(0x21, 2)
        + sizes
        + bytes(UInt64(name.count), 2) + bytes(UInt64(extra.count), 2)
    }
    file += [0x50, 0x4b, 3, 4] + common(localExtra) + name + localExtra
    file += content
    // Made by version 4.5 of the specification on a Unix, where 0600 is the permission of a file.
    directory += [0x50, 0x4b, 1, 2, 45, 3] + common(centralExtra) + bytes(0, 6)
    directory += bytes(0o100600 << 16, 4) + short32(offset) + name + centralExtra
    count += 1
  }

  /// The archive, with its directory.
  var finished: [UInt8] {
    let offset = UInt64(file.count), size = UInt64(directory.count)
    var end: [UInt8] = []
    if offset > limit || size > limit || count >= ZipArchive.saturated16 {
      end += [0x50, 0x4b, 6, 6] + bytes(44, 8) + bytes(45, 2) + bytes(45, 2) + bytes(0, 8)
      end += [count, count, size, offset].flatMap { bytes($0, 8) }
      end += [0x50, 0x4b, 6, 7] + bytes(0, 4) + bytes(offset + size, 8) + bytes(1, 4)
    }
    let shortCount = bytes(min(count, ZipArchive.saturated16), 2)
    end +=
      [0x50, 0x4b, 5, 6] + bytes(0, 4) + shortCount + shortCount + short32(size) + short32(offset)
      + bytes(0, 2)
    return file + directory + end
  }

  private func short32(_ value: UInt64) -> [UInt8] {
    bytes(value > limit ? ZipArchive.saturated32 : value, 4)
  }

  private func bytes(_ value: UInt64, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) }
  }
}
