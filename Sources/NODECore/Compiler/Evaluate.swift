// Lazy evaluation: reading a tensor's numbers compiles and runs the part of its graph that has no numbers yet.

/// The numbers of `values`, all from one program. Throws what a solve inside throws.
///
/// Results are memoised on their nodes, so a later evaluation starts from them; values in between are not, they may never
/// exist in memory.
package func evaluate(_ values: [Value]) throws -> [Storage] {
  let missing = Set(try values.filter { try known($0) == nil })
  if !missing.isEmpty {
    // Sorted, so that the same script gives the same program.
    let outputs = missing.sorted { ($0.node.id, $0.index) < ($1.node.id, $1.index) }
    let request = Request(outputs)
    let program = try ProgramCache.shared.program(for: request)
    for (output, storage) in zip(outputs, try program.run(request.leafStorages)) {
      output.node.memoize(storage, at: output.index)
    }
    // The next evaluation may never come: large workspaces do not wait for it.
    if program.idleWorkspaceBytes > ProgramCache.largestIdleWorkspace { program.releaseWorkspaces() }
  }
  return try values.map { try known($0)! }
}

/// Numbers that need no program: data, results of earlier evaluations, splats.
private func known(_ value: Value) throws -> Storage? {
  if let storage = value.node.evaluated(value.index) { return storage }
  guard case .splat(let x) = value.node.operation else { return nil }
  let storage = try Storage(splat: x, value.type)
  value.node.memoize(storage, at: value.index)
  return storage
}

extension Storage {
  fileprivate convenience init(splat x: Double, _ type: TensorType) throws(SolveError) {
    try self.init(uninitialized: type.byteCount)
    switch type.dtype {
    case .float32: pointer.initializeMemory(as: Float.self, repeating: Float(x), count: type.shape.count)
    case .float64: pointer.initializeMemory(as: Double.self, repeating: x, count: type.shape.count)
    case .int32: pointer.initializeMemory(as: Int32.self, repeating: Int32(x), count: type.shape.count)
    }
  }
}

/// The part of a graph that an evaluation computes: from values that have numbers (leaves) to the outputs.
///
/// Every leaf is an input of the program, small constants too: so the program of one turn of a script's loop serves the
/// next one, whose graph is the same but for its data.
struct Request {
  let outputs: [Value]
  private(set) var leaves: [Value] = []
  private(set) var leafStorages: [Storage] = []
  /// Operands before users.
  private(set) var nodes: [Node] = []

  init(_ outputs: [Value]) {
    self.outputs = outputs
    var seenNodes: Set<UInt64> = []
    var seenLeaves: Set<Value> = []
    var pending = outputs
    while let value = pending.popLast() {
      if let storage = value.node.evaluated(value.index) {
        if seenLeaves.insert(value).inserted {
          leaves.append(value)
          leafStorages.append(storage)
        }
        continue
      }
      guard seenNodes.insert(value.node.id).inserted else { continue }
      if case .input(let name) = value.node.operation {
        fatalError(Request.symbolMessage(name, value.type))
      }
      nodes.append(value.node)
      pending.append(contentsOf: value.node.operands)
    }
    nodes.sort { $0.id < $1.id }
  }

  private static func symbolMessage(_ name: String, _ type: TensorType) -> String {
    "evaluate: '\(name)', \(type), is a symbol: it has no numbers while `compiled` or a solve traces its closure. "
      + "Return the tensor from the closure and read it there, or use tensor operations (`where`, maximum) "
      + "instead of a decision on its numbers."
  }
}

extension Value {
  /// Whether the value's numbers depend on something that has none yet (a symbol of a trace), or that a derivative is
  /// being taken with respect to at this time.
  package var isTraced: Bool {
    var seen: Set<UInt64> = []
    var pending = [node]
    while let node = pending.popLast() {
      if node.isSymbol { return true }
      for operand in node.operands where seen.insert(operand.node.id).inserted {
        pending.append(operand.node)
      }
    }
    return false
  }
}

extension Tensor {
  /// The numbers in row-major order. Evaluates the tensor if nothing has yet; a solve inside that fails stops the program
  /// with its diagnosis: call `evaluated()` before, to catch that as an error.
  public var scalars: [Scalar] { storage().array(of: Scalar.self, count: count) }

  /// The only number. Traps where there are several. Evaluates like `scalars`.
  public var scalar: Scalar {
    require(count == 1, "scalar: a tensor of shape \(shape) has \(count) numbers, not one")
    return storage().pointer.load(as: Scalar.self)
  }

  /// The same numbers without their history: computed now, constant from here on. In a loop that carries a tensor from
  /// turn to turn this is what lets the memory of earlier turns go. Throws what a solve inside throws.
  public func evaluated() throws -> Tensor {
    Tensor(Graph.constant(try evaluate([value])[0], value.type))
  }

  private func storage() -> Storage {
    do { return try evaluate([value])[0] } catch {
      fatalError("evaluate: \(error)")
    }
  }
}

/// Evaluates several tensors by one program, which shares what they have in common. Throws what a solve inside throws.
public func evaluated<each Scalar>(_ tensors: repeat Tensor<each Scalar>) throws -> (
  repeat Tensor<each Scalar>
) {
  var values: [Value] = []
  repeat values.append((each tensors).value)
  var storages = try evaluate(values)[...]
  func next<S>(_ tensor: Tensor<S>) -> Tensor<S> {
    Tensor(Graph.constant(storages.removeFirst(), tensor.value.type))
  }
  return (repeat next(each tensors))
}

/// Evaluates several tensors by one program, which shares what they have in common. Throws what a solve inside throws.
public func evaluated<Scalar>(_ tensors: [Tensor<Scalar>]) throws -> [Tensor<Scalar>] {
  zip(tensors, try evaluate(tensors.map(\.value))).map { Tensor(Graph.constant($1, $0.value.type)) }
}

extension Array where Element: TensorScalar {
  /// The numbers of a tensor in row-major order.
  public init(_ tensor: Tensor<Element>) { self = tensor.scalars }
}
