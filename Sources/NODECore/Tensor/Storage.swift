/// Elements in memory: aligned to 64 bytes, written only before it is shared.
///
/// `@unchecked Sendable`: the bytes are filled by the one who creates it, inside of `init`, and only read afterwards.
package final class Storage: @unchecked Sendable {
  package let pointer: UnsafeMutableRawPointer
  package let byteCount: Int

  /// Uninitialised bytes are handed to `fill`, which has to write all of them.
  package init(byteCount: Int, fill: (UnsafeMutableRawPointer) throws -> Void) rethrows {
    self.byteCount = byteCount
    pointer = .allocate(byteCount: max(byteCount, 64), alignment: 64)
    do { try fill(pointer) } catch {
      pointer.deallocate()
      throw error
    }
  }

  package convenience init<S: TensorScalar>(_ scalars: [S]) {
    self.init(byteCount: scalars.count * MemoryLayout<S>.stride) { target in
      scalars.withUnsafeBytes { source in
        if let base = source.baseAddress { target.copyMemory(from: base, byteCount: source.count) }
      }
    }
  }

  deinit { pointer.deallocate() }

  package func array<S: TensorScalar>(of type: S.Type, count: Int) -> [S] {
    Array(UnsafeBufferPointer(start: UnsafePointer(pointer.assumingMemoryBound(to: S.self)), count: count))
  }
}
