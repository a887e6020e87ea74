/// Programs of recent evaluations, by the structure of their graphs.
///
/// A script's loop evaluates the same graph again and again with other data; without this it would compile every time.
/// The lock is held for a look-up only, never while something is compiled or run, and the cache never changes a result.
final class ProgramCache: Sendable {
  static let shared = ProgramCache(capacity: 64)
  /// Bytes that a program of the cache may keep for its next run.
  static let largestIdleWorkspace = 16 << 20

  private struct Entry {
    var program: Program
    var lastUse: UInt64
  }
  private struct State {
    var entries: [StructureKey: Entry] = [:]
    var clock: UInt64 = 0
  }

  private let capacity: Int
  private let state = Guarded(State())

  init(capacity: Int) { self.capacity = capacity }

  func program(for request: Request) throws -> Program {
    guard let key = StructureKey(request) else { return try compile(request) }
    if let program = find(key) { return program }
    let program = try compile(request)
    state.withLock { state in
      if state.entries.count >= capacity {
        let oldest = state.entries.min { $0.value.lastUse < $1.value.lastUse }
        if let oldest { state.entries[oldest.key] = nil }
      }
      state.entries[key] = Entry(program: program, lastUse: state.clock)
    }
    return program
  }

  private func find(_ key: StructureKey) -> Program? {
    state.withLock { state in
      state.clock += 1
      state.entries[key]?.lastUse = state.clock
      return state.entries[key]?.program
    }
  }

  private func compile(_ request: Request) throws -> Program {
    try Program.compile(inputs: request.leaves, outputs: request.outputs)
  }
}

/// What two graphs have in common whose programs are the same: operations and connections, not data. Compared in full, so
/// that no collision of hashes can ever give a wrong program.
struct StructureKey: Hashable {
  private struct Step: Hashable {
    var operation: OperationKey
    var operands: [Int]
    var types: [TensorType]
  }
  private let leaves: [TensorType]
  private let steps: [Step]
  private let outputs: [Int]
  /// Kernels differ in how operands are packed.
  private let instructionSet = InstructionSet.current
  private let minimumBlockBytes = BlockSize.minimumBytes.get()

  /// Nil where an operation has no identity to compare.
  init?(_ request: Request) {
    // Values by number: the leaves, then all results of every node.
    var numbers: [Value: Int] = [:]
    for leaf in request.leaves { numbers[leaf] = numbers.count }
    var steps: [Step] = []
    steps.reserveCapacity(request.nodes.count)
    for node in request.nodes {
      guard let operation = OperationKey(node.operation) else { return nil }
      steps.append(
        Step(operation: operation, operands: node.operands.map { numbers[$0]! }, types: node.types))
      for index in node.types.indices {
        let value = Value(node, index)
        // A result that has numbers already is a leaf.
        if numbers[value] == nil { numbers[value] = numbers.count }
      }
    }
    leaves = request.leaves.map(\.type)
    self.steps = steps
    outputs = request.outputs.map { numbers[$0]! }
  }
}

/// An operation as something to compare: equal keys on equal operands mean equal results.
enum OperationKey: Hashable {
  case splat(UInt64)
  case elementwise(Elementwise)
  case convert(DType)
  case stopGradient, identity, gather
  case broadcast(Shape, [Int])
  case reshape(Shape)
  case permute([Int])
  case slice([Int], [Int], [Int])
  case pad([Int], [Int], [Int])
  case reverse([Int])
  case concatenate(Int)
  case reduce(Reduction, [Int])
  case scatterAdd(Int)
  case rowwise(RowOperation)
  case matmul(Bool, Bool)
  case matrix(MatrixOperation)
  case conv2d(Convolution), conv2dInputGradient(Convolution), conv2dFilterGradient(Convolution)
  case fused(FusedOperation)
  case random(RandomDistribution, Shape, DType)
  case structured(AnyHashableIdentity)

  /// Nil for leaves that are no operations, and for structured operations without an identity.
  init?(_ operation: Operation) {
    switch operation {
    case .input, .constant: return nil
    // Bits, because 0 and -0 are equal and NaN is not.
    case .splat(let x): self = .splat(x.bitPattern)
    case .elementwise(let operation): self = .elementwise(operation)
    case .convert(let dtype): self = .convert(dtype)
    case .stopGradient: self = .stopGradient
    case .identity: self = .identity
    case .broadcast(let shape, let axes): self = .broadcast(shape, axes)
    case .reshape(let shape): self = .reshape(shape)
    case .permute(let order): self = .permute(order)
    case .slice(let start, let limit, let step): self = .slice(start, limit, step)
    case .pad(let low, let high, let interior): self = .pad(low, high, interior)
    case .reverse(let axes): self = .reverse(axes)
    case .concatenate(let axis): self = .concatenate(axis)
    case .reduce(let reduction, let axes): self = .reduce(reduction, axes)
    case .gather: self = .gather
    case .scatterAdd(let entries): self = .scatterAdd(entries)
    case .rowwise(let operation): self = .rowwise(operation)
    case .matmul(let a, let b): self = .matmul(a, b)
    case .matrix(let operation): self = .matrix(operation)
    case .conv2d(let g): self = .conv2d(g)
    case .conv2dInputGradient(let g): self = .conv2dInputGradient(g)
    case .conv2dFilterGradient(let g): self = .conv2dFilterGradient(g)
    case .fused(let operation): self = .fused(operation)
    case .random(let distribution, let shape, let dtype): self = .random(distribution, shape, dtype)
    case .structured(let operation):
      guard let identity = operation.identity else { return nil }
      self = .structured(AnyHashableIdentity(identity))
    }
  }
}

/// `AnyHashable` is not Sendable because it can hold anything. `@unchecked Sendable`: what structured operations give as
/// their identity is built of values (numbers, enumerations, identifiers) and is never changed.
struct AnyHashableIdentity: Hashable, @unchecked Sendable {
  private let identity: AnyHashable
  init(_ identity: AnyHashable) { self.identity = identity }
}
