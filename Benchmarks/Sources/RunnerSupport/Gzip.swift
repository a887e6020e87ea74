import CZlib

/// What can be wrong with compressed data.
public enum GzipError: Error, CustomStringConvertible {
  case corrupt(String)
  case truncated
  case tooLarge(limit: Int)

  public var description: String {
    switch self {
    case .corrupt(let why): "the compressed data are corrupt (\(why))"
    case .truncated: "the compressed data end too early"
    case .tooLarge(let limit): "the compressed data unpack to more than \(limit) bytes"
    }
  }
}

/// Unpacks gzip data; bytes that do not start with the gzip magic are returned as they are.
///
/// - Parameter limit: bytes the result may have at most, so that a hostile file cannot fill the memory.
public func gunzip(_ data: [UInt8], limit: Int = 1 << 28) throws -> [UInt8] {
  guard data.count >= 2, data[0] == 0x1f, data[1] == 0x8b else { return data }
  // 16 + MAX_WBITS: expect a gzip wrapper and check its CRC.
  return try unpack(data, windowBits: 16 + MAX_WBITS, limit: limit)
}

/// Undoes raw deflate (RFC 1951): what `NPZ` needs for the entries that numpy compressed.
///
/// - Parameter size: bytes the result may have at most.
public func inflated(_ data: [UInt8], size: Int) throws -> [UInt8] {
  // Negative: no wrapper.
  try unpack(data, windowBits: -MAX_WBITS, limit: size)
}

private func unpack(_ data: [UInt8], windowBits: Int32, limit: Int) throws -> [UInt8] {
  // zlib counts in 32 bits.
  guard data.count <= UInt32.max else { throw GzipError.tooLarge(limit: Int(UInt32.max)) }
  var stream = z_stream()
  guard inflateInit2_(&stream, windowBits, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK
  else { throw GzipError.corrupt("zlib could not start") }
  defer { inflateEnd(&stream) }

  var result: [UInt8] = []
  var chunk = [UInt8](repeating: 0, count: 1 << 16)
  var input = data
  return try input.withUnsafeMutableBufferPointer { input in
    stream.next_in = input.baseAddress
    stream.avail_in = UInt32(input.count)
    while true {
      let code = chunk.withUnsafeMutableBufferPointer { output -> Int32 in
        stream.next_out = output.baseAddress
        stream.avail_out = UInt32(output.count)
        return inflate(&stream, Z_NO_FLUSH)
      }
      result.append(contentsOf: chunk[0..<(chunk.count - Int(stream.avail_out))])
      guard result.count <= limit else { throw GzipError.tooLarge(limit: limit) }
      switch code {
      case Z_STREAM_END:
        guard stream.avail_in == 0 else {
          throw GzipError.corrupt("\(stream.avail_in) bytes behind their end")
        }
        return result
      case Z_OK where stream.avail_in > 0 || stream.avail_out == 0: continue
      case Z_OK, Z_BUF_ERROR: throw GzipError.truncated
      default: throw GzipError.corrupt(stream.msg.map { String(cString: $0) } ?? "code \(code)")
      }
    }
  }
}
