/// Memory for one batch, written in place: a loop over batches that fills a buffer and steps with it
/// allocates nothing. Two of them let one be filled while the other is computed with.
public final class BatchBuffer<Batch: Module> {
  /// Structure of the batch; its numbers are not used.
  package let example: Batch
  package let types: [TensorType]
  private let pointers: [UnsafeMutableRawPointer]
  package let addresses: [UnsafeRawPointer]

  /// A buffer for batches with the same tensors and shapes; zeros at first.
  public init(like example: Batch) {
    self.example = example
    types = example.parameterValues.map(\.type)
    for type in types { type.shape.requireMemory(for: "BatchBuffer", type.dtype) }
    pointers = types.map { type in
      let pointer = UnsafeMutableRawPointer.allocate(byteCount: max(type.byteCount, 64), alignment: 64)
      pointer.initializeMemory(as: UInt8.self, repeating: 0, count: max(type.byteCount, 64))
      return pointer
    }
    addresses = pointers.map { UnsafeRawPointer($0) }
  }

  deinit { for pointer in pointers { pointer.deallocate() } }

  /// Elements of tensor number `index`, from 0, in the order of the batch's `visitParameters`.
  public func scalars<Scalar: TensorScalar>(_ index: Int, of type: Scalar.Type) -> UnsafeMutableBufferPointer<
    Scalar
  > {
    require(
      types.indices.contains(index), "BatchBuffer.scalars: tensor \(index) of a batch of \(types.count)")
    require(
      types[index].dtype == Scalar.dtype,
      "BatchBuffer: tensor \(index) is \(types[index]), not of \(Scalar.self)")
    return UnsafeMutableBufferPointer(
      start: pointers[index].assumingMemoryBound(to: Scalar.self), count: types[index].shape.count)
  }
}
