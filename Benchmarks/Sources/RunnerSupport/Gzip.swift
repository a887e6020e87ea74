import CZlib

/// What can be wrong with a .gz file.
public enum GzipError: Error, CustomStringConvertible {
  case corrupt(String)
  case truncated
  case tooLarge(limit: Int)

  public var description: String {
    switch self {
    case .corrupt(let why): "the gzip data are corrupt (\(why))"
    case .truncated: "the gzip data end too early"
    case .tooLarge(let limit): "the gzip data unpack to more than \(limit) bytes"
    }
  }
}

/// Unpacks gzip data; bytes that do not start with the gzip magic are returned as they are.
///
/// - Parameter limit: bytes the result may have at most, so that a hostile file cannot fill the memory.
public func gunzip(_ data: [UInt8], limit: Int = 1 << 28) throws -> [UInt8] {
  guard data.count >= 2, data[0] == 0x1f, data[1] == 0x8b else { return data }
  var stream = z_stream()
  // 16 + MAX_WBITS: expect a gzip wrapper and check its CRC.
  guard inflateInit2_(&stream, 16 + MAX_WBITS, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK
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
      case Z_STREAM_END: return result
      case Z_OK where stream.avail_in > 0 || stream.avail_out == 0: continue
      case Z_OK, Z_BUF_ERROR: throw GzipError.truncated
      default: throw GzipError.corrupt(stream.msg.map { String(cString: $0) } ?? "code \(code)")
      }
    }
  }
}
