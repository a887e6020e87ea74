import Synchronization

/// Element type and shape of one value.
package struct TensorType: Sendable, Hashable, CustomStringConvertible {
  package var dtype: DType
  package var shape: Shape

  package init(_ dtype: DType, _ shape: Shape) {
    self.dtype = dtype
    self.shape = shape
  }

  package var byteCount: Int { shape.count * dtype.byteCount }
  package var description: String { "\(dtype)\(shape)" }
}

/// One result of one node.
package struct Value: Sendable {
  package let node: Node
  package let index: Int

  package init(_ node: Node, _ index: Int = 0) {
    self.node = node
    self.index = index
  }

  package var type: TensorType { node.types[index] }
  package var shape: Shape { type.shape }
  package var dtype: DType { type.dtype }
}

extension Value: Hashable {
  package static func == (a: Value, b: Value) -> Bool { a.node === b.node && a.index == b.index }
  package func hash(into hasher: inout Hasher) {
    hasher.combine(ObjectIdentifier(node))
    hasher.combine(index)
  }
}

/// An immutable node of the expression graph.
///
/// Identifiers grow with creation and operands exist before the node that uses them, so sorting by identifier is a
/// topological order: no pass needs recursion.
///
/// `@unchecked Sendable`: all stored properties are constant after `init` but `operands`, which only `deinit` changes,
/// and the memo, which is behind a lock.
package final class Node: @unchecked Sendable {
  package let id: UInt64
  package let operation: Operation
  package private(set) var operands: [Value]
  package let types: [TensorType]
  /// Results that were evaluated; later evaluations start from them.
  private let memo = Guarded<[Storage?]?>(nil)

  private static let counter = Atomic<UInt64>(0)

  package init(_ operation: Operation, _ operands: [Value], types: [TensorType]) {
    id = Node.counter.add(1, ordering: .relaxed).newValue
    self.operation = operation
    self.operands = operands
    self.types = types
  }

  package func evaluated(_ index: Int) -> Storage? {
    if case .constant(let storage) = operation { return storage }
    return memo.withLock { $0?[index] }
  }

  package func memoize(_ storage: Storage, at index: Int) {
    memo.withLock {
      if $0 == nil { $0 = Array(repeating: nil, count: types.count) }
      $0![index] = storage
    }
  }

  // A chain of 10^6 nodes would overflow the stack if each freed its operands recursively: the one that dies first
  // takes apart, in a loop, every node that only it still holds.
  deinit {
    guard !operands.isEmpty else { return }
    var pending = operands.map(\.node)
    operands.removeAll()
    while var node = pending.popLast() {
      if isKnownUniquelyReferenced(&node) {
        pending.append(contentsOf: node.operands.map(\.node))
        node.operands.removeAll()
      }
    }
  }
}
