import CKernels

/// Memory of one run, and the table of its arguments' addresses.
///
/// `@unchecked Sendable`: whoever takes it from a `WorkspaceList` is the only one to use it until it is put back.
package final class Workspace: @unchecked Sendable {
  package let pointer: UnsafeMutableRawPointer
  package let byteCount: Int
  package let arguments: UnsafeMutablePointer<UnsafeMutableRawPointer?>

  /// nil where there is not so much memory.
  init?(byteCount: Int, argumentCount: Int) {
    guard let memory = nk_memory_new(Int64(byteCount)) else { return nil }
    self.byteCount = byteCount
    pointer = memory
    arguments = .allocate(capacity: max(argumentCount, 1))
    arguments.initialize(repeating: nil, count: max(argumentCount, 1))
  }

  deinit {
    nk_memory_free(pointer)
    arguments.deallocate()
  }
}

/// The workspaces of one program that no run is using. A run takes one, or makes one where all are taken; so nothing is
/// allocated once there are as many as there ever are runs at the same time.
package final class WorkspaceList: Sendable {
  private let argumentCount: Int
  private let idle: Guarded<[Workspace]>

  package init(argumentCount: Int) {
    self.argumentCount = argumentCount
    var list: [Workspace] = []
    list.reserveCapacity(16)  // putting one back must not allocate either
    idle = Guarded(list)
  }

  /// Throws `.outOfMemory` where a new one is needed and there is not so much memory.
  package func withWorkspace<Result>(
    byteCount: Int, _ body: (Workspace) throws(SolveError) -> Result
  ) throws(SolveError) -> Result {
    guard
      let workspace = take(byteCount) ?? Workspace(byteCount: byteCount, argumentCount: argumentCount)
    else { throw .outOfMemory(bytes: byteCount) }
    defer { idle.withLock { $0.append(workspace) } }
    return try body(workspace)
  }

  /// Frees what no run is using.
  package func removeAll() {
    idle.withLock { $0.removeAll(keepingCapacity: true) }
  }

  /// Bytes of the idle workspaces.
  package var idleBytes: Int {
    idle.withLock { $0.reduce(0) { $0 + $1.byteCount } }
  }

  private func take(_ byteCount: Int) -> Workspace? {
    idle.withLock { list in
      // One that is too small was made for fewer threads: it makes room for one that serves both.
      while let workspace = list.popLast() {
        if workspace.byteCount >= byteCount { return workspace }
      }
      return nil
    }
  }
}
