// A field traced with one scalar t, as the field of lanes that are each at a time of their own.
//
// What depends on t alone (embeddings of time, columns of it, weights that move with it) has no lane axis in the trace. With
// t of shape [lanes] such a value v of shape S exists in two forms: *stacked*, [lanes] + S, always; and, where S leads with the
// lanes because v was spread over the rows of a batch, *aligned*, S itself with row i at the time of lane i. What depends on
// the state reads the aligned form; stacked is how one gets there.

/// `body` (parameters t: scalar, y: [lanes, ...], captures) with t of shape [lanes]. Where it reads t in a way that has no
/// such form, the problem in words, and a body of the right types that nobody may run.
func laneTime(_ body: GraphBody, lanes: Int) -> (body: GraphBody, problem: String?) {
  var transform = LaneTime(body, lanes: lanes)
  do throws(LaneTime.Problem) {
    return (try transform.body(), nil)
  } catch {
    return (transform.atFirstLane(), error.description)
  }
}

private struct LaneTime {
  struct Problem: Error { let description: String }

  let source: GraphBody
  let lanes: Int
  /// [lanes].
  let time: Value
  /// Nodes that depend on t and not on y; values that depend on y, rebuilt.
  private var timeNodes: Set<UInt64> = []
  private var rebuilt: [Value: Value] = [:]
  private var stackedForms: [Value: Value] = [:]
  private var alignedForms: [Value: Value] = [:]

  init(_ source: GraphBody, lanes: Int) {
    self.source = source
    self.lanes = lanes
    let t = source.parameters[0]
    time = Graph.input("t", TensorType(t.dtype, [lanes]))
    stackedForms[t] = time
  }

  /// The field at the time of lane 0.
  func atFirstLane() -> GraphBody {
    let first = time.sliced(row: 0).reshaped(to: [])
    return GraphBody(
      parameters: [time] + source.parameters[1...],
      outputs: Graph.substitute(source.outputs, replacing: [source.parameters[0]: first]))
  }

  mutating func body() throws(Problem) -> GraphBody {
    let t = source.parameters[0], y = source.parameters[1]
    timeNodes = Set(Graph.dependents(of: [t], in: source.outputs).map(\.id) + [t.node.id])
    let stateNodes = Graph.dependents(of: [y], in: source.outputs)
    timeNodes.subtract(stateNodes.map(\.id))
    for node in stateNodes {
      for (index, result) in try rebuild(node).enumerated() { rebuilt[Value(node, index)] = result }
    }
    var outputs: [Value] = []
    for output in source.outputs {
      outputs.append(isOfTime(output) ? try aligned(output) : rebuilt[output] ?? output)
    }
    return GraphBody(parameters: [time] + source.parameters[1...], outputs: outputs)
  }

  private func isOfTime(_ value: Value) -> Bool { timeNodes.contains(value.node.id) }

  private func problem(_ node: Node, _ what: String) -> Problem {
    Problem(
      description: "odeint: with steps per lane every lane has its own t, but \(what) in "
        + "\(node.operation.name)(\(node.operands.map { "\($0.type)" }.joined(separator: ", ")))")
  }

  /// A node that depends on the state, with what it reads of time aligned.
  private mutating func rebuild(_ node: Node) throws(Problem) -> [Value] {
    let operands = node.operands
    if case .matmul(false, _) = node.operation, isOfTime(operands[1]), !isOfTime(operands[0]),
      operands[0].shape.rank == 2, operands[0].shape[0] == lanes
    {
      return [try product(of: rebuilt[operands[0]] ?? operands[0], node)]
    }
    var inputs: [Value] = []
    for operand in operands {
      guard isOfTime(operand) else {
        inputs.append(rebuilt[operand] ?? operand)
        continue
      }
      switch node.operation {
      case .elementwise: break
      case .concatenate(let axis) where axis > 0: break
      case .matmul, .matrix: return try batched(node)
      default: throw problem(node, "the shared t of the trace is read")
      }
      inputs.append(try aligned(operand))
    }
    return Graph.node(node.operation, inputs)
  }

  /// The product of rows with a matrix: where that moves with t, of each row with its own.
  private mutating func product(of rows: Value, _ node: Node) throws(Problem) -> Value {
    guard isOfTime(node.operands[1]) else { return Graph.one(node.operation, [rows, node.operands[1]]) }
    let row = rows.reshaped(to: [lanes, 1, rows.shape[1]])
    return Graph.one(node.operation, [row, try stacked(node.operands[1])]).reshaped(to: node.types[0].shape)
  }

  /// A product or linear algebra of a batch whose leading axis is the lanes: a matrix for the whole batch that moves with t
  /// becomes one for every lane.
  private mutating func batched(_ node: Node) throws(Problem) -> [Value] {
    var inputs: [Value] = []
    for operand in node.operands {
      // Matrices, and the pivots of some.
      let isBatch = operand.shape.rank > (operand.dtype == .int32 ? 1 : 2)
      if !isOfTime(operand) {
        inputs.append(rebuilt[operand] ?? operand)
      } else if !isBatch {
        inputs.append(try stacked(operand))
      } else if operand.shape[0] == lanes {
        inputs.append(try aligned(operand))
      } else {
        throw problem(node, "the shared t of the trace is read")
      }
    }
    // A matrix for all lanes would have become one for every lane here: no batch whose rows are lanes.
    let results = Graph.node(node.operation, inputs)
    guard results.map(\.type) == node.types else { throw problem(node, "the shared t of the trace is read") }
    return results
  }

  // MARK: Values of time

  /// Row i at the time of lane i; the shape is unchanged.
  private mutating func aligned(_ value: Value) throws(Problem) -> Value {
    guard isOfTime(value) else { return value }
    if let known = alignedForms[value] { return known }
    let node = value.node, operands = node.operands, shape = value.shape
    guard shape.rank > 0, shape[0] == lanes else { throw problem(node, "a value of t without lanes is read") }
    let result: Value
    switch node.operation {
    case .matmul where shape.rank > 2, .matrix:
      result = try batched(node)[value.index]
    case .matmul(false, _) where operands[0].shape.rank == 2:
      result = try product(of: aligned(operands[0]), node)
    case .broadcast(let to, let axes):
      let operand = operands[0]
      if axes.first != 0 {
        result = Graph.one(.broadcast(to: to, axes: [0] + axes), [try stacked(operand)])
      } else if operand.shape[0] == lanes && lanes > 1 {
        result = Graph.one(node.operation, [try aligned(operand)])
      } else {
        let rows = try stacked(operand).reshaped(
          to: Shape([lanes] + operand.shape.dimensions.dropFirst()))
        result = Graph.one(.broadcast(to: to, axes: axes), [rows])
      }
    case .elementwise, .convert, .identity, .stopGradient:
      var inputs: [Value] = []
      for operand in operands { inputs.append(try aligned(operand)) }
      result = Graph.one(node.operation, inputs)
    case .concatenate(let axis) where axis > 0:
      var inputs: [Value] = []
      for operand in operands { inputs.append(try aligned(operand)) }
      result = Graph.one(node.operation, inputs)
    case .reshape where operands[0].shape.rank > 0 && operands[0].shape[0] == lanes:
      result = try aligned(operands[0]).reshaped(to: shape)
    case .slice(let start, let limit, let step)
    where start[0] == 0 && step[0] == 1 && limit[0] == operands[0].shape[0]:
      result = Graph.one(node.operation, [try aligned(operands[0])])
    case .reduce(_, let axes) where !axes.contains(0):
      result = Graph.one(node.operation, [try aligned(operands[0])])
    case .permute(let order) where order.first == 0:
      result = Graph.one(node.operation, [try aligned(operands[0])])
    case .pad(let low, let high, let interior) where low[0] == 0 && high[0] == 0 && interior[0] == 0:
      result = Graph.one(node.operation, [try aligned(operands[0])])
    default:
      throw problem(node, "rows of a batch are made of t")
    }
    alignedForms[value] = result
    return result
  }

  /// [lanes] + shape.
  private mutating func stacked(_ value: Value) throws(Problem) -> Value {
    if let known = stackedForms[value] { return known }
    let shape = Shape([lanes] + value.shape.dimensions)
    let result: Value
    if isOfTime(value) {
      result = try stackedNode(value, shape)
    } else {
      result = value.broadcast(to: shape, axes: Array(1..<shape.rank))
    }
    stackedForms[value] = result
    return result
  }

  private mutating func stackedNode(_ value: Value, _ shape: Shape) throws(Problem) -> Value {
    let node = value.node
    func later(_ axes: [Int]) -> [Int] { axes.map { $0 + 1 } }
    if case .matmul = node.operation {
      var inputs: [Value] = []
      for operand in node.operands {
        inputs.append(isOfTime(operand) || operand.shape.rank != 2 ? try stacked(operand) : operand)
      }
      return Graph.one(node.operation, inputs)
    }
    var inputs: [Value] = []
    for operand in node.operands { inputs.append(try stacked(operand)) }
    switch node.operation {
    case .elementwise, .convert, .identity, .stopGradient:
      return Graph.one(node.operation, inputs)
    case .matrix:
      return Graph.node(node.operation, inputs)[value.index]
    case .broadcast(let to, let axes):
      return Graph.one(.broadcast(to: Shape([lanes] + to.dimensions), axes: [0] + later(axes)), inputs)
    case .reshape:
      return inputs[0].reshaped(to: shape)
    case .permute(let order):
      return Graph.one(.permute([0] + later(order)), inputs)
    case .slice(let start, let limit, let step):
      return Graph.one(.slice(start: [0] + start, limit: [lanes] + limit, step: [1] + step), inputs)
    case .pad(let low, let high, let interior):
      return Graph.one(.pad(low: [0] + low, high: [0] + high, interior: [0] + interior), inputs)
    case .reverse(let axes):
      return Graph.one(.reverse(axes: later(axes)), inputs)
    case .concatenate(let axis):
      return Graph.one(.concatenate(axis: axis + 1), inputs)
    case .reduce(let reduction, let axes):
      return Graph.one(.reduce(reduction, axes: later(axes)), inputs)
    default:
      throw problem(node, "it is applied to t alone")
    }
  }
}
