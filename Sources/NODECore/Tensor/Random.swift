/// The key of a stream of random numbers. Numbers are a function of the key: there is no hidden state, and a key is used
/// once, either to draw or to derive other keys from it.
///
/// The generator is counter-based, Philox4x32-10 (Salmon et al., SC11). A key may be a symbol: a compiled step takes one as
/// an input and derives the keys of its layers from it by `split`. Derived keys are the same whether the key is a symbol or
/// not: child k has the upper 31 bits of words 4k and 4k + 2 of its parent's stream, which is what `uniform` draws from.
public struct RandomKey: Sendable {
  /// int32 [2].
  public let words: Tensor<Int32>

  /// The low 32 bits are the first of the key's words, the high ones the second.
  public init(seed: UInt64) {
    self.init(SIMD2(UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32)))
  }

  /// A key from its two words, int32 [2]; they may be a symbol.
  public init(words: Tensor<Int32>) {
    require(words.shape == [2], "RandomKey: words must be int32 [2], got \(words.shape)")
    self.words = words
  }

  private init(_ words: SIMD2<UInt32>) {
    self.words = Tensor([Int32(bitPattern: words.x), Int32(bitPattern: words.y)])
  }

  /// Keys that one split makes at most. Each is an object of some hundred bytes.
  private static let mostKeys = 1 << 30

  /// `count` keys that are independent of each other; 0 to 2^30.
  public func split(_ count: Int = 2) -> [RandomKey] {
    require(count >= 0, "split: the count must not be negative, got \(count)")
    require(
      count <= RandomKey.mostKeys, "split: the count must be at most \(RandomKey.mostKeys), got \(count)")
    if let knownWords {
      return (0..<count).map { RandomKey(RandomStream.child($0, of: knownWords)) }
    }
    let children = words(ofChildren: count)
    return (0..<count).map { RandomKey(words: children.sliced(2 * $0..<2 * $0 + 2, axis: 0)) }
  }

  /// Child number `index`, not negative, of this key: the one that `split` gives at that place. For counters (epoch, step,
  /// layer). On a symbolic key it draws as much as the split, so there the index is below 2^30.
  public func fold(in index: Int) -> RandomKey {
    require(index >= 0, "fold(in:): index \(index) is negative")
    if let knownWords { return RandomKey(RandomStream.child(index, of: knownWords)) }
    require(
      index < RandomKey.mostKeys,
      "fold(in:): the index of a symbol's child must be below \(RandomKey.mostKeys), got \(index)")
    return RandomKey(words: words(ofChildren: index + 1).sliced(2 * index..<2 * index + 2, axis: 0))
  }

  /// [2 count]: of a symbolic key.
  private func words(ofChildren count: Int) -> Tensor<Int32> {
    let uniform = Graph.one(.random(.uniform, [2 * count], .float64), [words.value])
    return Tensor<Int32>((uniform * 0x1p31).converted(to: .int32))
  }

  /// The two words on the host, nil while the key is a symbol.
  private var knownWords: SIMD2<UInt32>? {
    guard case .constant(let storage) = words.value.node.operation else { return nil }
    let words = storage.array(of: Int32.self, count: 2)
    return SIMD2(UInt32(bitPattern: words[0]), UInt32(bitPattern: words[1]))
  }

  /// The two words, on the host. Traps when the key is a symbol.
  package var hostWords: SIMD2<UInt32> {
    guard let knownWords else {
      fatalError("RandomKey: the key is a symbol of a trace; initialisers and data need a known one")
    }
    return knownWords
  }
}

extension RandomStream {
  /// The words of a key, one after the other. Traps when the key is a symbol.
  public init(key: RandomKey) { self.init(words: key.hostWords) }
}

extension Tensor where Scalar: FloatingScalar {
  /// Independent numbers, uniform on [range.lowerBound, range.upperBound). Traps where the range is not finite or holds no
  /// number of this type.
  public static func uniform(shape: Shape, in range: Range<Double> = 0..<1, key: RandomKey) -> Tensor {
    let unit = Graph.one(.random(.uniform, shape, Scalar.dtype), [key.words.value])
    let (least, largest) = bounds(of: range)
    let width = range.upperBound - range.lowerBound
    let number = unit * width + least.asDouble
    // The largest uniform below 1, to which both roundings of the kernels (fused or not) are applied.
    let last = 1 - Scalar.ulpOfOne / 2
    let top = Swift.max(last * Scalar(width) + least, least.addingProduct(last, Scalar(width)))
    return Tensor(top <= largest ? number : .elementwise(.minimum, number, number.splat(largest.asDouble)))
  }

  /// The least and the largest number of this type in a range.
  private static func bounds(of range: Range<Double>) -> (Scalar, Scalar) {
    require(
      Scalar(range.upperBound - range.lowerBound).isFinite,
      "uniform: the range \(range) is not finite or too wide")
    var least = Scalar(range.lowerBound), largest = Scalar(range.upperBound)
    if least.asDouble < range.lowerBound { least = least.nextUp }
    if largest.asDouble >= range.upperBound { largest = largest.nextDown }
    require(least <= largest, "uniform: the range \(range) holds no \(Scalar.self)")
    return (least, largest)
  }

  /// Independent normal numbers. Mean and standard deviation are finite, also in the element type; the deviation is not
  /// negative.
  public static func normal(
    shape: Shape, mean: Double = 0, standardDeviation: Double = 1, key: RandomKey
  ) -> Tensor {
    require(
      Scalar(mean).isFinite, "normal: the mean must be finite in \(Scalar.self), got \(mean)")
    require(
      standardDeviation >= 0 && Scalar(standardDeviation).isFinite,
      "normal: the standard deviation must be finite in \(Scalar.self) and not negative, got \(standardDeviation)"
    )
    let unit = Graph.one(.random(.normal, shape, Scalar.dtype), [key.words.value])
    return Tensor(unit * standardDeviation + mean)
  }

  /// A mask: 1 with this probability, which is in [0, 1], else 0.
  public static func bernoulli(shape: Shape, probability: Double, key: RandomKey) -> Tensor {
    requireSetting("bernoulli", "the probability", probability, .share)
    return Tensor(repeating: Scalar(probability), shape: shape) .> uniform(shape: shape, key: key)
  }
}
