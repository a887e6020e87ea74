/// Element types of files. Those that no tensor has are widened when they are read, as long as nothing is lost.
enum ElementType: CaseIterable, Sendable {
  case float16, bfloat16, float32, float64
  case bool, int8, uint8, int16, uint16, int32, uint32, int64, uint64

  init(_ dtype: DType) {
    self =
      switch dtype {
      case .float32: .float32
      case .float64: .float64
      case .int32: .int32
      }
  }

  var byteCount: Int {
    switch self {
    case .bool, .int8, .uint8: 1
    case .float16, .bfloat16, .int16, .uint16: 2
    case .float32, .int32, .uint32: 4
    case .float64, .int64, .uint64: 8
    }
  }

  /// The tensor's type.
  var dtype: DType {
    switch self {
    case .float16, .bfloat16, .float32: .float32
    case .float64: .float64
    case .bool, .int8, .uint8, .int16, .uint16, .int32, .uint32, .int64, .uint64: .int32
    }
  }

  /// numpy's array-interface code without the byte order; numpy has no bfloat16.
  var numpyCode: String? {
    switch self {
    case .float16: "f2"
    case .bfloat16: nil
    case .float32: "f4"
    case .float64: "f8"
    case .bool: "b1"
    case .int8: "i1"
    case .uint8: "u1"
    case .int16: "i2"
    case .uint16: "u2"
    case .int32: "i4"
    case .uint32: "u4"
    case .int64: "i8"
    case .uint64: "u8"
    }
  }

  var safetensorsName: String {
    switch self {
    case .float16: "F16"
    case .bfloat16: "BF16"
    case .float32: "F32"
    case .float64: "F64"
    case .bool: "BOOL"
    case .int8: "I8"
    case .uint8: "U8"
    case .int16: "I16"
    case .uint16: "U16"
    case .int32: "I32"
    case .uint32: "U32"
    case .int64: "I64"
    case .uint64: "U64"
    }
  }

  /// The elements of `source` in the tensor's type, little-endian. `source` holds whole elements.
  /// Throws `FileError` where an integer does not fit, or a truth value is neither 0 nor 1.
  func widened(_ source: ArraySlice<UInt8>, isBigEndian: Bool, place: String) throws -> [UInt8] {
    if byteCount == dtype.byteCount, self != .uint32, !isBigEndian { return Array(source) }
    switch self {
    case .float16: return try map(source, UInt16.self, isBigEndian, place) { singleBits(half: $0) }
    case .bfloat16: return try map(source, UInt16.self, isBigEndian, place) { UInt32($0) << 16 }
    case .float32, .int32: return try map(source, UInt32.self, isBigEndian, place) { $0 }
    case .float64: return try map(source, UInt64.self, isBigEndian, place) { $0 }
    case .bool: return try map(source, UInt8.self, isBigEndian, place) { $0 <= 1 ? Int32($0) : nil }
    case .int8: return try map(source, Int8.self, isBigEndian, place) { Int32($0) }
    case .uint8: return try map(source, UInt8.self, isBigEndian, place) { Int32($0) }
    case .int16: return try map(source, Int16.self, isBigEndian, place) { Int32($0) }
    case .uint16: return try map(source, UInt16.self, isBigEndian, place) { Int32($0) }
    case .uint32: return try map(source, UInt32.self, isBigEndian, place) { Int32(exactly: $0) }
    case .int64: return try map(source, Int64.self, isBigEndian, place) { Int32(exactly: $0) }
    case .uint64: return try map(source, UInt64.self, isBigEndian, place) { Int32(exactly: $0) }
    }
  }

  private func map<Stored: FixedWidthInteger & BitwiseCopyable, Wide: FixedWidthInteger & BitwiseCopyable>(
    _ source: ArraySlice<UInt8>, _ type: Stored.Type, _ isBigEndian: Bool, _ place: String,
    _ widen: (Stored) -> Wide?
  ) throws -> [UInt8] {
    let count = source.count / MemoryLayout<Stored>.size
    var misfit: (index: Int, value: Stored)?
    let result = [UInt8](unsafeUninitializedCapacity: count * MemoryLayout<Wide>.size) { target, filled in
      source.withUnsafeBytes { source in
        for i in 0..<count {
          let raw = source.loadUnaligned(fromByteOffset: i * MemoryLayout<Stored>.size, as: Stored.self)
          let value = isBigEndian ? Stored(bigEndian: raw) : Stored(littleEndian: raw)
          guard let wide = widen(value) else {
            misfit = (i, value)
            return
          }
          UnsafeMutableRawBufferPointer(target)
            .storeBytes(of: wide.littleEndian, toByteOffset: i * MemoryLayout<Wide>.size, as: Wide.self)
        }
        filled = count * MemoryLayout<Wide>.size
      }
    }
    if let misfit {
      throw FileError(
        self == .bool ? .malformed : .unsupported, in: "\(place): element \(misfit.index)",
        expected: self == .bool ? "0 or 1" : "an integer of 32 bits", found: "\(misfit.value)")
    }
    return result
  }
}

/// The bits of the float32 that equals a float16 (IEEE 754), payloads of NaN included.
private func singleBits(half: UInt16) -> UInt32 {
  let sign = UInt32(half & 0x8000) << 16, exponent = UInt32(half >> 10 & 0x1f),
    fraction = UInt32(half & 0x3ff)
  switch exponent {
  case 0:
    // fraction * 2^-24: a subnormal half is a normal single.
    return sign | (Float(fraction) * 0x1p-24).bitPattern
  case 31: return sign | 0x7f80_0000 | fraction << 13
  default: return sign | (exponent + 112) << 23 | fraction << 13
  }
}
