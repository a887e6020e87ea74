import CKernels

/// Memory aligned to 64 bytes, from where the kernels have theirs.
package enum AlignedMemory {
  /// nil where there is not so much of it.
  package static func allocate(byteCount: Int) -> UnsafeMutableRawPointer? { nk_memory_new(Int64(byteCount)) }

  package static func free(_ pointer: UnsafeMutableRawPointer) { nk_memory_free(pointer) }
}
