import CKernels

/// Sizes that only the kernels know and the memory plan needs.
package enum KernelSizes {
  /// Bytes of a packed right-hand operand [k, n].
  package static func packedBytes(_ dtype: DType, k: Int, n: Int) -> Int {
    Int(nk_kernels_get(dtype.kernel).pointee.packed_bytes(Int64(k), Int64(n)))
  }

  /// Largest number of registers and operands of one `ElementwiseCode`.
  package static let maximumRegisters = Int(NK_VM_REGISTERS)
  package static let maximumOperands = Int(NK_VM_OPERANDS)
  /// Rows that the register tiles of all instruction sets divide. Blocks of a multiple of them are cut evenly.
  package static let tileRows = Int(NK_TILE_ROWS)
  /// Elements of one row of a solve's statistics.
  package static let statistics = Int(NK_ODE_STATISTICS)
  /// Where buffers should start, in bytes: a cache line, which is also the widest vector.
  package static let alignment = 64
}
