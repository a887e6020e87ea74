/// Elements in memory: aligned to 64 bytes, written only before it is shared.
///
/// `@unchecked Sendable`: the bytes are filled by the one who creates it, inside of `init`, and only read afterwards.
package final class Storage: @unchecked Sendable {
  package let pointer: UnsafeMutableRawPointer
  package let byteCount: Int

  /// Uninitialised bytes are handed to `fill`, which has to write all of them. Traps where there is no memory.
  package init(byteCount: Int, fill: (UnsafeMutableRawPointer) throws -> Void) rethrows {
    guard let memory = AlignedMemory.allocate(byteCount: byteCount) else {
      fatalError("Tensor: there is no memory for \(byteCount) bytes")
    }
    self.byteCount = byteCount
    pointer = memory
    do { try fill(pointer) } catch {
      AlignedMemory.free(pointer)
      throw error
    }
  }

  /// Bytes that somebody else writes before they are shared. Throws `.outOfMemory`.
  package init(uninitialized byteCount: Int) throws(SolveError) {
    guard let memory = AlignedMemory.allocate(byteCount: byteCount) else {
      throw .outOfMemory(bytes: byteCount)
    }
    self.byteCount = byteCount
    pointer = memory
  }

  package convenience init<S: TensorScalar>(_ scalars: [S]) {
    self.init(byteCount: scalars.count * MemoryLayout<S>.stride) { target in
      scalars.withUnsafeBytes { source in
        if let base = source.baseAddress { target.copyMemory(from: base, byteCount: source.count) }
      }
    }
  }

  deinit { AlignedMemory.free(pointer) }

  package func array<S: TensorScalar>(of type: S.Type, count: Int) -> [S] {
    Array(UnsafeBufferPointer(start: UnsafePointer(pointer.assumingMemoryBound(to: S.self)), count: count))
  }
}
