import Synchronization

/// The time while the closure of a derivative runs: what it builds on its arguments is still going to be differentiated.
///
/// The nodes that stand for the arguments (`Operation.identity`) hold the scope of their derivative. It is closed when
/// that returns; they are plain copies of what was passed from then on, whoever still holds them.
package final class DerivativeScope: Sendable {
  private let open = Atomic<Bool>(true)

  package init() {}

  package var isOpen: Bool { open.load(ordering: .acquiring) }
  package func close() { open.store(false, ordering: .releasing) }
}

extension Graph {
  /// `body` with distinct nodes of the same values, to be differentiated with respect to while it runs.
  package static func differentiating<Result>(
    _ values: [Value], _ body: ([Value]) throws -> Result
  ) rethrows -> Result {
    let scope = DerivativeScope()
    defer { scope.close() }
    return try body(values.map { one(.identity(scope), [$0]) })
  }
}

extension Node {
  /// A placeholder of a trace, or an argument of a derivative that is still being taken.
  package var isSymbol: Bool {
    switch operation {
    case .input: true
    case .identity(let scope): scope?.isOpen == true
    default: false
    }
  }
}
