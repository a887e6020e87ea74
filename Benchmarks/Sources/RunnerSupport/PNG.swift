import CZlib

/// A picture of 8-bit RGB pixels, as a PNG file (ISO/IEC 15948): compression and checksums are zlib's.
public struct PNG: Sendable {
  public let width: Int, height: Int
  /// Row by row from the top, red, green, blue.
  public var pixels: [UInt8]

  /// A white picture.
  public init(width: Int, height: Int) {
    precondition(width > 0 && height > 0, "PNG: extents must be positive")
    self.width = width
    self.height = height
    pixels = [UInt8](repeating: 255, count: 3 * width * height)
  }

  public mutating func set(_ x: Int, _ y: Int, _ colour: (UInt8, UInt8, UInt8)) {
    guard 0..<width ~= x, 0..<height ~= y else { return }
    let at = 3 * (y * width + x)
    (pixels[at], pixels[at + 1], pixels[at + 2]) = colour
  }

  public var encoded: [UInt8] {
    var rows: [UInt8] = []
    rows.reserveCapacity(height * (3 * width + 1))
    for y in 0..<height {
      rows.append(0)  // no filter
      rows += pixels[3 * y * width..<3 * (y + 1) * width]
    }
    var file: [UInt8] = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]
    // Bit depth 8, colour type 2 (RGB), compression, filter and interlace methods 0.
    file += Self.chunk("IHDR", Self.bytes(width) + Self.bytes(height) + [8, 2, 0, 0, 0])
    file += Self.chunk("IDAT", Self.compressed(rows))
    file += Self.chunk("IEND", [])
    return file
  }

  private static func bytes(_ number: Int) -> [UInt8] {
    [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: number >> $0) }
  }

  private static func chunk(_ name: String, _ content: [UInt8]) -> [UInt8] {
    let checked = Array(name.utf8) + content
    let sum = checked.withUnsafeBufferPointer { crc32(0, $0.baseAddress, UInt32($0.count)) }
    return bytes(content.count) + checked + bytes(Int(sum))
  }

  private static func compressed(_ data: [UInt8]) -> [UInt8] {
    var size = compressBound(UInt(data.count))
    var result = [UInt8](repeating: 0, count: Int(size))
    let status = compress2(&result, &size, data, UInt(data.count), 9)
    precondition(status == Z_OK, "PNG: zlib says \(status)")
    return Array(result.prefix(Int(size)))
  }
}

/// Dark blue over green to yellow, even steps of lightness: matplotlib's viridis at nine points, between them straight.
public func viridis(_ share: Double) -> (UInt8, UInt8, UInt8) {
  let points: [(Double, Double, Double)] = [
    (68, 1, 84), (71, 44, 122), (59, 81, 139), (44, 113, 142), (33, 144, 141), (39, 173, 129), (92, 200, 99),
    (170, 220, 50), (253, 231, 37),
  ]
  let place = min(max(share.isFinite ? share : 0, 0), 1) * Double(points.count - 1)
  let low = min(Int(place), points.count - 2), rest = place - Double(low)
  func mix(_ a: Double, _ b: Double) -> UInt8 { UInt8((a + (b - a) * rest).rounded()) }
  let (a, b) = (points[low], points[low + 1])
  return (mix(a.0, b.0), mix(a.1, b.1), mix(a.2, b.2))
}
