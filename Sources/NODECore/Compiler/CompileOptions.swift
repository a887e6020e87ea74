import Foundation

/// What the caller knows of an input's leading axis.
package enum LaneHint: Sendable, Hashable {
  /// The compiler decides.
  case automatic
  /// Rows that are samples.
  case lanes
  /// Not a row a sample: parameters, tables.
  case shared
}

package struct CompileOptions: Sendable {
  /// Per input; missing ones are automatic.
  package var lanes: [LaneHint] = []
  /// Fuse elementwise chains and run lanes in blocks. Off: one instruction after another on whole tensors, for tests.
  package var optimizes = true

  package init(lanes: [LaneHint] = [], optimizes: Bool = true) {
    self.lanes = lanes
    self.optimizes = optimizes
  }
}

/// A graph that cannot be compiled: it reads a symbol of another trace, or the field of a solve does what it must not
/// (mix the rows of lanes that have steps of their own; solve another equation or loop at every evaluation).
public struct CompileError: Error, Hashable, CustomStringConvertible {
  public private(set) var description: String
  init(_ description: String) { self.description = description }
}

extension CompileError: LocalizedError {
  /// As in print.
  public var errorDescription: String? { description }
}
