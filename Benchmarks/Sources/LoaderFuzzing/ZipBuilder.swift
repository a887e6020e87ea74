import CZlib

/// Zip archives in the spellings that other programs use: deflated, with data descriptors, long forms, extra fields and
/// comments. Written from the format's description, not from the library's reader; nothing keeps contents from being damaged.
struct ZipBuilder {
  private var file: [UInt8] = []
  private var directory: [UInt8] = []
  private var count = 0

  mutating func append(_ name: String, _ content: [UInt8], _ dice: inout Dice) {
    let isDeflated = dice.oneIn(2), hasDescriptor = dice.oneIn(3), isLong = dice.oneIn(3)
    let data = isDeflated ? deflated(content) : content
    let sum = content.withUnsafeBufferPointer { UInt64(crc32(0, $0.baseAddress, UInt32($0.count))) }
    let sizes = [UInt64(data.count), UInt64(content.count)]
    let flags: UInt64 = 1 << 11 | (hasDescriptor ? 1 << 3 : 0)
    let name = Array(name.utf8), offset = UInt64(file.count)
    func common(_ sum: UInt64, _ sizes: [UInt64], _ extra: [UInt8]) -> [UInt8] {
      number(45, 2) + number(flags, 2) + number(isDeflated ? 8 : 0, 2) + number(0x21_0000, 4) + number(sum, 4)
        + number(sizes[0], 4) + number(sizes[1], 4) + number(UInt64(name.count), 2)
        + number(UInt64(extra.count), 2)
    }
    let saturated: [UInt64] = [0xffff_ffff, 0xffff_ffff]
    let stamp: [UInt8] = dice.oneIn(3) ? number(0x5455, 2) + number(5, 2) + [1, 0, 0, 0, 0] : []
    // In the extra field the uncompressed size comes first.
    let long = number(1, 2) + number(16, 2) + number(sizes[1], 8) + number(sizes[0], 8)
    let localExtra = stamp + (isLong ? long : [])
    file += number(0x0403_4b50, 4)
    file +=
      common(hasDescriptor ? 0 : sum, isLong ? saturated : hasDescriptor ? [0, 0] : sizes, localExtra) + name
      + localExtra
    file += data
    if hasDescriptor {
      let width = isLong ? 8 : 4
      file +=
        (dice.oneIn(2) ? number(0x0807_4b50, 4) : []) + number(sum, 4) + number(sizes[0], width)
        + number(sizes[1], width)
    }
    let comment = dice.bytes(dice.oneIn(4) ? dice.below(9) : 0)
    let centralLong =
      number(1, 2) + number(24, 2) + number(sizes[1], 8) + number(sizes[0], 8) + number(offset, 8)
    let centralExtra = (isLong ? centralLong : []) + stamp
    directory +=
      number(0x0201_4b50, 4) + number(45, 2) + common(sum, isLong ? saturated : sizes, centralExtra)
    directory += number(UInt64(comment.count), 2) + number(0, 8) + number(isLong ? 0xffff_ffff : offset, 4)
    directory += name + centralExtra + comment
    count += 1
  }

  func finished(_ dice: inout Dice) -> [UInt8] {
    let offset = UInt64(file.count), size = UInt64(directory.count), count = UInt64(count)
    var end: [UInt8] = []
    let isLong = dice.oneIn(3)
    if isLong {
      end += number(0x0606_4b50, 4) + number(44, 8) + number(45, 2) + number(45, 2) + number(0, 8)
      end += number(count, 8) + number(count, 8) + number(size, 8) + number(offset, 8)
      end += number(0x0706_4b50, 4) + number(0, 4) + number(offset + size, 8) + number(1, 4)
    }
    let shortCount = number(isLong ? 0xffff : count, 2)
    let comment = dice.bytes(dice.oneIn(4) ? dice.below(9) : 0)
    end += number(0x0605_4b50, 4) + number(0, 4) + shortCount + shortCount
    end += number(isLong ? 0xffff_ffff : size, 4) + number(isLong ? 0xffff_ffff : offset, 4)
    return file + directory + end + number(UInt64(comment.count), 2) + comment
  }
}

func number(_ value: UInt64, _ width: Int) -> [UInt8] {
  (0..<width).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) }
}

/// Raw deflate, or with a gzip wrapper.
func deflated(_ bytes: [UInt8], asGzip: Bool = false) -> [UInt8] {
  var stream = z_stream()
  let code = deflateInit2_(
    &stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, asGzip ? 16 + MAX_WBITS : -MAX_WBITS, 8, Z_DEFAULT_STRATEGY,
    ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
  precondition(code == Z_OK, "zlib could not start")
  defer { deflateEnd(&stream) }
  var input = bytes
  var output = [UInt8](repeating: 0, count: Int(deflateBound(&stream, UInt(bytes.count))) + 64)
  let made = input.withUnsafeMutableBufferPointer { input in
    output.withUnsafeMutableBufferPointer { output in
      stream.next_in = input.baseAddress
      stream.avail_in = UInt32(input.count)
      stream.next_out = output.baseAddress
      stream.avail_out = UInt32(output.count)
      let code = deflate(&stream, Z_FINISH)
      precondition(code == Z_STREAM_END, "zlib could not finish")
      return output.count - Int(stream.avail_out)
    }
  }
  return Array(output[..<made])
}
