import CKernels

/// Whether so many numbers of a type are all finite.
package func areFinite(_ numbers: UnsafeRawPointer, count: Int, _ dtype: DType) -> Bool {
  nk_kernels_get(dtype.kernel).pointee.all_finite(numbers, count) != 0
}
