import CKernels

/// The counter-based generator of the kernels (Philox4x32-10) read word after word on the host: for
/// shuffling, augmentation and generated data. The same key gives the same words on every machine.
///
/// The algorithms below are our own, not the standard library's `shuffle(using:)` and relatives, whose
/// results may change between toolchains.
public struct RandomStream: Sendable {
  private let key: SIMD2<UInt32>
  private var block: UInt64 = 0
  private var words = SIMD4<UInt32>()
  private var used = 4

  /// The stream of the key with these two words.
  package init(words: SIMD2<UInt32>) { key = words }

  /// Words of child number `index` of the key with these words: the one that `RandomKey.fold(in:)` gives.
  package static func child(_ index: Int, of words: SIMD2<UInt32>) -> SIMD2<UInt32> {
    var parent = RandomStream(words: words)
    parent.block = UInt64(index)
    _ = parent.nextWord()
    return SIMD2(parent.words[0] >> 1, parent.words[2] >> 1)
  }

  /// The next 32 bits.
  public mutating func nextWord() -> UInt32 {
    if used == 4 {
      withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 6) { buffer in
        (buffer[0], buffer[1]) = (key.x, key.y)
        nk_random_bits(buffer.baseAddress!, block &* 4, buffer.baseAddress! + 2, 4)
        words = SIMD4(buffer[2], buffer[3], buffer[4], buffer[5])
      }
      block &+= 1
      used = 0
    }
    defer { used += 1 }
    return words[used]
  }

  /// The next 64 bits.
  public mutating func nextWord64() -> UInt64 {
    let low = UInt64(nextWord())
    return UInt64(nextWord()) << 32 | low
  }

  /// Uniform on [0, 1) with 53 random bits.
  public mutating func nextUniform() -> Double { Double(nextWord64() >> 11) * 0x1p-53 }

  /// Uniform on [low, high).
  public mutating func nextUniform(_ low: Double, _ high: Double) -> Double {
    // Rounding may reach the upper bound.
    min(low + (high - low) * nextUniform(), max(low, high.nextDown))
  }

  /// An integer in 0..<bound, biased by less than bound / 2^64.
  public mutating func nextInteger(below bound: Int) -> Int {
    require(bound > 0, "RandomStream: the bound must be positive, got \(bound)")
    return Int(nextWord64().multipliedFullWidth(by: UInt64(bound)).high)
  }

  /// Shuffles by Fisher and Yates.
  public mutating func shuffle<Element>(_ elements: inout [Element]) {
    guard elements.count > 1 else { return }
    for i in stride(from: elements.count - 1, to: 0, by: -1) { elements.swapAt(i, nextInteger(below: i + 1)) }
  }

  /// Standard numbers of a key, exactly those that the random operations of a program draw from it.
  package static func draw<S: FloatingScalar>(normal: Bool, _ words: SIMD2<UInt32>, count: Int) -> [S] {
    let dtype: nk_dtype = S.dtype == .float64 ? .NK_F64 : .NK_F32
    return [S](unsafeUninitializedCapacity: count) { target, initialized in
      withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 2) { key in
        (key[0], key[1]) = (words.x, words.y)
        if normal {
          nk_random_normal(dtype, key.baseAddress!, 0, target.baseAddress, Int64(count))
        } else {
          nk_random_uniform(dtype, key.baseAddress!, 0, target.baseAddress, Int64(count))
        }
      }
      initialized = count
    }
  }
}
