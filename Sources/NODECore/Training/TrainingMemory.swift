/// Parameters and optimizer state of a training run, each a flat vector kept twice: a step reads one copy and
/// writes the other, so that a step that fails leaves everything as it was.
final class TrainingMemory<Scalar: FloatingScalar> {
  let count: Int
  let vectorCount: Int
  /// Parameters, then the optimizer's vectors; all of that twice.
  private let base: UnsafeMutableRawPointer
  private let vectorBytes: Int
  private var current = 0
  /// Learning rate, step number and key of the next run, 64 bytes apart.
  private let controls: UnsafeMutableRawPointer
  /// Addresses in the order of the program's arguments, refreshed in place.
  private(set) var inputs: [UnsafeRawPointer] = []
  private(set) var outputs: [UnsafeMutableRawPointer] = []

  init(count: Int, vectorCount: Int) {
    self.count = count
    self.vectorCount = vectorCount
    vectorBytes = (count * MemoryLayout<Scalar>.stride + 63) / 64 * 64
    base = .allocate(byteCount: 2 * vectorCount * vectorBytes, alignment: 64)
    base.initializeMemory(as: UInt8.self, repeating: 0, count: 2 * vectorCount * vectorBytes)
    controls = .allocate(byteCount: 3 * 64, alignment: 64)
    controls.initializeMemory(as: UInt8.self, repeating: 0, count: 3 * 64)
    refresh()
  }

  deinit {
    base.deallocate()
    controls.deallocate()
  }

  func copy() -> TrainingMemory {
    let copy = TrainingMemory(count: count, vectorCount: vectorCount)
    for i in 0..<vectorCount { copy.vector(i).update(from: vector(i), count: count) }
    return copy
  }

  /// The present vector number `index`.
  func vector(_ index: Int) -> UnsafeMutablePointer<Scalar> {
    address(current, index).assumingMemoryBound(to: Scalar.self)
  }

  var parameterAddress: UnsafeRawPointer { UnsafeRawPointer(address(current, 0)) }
  var keyAddress: UnsafeRawPointer { UnsafeRawPointer(controls + 128) }

  func set(learningRate: Double, step: Int, key: SIMD2<UInt32>) {
    controls.storeBytes(of: Scalar(learningRate), as: Scalar.self)
    controls.storeBytes(of: Scalar(step), toByteOffset: 64, as: Scalar.self)
    controls.storeBytes(of: key.x, toByteOffset: 128, as: UInt32.self)
    controls.storeBytes(of: key.y, toByteOffset: 132, as: UInt32.self)
  }

  /// Whether all that the step wrote is finite. Between vectors there are zeros.
  var proposalIsFinite: Bool {
    areFinite(
      UnsafeRawPointer(address(1 - current, 0)),
      count: vectorCount * vectorBytes / MemoryLayout<Scalar>.stride,
      Scalar.dtype)
  }

  /// The vectors that the step wrote become the present ones.
  func swap() {
    current = 1 - current
    refresh()
  }

  private func address(_ copy: Int, _ index: Int) -> UnsafeMutableRawPointer {
    base + (copy * vectorCount + index) * vectorBytes
  }

  private func refresh() {
    inputs.removeAll(keepingCapacity: true)
    outputs.removeAll(keepingCapacity: true)
    for i in 0..<vectorCount {
      inputs.append(UnsafeRawPointer(address(current, i)))
      outputs.append(address(1 - current, i))
    }
    for i in 0..<3 { inputs.append(UnsafeRawPointer(controls + 64 * i)) }
  }
}
