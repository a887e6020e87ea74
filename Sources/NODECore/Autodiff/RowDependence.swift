// Whether the rows of a field see each other. A divergence is taken row by row: where a row of the value depends on another
// row of the state, every formula for it, exact or estimated, gives another number, and no number looks wrong.

/// What makes rows of `output` depend on other rows of `input`, [rows..., d] both, by the name of the operation; nil where
/// nothing is known to. What is followed is where the rows are; an operation after which they could be anywhere (rows taken
/// apart and put together again) is trusted.
func rowMixing(of output: Value, at input: Value) -> String? {
  let rows = Shape(input.shape.dimensions.dropLast())
  guard rows.count > 1 else { return nil }
  var walk = RowWalk(count: rows.count, states: [input: .blocks])
  for node in Graph.dependents(of: [input], in: [output]) { walk.visit(node) }
  switch walk.states[output] {
  case .mixed(let name): return name
  case .axes: return "permute"
  case .blocks, .unknown, nil: return nil
  }
}

private struct RowWalk {
  enum State: Equatable {
    /// The elements are as many blocks one after the other as there are rows, each of its row.
    case blocks
    /// These axes count the rows.
    case axes(Range<Int>)
    case unknown
    case mixed(by: String)
  }

  let count: Int
  /// Of the values that depend on the input.
  var states: [Value: State]

  mutating func visit(_ node: Node) {
    if case .stopGradient = node.operation { return }
    let own = node.operands.indices.filter { states[node.operands[$0]] != nil }
    guard !own.isEmpty else { return }
    let before = own.map { states[node.operands[$0]]! }
    let shape = Value(node, 0).shape
    let after =
      before.first { if case .mixed = $0 { true } else { false } }
      ?? (before.contains(.unknown) ? .unknown : through(node, own, before, shape))
    for index in node.types.indices { states[Value(node, index)] = after }
  }

  /// The axes that count the rows; nil where an axis counts rows and something else besides.
  private func axes(_ value: Value) -> Range<Int>? {
    switch states[value] {
    case .axes(let range): return range
    case .blocks:
      var product = 1
      for (axis, extent) in value.shape.dimensions.enumerated() {
        product *= extent
        if product % count == 0 { return value.shape.dimensions.firstIndex { $0 > 1 }!..<axis + 1 }
        if product > count { return nil }
      }
      return nil
    default: return nil
    }
  }

  private func at(_ range: Range<Int>, of shape: Shape) -> State {
    shape.dimensions[..<range.lowerBound].allSatisfy { $0 == 1 } ? .blocks : .axes(range)
  }

  private func through(_ node: Node, _ own: [Int], _ before: [State], _ shape: Shape) -> State {
    let operands = node.operands, first = operands[own[0]]
    switch node.operation {
    case .elementwise, .convert, .identity:
      return common(own.map { operands[$0] }, node)
    case .reshape:
      return before[0] == .blocks ? .blocks : .unknown
    case .conv2dFilterGradient:
      return .mixed(by: node.operation.name)
    case .conv2d, .conv2dInputGradient:
      return own == [0] ? (before[0] == .blocks ? .blocks : .unknown) : .mixed(by: node.operation.name)
    case .fused:
      return before.allSatisfy { $0 == .blocks } ? .blocks : .unknown
    case .matrix:
      guard before.allSatisfy({ $0 == .blocks }) else { return .unknown }
      return own.allSatisfy { operands[$0].shape.rank > 2 } ? .blocks : .mixed(by: node.operation.name)
    case .matmul(let transposeA, let transposeB):
      return product(node, own, shape, transposeA, transposeB)
    case .concatenate(let axis):
      let state = common(own.map { operands[$0] }, node)
      guard let range = axes(first) else { return .unknown }
      return range.contains(axis) ? .unknown : state
    default:
      guard let range = axes(first) else { return .unknown }
      return moved(node, first, range, isTable: own.contains(0))
    }
  }

  /// Through an operation on one value whose rows are counted by `range`.
  private func moved(_ node: Node, _ value: Value, _ range: Range<Int>, isTable: Bool) -> State {
    let same = states[value]!, mixed = State.mixed(by: node.operation.name)
    func isLong(_ axis: Int) -> Bool { range.contains(axis) && value.shape[axis] > 1 }
    switch node.operation {
    case .broadcast(let shape, let axes):
      let images = range.map { axes[$0] }
      let isWhole = zip(range, images).allSatisfy { value.shape[$0] == shape[$1] }
      guard isWhole, images.last! - images[0] == images.count - 1 else { return .unknown }
      return at(images[0]..<images.last! + 1, of: Value(node, 0).shape)
    case .permute(let order):
      let images = range.map { order.firstIndex(of: $0)! }
      guard zip(images, images.dropFirst()).allSatisfy({ $1 == $0 + 1 }) else { return .unknown }
      return at(images[0]..<images.last! + 1, of: Value(node, 0).shape)
    case .slice(let start, let limit, let step):
      let isWhole = range.allSatisfy { start[$0] == 0 && limit[$0] == value.shape[$0] && step[$0] == 1 }
      return isWhole ? same : .unknown
    case .pad(let low, let high, let interior):
      return range.allSatisfy { low[$0] == 0 && high[$0] == 0 && interior[$0] == 0 } ? same : .unknown
    case .reverse(let axes):
      return axes.contains(where: isLong) ? mixed : same
    case .reduce(_, let axes):
      if axes.contains(where: isLong) { return mixed }
      if axes.contains(where: range.contains) { return .unknown }
      let gone = axes.filter { $0 < range.lowerBound }.count
      return at(range.lowerBound - gone..<range.upperBound - gone, of: Value(node, 0).shape)
    case .gather where isTable:
      let shift = node.operands[1].shape.rank - 1
      return range.lowerBound == 0 ? mixed : .axes(range.lowerBound + shift..<range.upperBound + shift)
    case .scatterAdd where isTable:
      let leading = node.operands[1].shape.rank
      return range.lowerBound < leading
        ? mixed : .axes(range.lowerBound + 1 - leading..<range.upperBound + 1 - leading)
    case .rowwise:
      return isLong(value.shape.rank - 1) ? mixed : same
    default:
      return .unknown
    }
  }

  /// Values of one shape, element by element, or side by side.
  private func common(_ values: [Value], _ node: Node) -> State {
    let found = values.map { states[$0]! }
    guard let other = found.first(where: { $0 != found[0] }) else { return found[0] }
    guard let a = axes(values[0]), let b = axes(values[found.firstIndex(of: other)!]) else { return .unknown }
    return a.overlaps(b) ? .unknown : .mixed(by: node.operation.name)
  }

  private func product(_ node: Node, _ own: [Int], _ shape: Shape, _ transposeA: Bool, _ transposeB: Bool)
    -> State
  {
    let mixed = State.mixed(by: node.operation.name), rank = shape.rank
    let found = own.map { index -> State in
      let operand = node.operands[index], size = operand.shape.rank
      guard let range = axes(operand) else { return .unknown }
      // The axis that is summed over, and where the other one of a matrix goes.
      let inner = (index == 0) != transposeA ? size - 1 : size - 2
      let outer = inner == size - 1 ? size - 2 : size - 1
      if range.contains(inner) { return operand.shape[inner] > 1 ? mixed : .unknown }
      if range.upperBound <= size - 2 { return size == rank ? at(range, of: shape) : .unknown }
      if range == outer..<outer + 1 {
        return at(index == 0 ? rank - 2..<rank - 1 : rank - 1..<rank, of: shape)
      }
      return index == 0 && outer == size - 2 && size == rank ? at(range, of: shape) : .unknown
    }
    if let bad = found.first(where: { $0 == mixed }) { return bad }
    if found.contains(.unknown) { return .unknown }
    return found.allSatisfy { $0 == found[0] } ? found[0] : mixed
  }
}
