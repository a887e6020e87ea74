/// The structure of a body: equal keys mean equal functions of the parameters, so a loop that traces its field anew every
/// turn finds the program of the turn before. Compared in full, no collision of hashes can mix up two bodies.
struct BodyKey: Hashable {
  private enum Step: Hashable {
    case operation(OperationKey, operands: [Int], types: [TensorType])
    /// Bodies hold small constants only; larger tensors are captures.
    case constant([UInt8], TensorType)
    /// The identifier of what has no key of its own: equal to itself only.
    case node(UInt64)
  }
  private var parameters: [TensorType] = []
  private var steps: [Step] = []
  private var outputs: [Int] = []

  init(_ body: GraphBody) {
    var numbers: [Value: Int] = [:]
    for parameter in body.parameters { numbers[parameter] = numbers.count }
    parameters = body.parameters.map(\.type)
    let parameterNodes = Set(body.parameters.map(\.node.id))
    for node in Graph.order(of: body.outputs) where !parameterNodes.contains(node.id) {
      if case .constant(let storage) = node.operation {
        steps.append(
          .constant(
            [UInt8](UnsafeRawBufferPointer(start: storage.pointer, count: storage.byteCount)), node.types[0]))
      } else if let key = OperationKey(node.operation) {
        steps.append(.operation(key, operands: node.operands.map { numbers[$0]! }, types: node.types))
      } else {
        steps.append(.node(node.id))
      }
      for index in node.types.indices { numbers[Value(node, index)] = numbers.count }
    }
    outputs = body.outputs.map { numbers[$0]! }
  }
}
