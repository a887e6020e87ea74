/// The entries of a zip archive (PKWARE APPNOTE 6.3), as far as files of arrays need it: one disk, no encryption; zip64 and
/// data descriptors are read. Every length and offset is checked against the file and against each other: entries that
/// overlap, hide or differ between their two headers are refused.
struct ZipArchive {
  struct Entry {
    var name: String
    /// 0: stored, 8: deflated.
    var method: UInt16
    var checksum: UInt32
    var size: Int
    /// The entry's bytes in the file, as they are stored there.
    var data: Range<Int>
  }

  let entries: [Entry]

  /// Field values that mean: look into the zip64 record.
  static let saturated16 = UInt64(UInt16.max), saturated32 = UInt64(UInt32.max)

  /// Throws `FileError`.
  init(_ file: [UInt8]) throws {
    let reader = ZipReader(file: file)
    let end = try reader.endRecord()
    var headers: [ZipReader.Header] = []
    var position = end.directory.lowerBound
    while position < end.directory.upperBound {
      let header = try reader.centralHeader(at: position, end: end.directory.upperBound)
      headers.append(header)
      position = header.end
    }
    guard headers.count == end.entries else {
      throw reader.malformed("end record", expected: "\(headers.count) entries", found: "\(end.entries)")
    }
    var occupied: [(Range<Int>, String)] = []
    var names: Set<String> = []
    var entries: [Entry] = []
    for header in headers {
      guard names.insert(header.name).inserted else {
        throw reader.malformed("directory", expected: "each name once", found: "\(header.name) again")
      }
      let place = try reader.localPlace(of: header, limit: end.directory.lowerBound)
      occupied.append((place.whole, header.name))
      entries.append(
        Entry(
          name: header.name, method: header.method, checksum: header.checksum, size: header.size,
          data: place.data))
    }
    occupied.sort { $0.0.lowerBound < $1.0.lowerBound }
    for (earlier, later) in zip(occupied, occupied.dropFirst())
    where later.0.lowerBound < earlier.0.upperBound {
      throw reader.malformed(
        "directory", expected: "entries that do not overlap", found: "\(earlier.1) and \(later.1)")
    }
    self.entries = entries
  }
}

/// Finds and checks the records of a zip archive.
struct ZipReader {
  let file: [UInt8]

  struct Header {
    var name: String
    var nameBytes: ArraySlice<UInt8>
    var flags: UInt16
    var method: UInt16
    var checksum: UInt32
    var compressedSize: Int
    var size: Int
    var offset: Int
    /// Where the next header starts.
    var end: Int
    var hasDescriptor: Bool { flags & 1 << 3 != 0 }
  }

  func malformed(_ place: String, expected: String, found: String) -> FileError {
    FileError(.malformed, in: "zip: \(place)", expected: expected, found: found)
  }

  func unsupported(_ place: String, expected: String, found: String) -> FileError {
    FileError(.unsupported, in: "zip: \(place)", expected: expected, found: found)
  }

  /// The little-endian number at `position`, zero-extended.
  private func number<T: FixedWidthInteger & UnsignedInteger>(
    _ type: T.Type, at position: Int, _ place: String
  ) throws -> T {
    let size = MemoryLayout<T>.size
    guard position >= 0, position <= file.count - size else {
      throw malformed(place, expected: "\(size) bytes at \(position)", found: "a file of \(file.count)")
    }
    return file[position..<position + size].reversed().reduce(0) { $0 << 8 | T($1) }
  }

  /// A length or offset that lies inside of the file.
  private func inside(_ value: UInt64, _ what: String, _ place: String) throws -> Int {
    guard value <= UInt64(file.count) else {
      throw malformed(place, expected: "\(what) inside of the file's \(file.count) bytes", found: "\(value)")
    }
    return Int(value)
  }

  // MARK: - End records

  func endRecord() throws -> (directory: Range<Int>, entries: Int) {
    let place = "end record"
    // The record ends with a comment of up to 65535 bytes, which ends with the file.
    let first = max(0, file.count - 22 - Int(UInt16.max))
    let found = stride(from: file.count - 22, through: first, by: -1).first {
      file[$0...].starts(with: [0x50, 0x4b, 5, 6])
        && Int(file[$0 + 20]) + Int(file[$0 + 21]) << 8 == file.count - 22 - $0
    }
    guard let at = found else {
      throw malformed(place, expected: "an end of a zip archive", found: "none in \(file.count) bytes")
    }
    func short(_ offset: Int) throws -> UInt64 { UInt64(try number(UInt16.self, at: at + offset, place)) }
    var disks = [try short(4), try short(6)]
    var counts = [try short(8), try short(10)]
    var size = UInt64(try number(UInt32.self, at: at + 12, place))
    var offset = UInt64(try number(UInt32.self, at: at + 16, place))
    var directoryEnd = at
    if at >= 20, file[(at - 20)...].starts(with: [0x50, 0x4b, 6, 7]) {
      let place = "zip64 end record"
      directoryEnd = try inside(try number(UInt64.self, at: at - 12, place), "an offset", place)
      let record = directoryEnd
      let length = try number(UInt64.self, at: record + 4, place)
      guard file[record...].starts(with: [0x50, 0x4b, 6, 6]), length >= 44,
        length <= UInt64(file.count), record + 12 + Int(length) == at - 20
      else {
        throw malformed(
          place, expected: "a record that ends at \(at - 20)", found: "\(length) bytes at \(record)")
      }
      func long(_ offset: Int) throws -> UInt64 { try number(UInt64.self, at: record + offset, place) }
      let wide = (
        counts: [try long(24), try long(32)], size: try long(40), offset: try long(48),
        disks: try [16, 20].map { UInt64(try number(UInt32.self, at: record + $0, place)) }
      )
      guard zip(counts, wide.counts).allSatisfy({ $0 == ZipArchive.saturated16 || $0 == $1 }),
        size == ZipArchive.saturated32 || size == wide.size,
        offset == ZipArchive.saturated32 || offset == wide.offset
      else { throw malformed(place, expected: "what the end record says", found: "other numbers") }
      // A saturated disk number would only repeat that there is a zip64 record.
      disks = wide.disks
      (counts, size, offset) = (wide.counts, wide.size, wide.offset)
    }
    guard disks == [0, 0], counts[0] == counts[1] else {
      throw unsupported(place, expected: "an archive on one disk", found: "disks \(disks), entries \(counts)")
    }
    let start = try inside(offset, "a directory", place), length = try inside(size, "a directory", place)
    guard start + length == directoryEnd else {
      throw malformed(
        place, expected: "a directory that ends at \(directoryEnd)", found: "\(length) bytes at \(start)")
    }
    // A header has 46 bytes at least.
    guard counts[0] <= UInt64(length / 46) else {
      throw malformed(place, expected: "at most \(length / 46) entries", found: "\(counts[0])")
    }
    return (start..<directoryEnd, Int(counts[0]))
  }

  // MARK: - Headers of entries

  func centralHeader(at: Int, end: Int) throws -> Header {
    let place = "directory"
    guard end - at >= 46, file[at...].starts(with: [0x50, 0x4b, 1, 2]) else {
      throw malformed(place, expected: "a header of an entry", found: "other bytes at \(at)")
    }
    func short(_ offset: Int) throws -> UInt16 { try number(UInt16.self, at: at + offset, place) }
    func word(_ offset: Int) throws -> UInt64 { UInt64(try number(UInt32.self, at: at + offset, place)) }
    let nameLength = Int(try short(28)), extraLength = Int(try short(30)), commentLength = Int(try short(32))
    let headerEnd = at + 46 + nameLength + extraLength + commentLength
    guard headerEnd <= end else {
      throw malformed(place, expected: "a header that ends before \(end)", found: "one to \(headerEnd)")
    }
    let nameBytes = file[(at + 46)..<(at + 46 + nameLength)]
    let flags = try short(8)
    let name = try self.name(nameBytes, isUTF8: flags & 1 << 11 != 0)
    // Bits 0, 6, 13: encrypted; 5: a patch.
    guard flags & (1 | 1 << 5 | 1 << 6 | 1 << 13) == 0 else {
      throw unsupported(name, expected: "plain data", found: "encrypted or patched data")
    }
    let extra = (at + 46 + nameLength)..<(at + 46 + nameLength + extraLength)
    let fields = try widened([try word(24), try word(20), try word(42)], extra, name)
    guard try short(34) == 0 else {
      throw unsupported(name, expected: "an archive on one disk", found: "disk \(try short(34))")
    }
    return Header(
      name: name, nameBytes: nameBytes, flags: flags, method: try short(10), checksum: UInt32(try word(16)),
      compressedSize: try inside(fields[1], "data", name), size: try size(fields[0], name),
      offset: try inside(fields[2], "an offset", name), end: headerEnd)
  }

  /// Deflate makes at most 1032 bytes of one (zlib, "Maximum Compression Factor").
  static let largestRatio = 1032

  /// Bounded by the file before anything of that size is made.
  private func size(_ value: UInt64, _ name: String) throws -> Int {
    guard value / UInt64(ZipReader.largestRatio) <= UInt64(file.count) else {
      throw malformed(
        name, expected: "at most \(ZipReader.largestRatio) times the file's \(file.count) bytes",
        found: "\(value)")
    }
    return Int(value)
  }

  /// What 32 bits cannot hold stands in the zip64 extra field (id 1), in this order.
  private func widened(_ fields: [UInt64], _ extra: Range<Int>, _ name: String) throws -> [UInt64] {
    var fields = fields
    var position = extra.lowerBound
    var isWidened = false
    while position < extra.upperBound {
      let id = try number(UInt16.self, at: position, name)
      let length = Int(try number(UInt16.self, at: position + 2, name))
      let end = position + 4 + length
      guard end <= extra.upperBound else {
        throw malformed(name, expected: "extra fields of \(extra.count) bytes", found: "longer ones")
      }
      if id == 1 {
        guard !isWidened else { throw malformed(name, expected: "one zip64 field", found: "two") }
        isWidened = true
        var at = position + 4
        for i in fields.indices where fields[i] == ZipArchive.saturated32 {
          guard at + 8 <= end else {
            throw malformed(
              name, expected: "the long form of every saturated length", found: "\(length) bytes")
          }
          fields[i] = try number(UInt64.self, at: at, name)
          at += 8
        }
      }
      position = end
    }
    return fields
  }

  /// Names are for finding arrays, never for making files; still, what could only be a trick is refused.
  private func name(_ bytes: ArraySlice<UInt8>, isUTF8: Bool) throws -> String {
    guard let name = String(validating: bytes, as: UTF8.self), isUTF8 || bytes.allSatisfy({ $0 < 0x80 })
    else {
      throw unsupported(
        "directory", expected: "names in ASCII or UTF-8", found: "the bytes \(Array(bytes.prefix(32)))")
    }
    guard ZipReader.isSound(name) else {
      throw malformed("directory", expected: "relative names without . and ..", found: name.debugDescription)
    }
    return name
  }

  static func isSound(_ name: String) -> Bool {
    let parts = name.split(separator: "/", omittingEmptySubsequences: false)
    return parts.allSatisfy { !["", ".", ".."].contains($0) }
      && name.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7f && $0 != "\\" && $0 != ":" }
  }

  /// Where the entry's header and data are. The header in front of the data has to agree with the directory's.
  func localPlace(of header: Header, limit: Int) throws -> (whole: Range<Int>, data: Range<Int>) {
    let at = header.offset, name = header.name
    guard at <= limit - 30, file[at...].starts(with: [0x50, 0x4b, 3, 4]) else {
      throw malformed(name, expected: "its header at \(at)", found: "other bytes")
    }
    func short(_ offset: Int) throws -> UInt16 { try number(UInt16.self, at: at + offset, name) }
    func word(_ offset: Int) throws -> UInt64 { UInt64(try number(UInt32.self, at: at + offset, name)) }
    let nameEnd = at + 30 + Int(try short(26))
    let dataStart = nameEnd + Int(try short(28))
    let dataEnd = dataStart + header.compressedSize
    guard dataEnd <= limit else {
      throw malformed(name, expected: "data that end before \(limit)", found: "data to \(dataEnd)")
    }
    let sizes = try widened([try word(22), try word(18)], nameEnd..<dataStart, name)
    let expected = [UInt64(header.size), UInt64(header.compressedSize)]
    let checksum = try word(14)
    // With a descriptor behind the data the numbers in front may be unknown yet: zero.
    func agrees(_ value: UInt64, _ known: UInt64) -> Bool {
      value == known || (header.hasDescriptor && value == 0)
    }
    guard file[(at + 30)..<nameEnd] == header.nameBytes, try short(6) == header.flags,
      try short(8) == header.method,
      agrees(sizes[0], expected[0]), agrees(sizes[1], expected[1]), agrees(checksum, UInt64(header.checksum))
    else { throw malformed(name, expected: "two headers that agree", found: "different ones") }
    let end = header.hasDescriptor ? try descriptorEnd(dataEnd, header, limit: limit) : dataEnd
    return (at..<end, dataStart..<dataEnd)
  }

  /// Behind the data: perhaps a signature, the checksum, and both sizes in 4 or 8 bytes each.
  private func descriptorEnd(_ start: Int, _ header: Header, limit: Int) throws -> Int {
    func bytes(_ value: Int, _ count: Int) -> [UInt8] {
      (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }
    for width in [4, 8] {
      let numbers =
        bytes(Int(header.checksum), 4) + bytes(header.compressedSize, width) + bytes(header.size, width)
      for candidate in [[0x50, 0x4b, 7, 8] + numbers, numbers] {
        if candidate.count <= limit - start, file[start...].starts(with: candidate) {
          return start + candidate.count
        }
      }
    }
    throw malformed(header.name, expected: "a descriptor behind its data that agrees", found: "none")
  }
}
