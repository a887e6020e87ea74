extension RandomKey {
  /// The two words, on the host. Traps when the key is a symbol.
  package var hostWords: SIMD2<UInt32> {
    guard case .constant(let storage) = words.value.node.operation else {
      preconditionFailure("RandomKey: the key is a symbol of a trace; initialisers and data need a known one")
    }
    let pointer = storage.pointer.assumingMemoryBound(to: UInt32.self)
    return SIMD2(pointer[0], pointer[1])
  }
}

extension RandomStream {
  /// The words of a key, one after the other.
  public init(key: RandomKey) { self.init(words: key.hostWords) }
}
