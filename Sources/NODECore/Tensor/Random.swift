/// The key of a stream of random numbers. Numbers are a function of the key: there is no hidden state, and a key is used
/// once, either to draw or to derive other keys from it.
///
/// The generator is counter-based, Philox4x32-10 (Salmon et al., SC11). A key may be a symbol: a compiled step takes one as
/// an input and derives the keys of its layers from it by `split`. Derived keys are the same whether the key is a symbol or
/// not: child k has the upper 31 bits of words 4k and 4k + 2 of its parent's stream, which is what `uniform` draws from.
public struct RandomKey: Sendable {
  /// int32 [2].
  public let words: Tensor<Int32>

  public init(seed: UInt64) {
    self.init(UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32))
  }

  /// A key from its two words, int32 [2]; they may be a symbol.
  public init(words: Tensor<Int32>) {
    require(words.shape == [2], "RandomKey: words must be int32 [2], got \(words.shape)")
    self.words = words
  }

  private init(_ low: UInt32, _ high: UInt32) {
    words = Tensor([Int32(bitPattern: low), Int32(bitPattern: high)])
  }

  /// `count` keys that are independent of each other.
  public func split(_ count: Int = 2) -> [RandomKey] {
    if let known = knownWords { return (0..<count).map { RandomKey.child($0, of: known) } }
    let uniform = Graph.one(.random(.uniform, [2 * count], .float64), [words.value])
    let children = Tensor<Int32>((uniform * 0x1p31).converted(to: .int32))
    return (0..<count).map { RandomKey(words: children.sliced(2 * $0..<2 * $0 + 2, axis: 0)) }
  }

  /// Child number `index` of this key: the one that `split` gives at that place. For counters (epoch, step, layer). On a
  /// symbolic key it costs as much as the split.
  public func fold(in index: Int) -> RandomKey {
    require(index >= 0, "fold(in:): index \(index) is negative")
    if let known = knownWords { return RandomKey.child(index, of: known) }
    return split(index + 1)[index]
  }

  /// The first `count` words of the stream, for use outside of tensors (shuffling). Traps when the key is a symbol.
  public func bits(_ count: Int) -> [UInt32] {
    guard let known = knownWords else {
      fatalError("RandomKey.bits: the key is a symbol of a trace and has no bits yet")
    }
    return (0..<(count + 3) / 4).flatMap { Philox.block(UInt64($0), key: known) }.prefix(count).map { $0 }
  }

  private var knownWords: (UInt32, UInt32)? {
    guard case .constant(let storage) = words.value.node.operation else { return nil }
    let words = storage.array(of: Int32.self, count: 2)
    return (UInt32(bitPattern: words[0]), UInt32(bitPattern: words[1]))
  }

  private static func child(_ index: Int, of key: (UInt32, UInt32)) -> RandomKey {
    let block = Philox.block(UInt64(index), key: key)
    return RandomKey(block[0] >> 1, block[2] >> 1)
  }
}

/// Philox4x32-10, as in the kernels (random.c).
package enum Philox {
  package static func block(_ block: UInt64, key: (UInt32, UInt32)) -> [UInt32] {
    var c0 = UInt32(truncatingIfNeeded: block), c1 = UInt32(truncatingIfNeeded: block >> 32)
    var c2: UInt32 = 0, c3: UInt32 = 0
    var (k0, k1) = key
    for _ in 0..<10 {
      let p0 = c0.multipliedFullWidth(by: 0xD251_1F53), p1 = c2.multipliedFullWidth(by: 0xCD9E_8D57)
      (c0, c1, c2, c3) = (p1.high ^ c1 ^ k0, p1.low, p0.high ^ c3 ^ k1, p0.low)
      k0 &+= 0x9E37_79B9
      k1 &+= 0xBB67_AE85
    }
    return [c0, c1, c2, c3]
  }
}

extension Tensor where Scalar: FloatingScalar {
  /// Independent numbers, uniform on [range.lowerBound, range.upperBound).
  public static func uniform(shape: Shape, in range: Range<Double> = 0..<1, key: RandomKey) -> Tensor {
    let unit = Graph.one(.random(.uniform, shape, Scalar.dtype), [key.words.value])
    return Tensor(unit * (range.upperBound - range.lowerBound) + range.lowerBound)
  }

  /// Independent normal numbers.
  public static func normal(
    shape: Shape, mean: Double = 0, standardDeviation: Double = 1, key: RandomKey
  ) -> Tensor {
    let unit = Graph.one(.random(.normal, shape, Scalar.dtype), [key.words.value])
    return Tensor(unit * standardDeviation + mean)
  }

  /// A mask: 1 with this probability, else 0.
  public static func bernoulli(shape: Shape, probability: Double, key: RandomKey) -> Tensor {
    Tensor(repeating: Scalar(probability), shape: shape) .> uniform(shape: shape, key: key)
  }
}
