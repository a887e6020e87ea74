// Second derivatives of a function of rows, [rows, ...] -> [rows], along pairs of directions, for every row.
//
// A pair (s, t) of directions meets in every operation that is not linear:
//
//   d²y/ds dt = sum over operations f of (dy/df) · D²f(ds, dt)
//
// with dy/df from one reverse pass and ds, dt the tangents of f's operands, from one forward pass a direction. So k directions
// cost k + 2 passes for all k² pairs, where forward over reverse costs 2k + 2: tangents need not be pulled back again (Gower and
// Mello 2012, "A new framework for the computation of Hessians", equation 12). What remains for a pair is elementwise.

/// The gradient of every row, and its second derivatives along pairs of directions.
/// - Parameters:
///   - output: [rows], every element of which depends on the same row of the inputs alone.
///   - inputs: [rows, ...].
///   - directions: a tangent for each input, or nil for zero.
///   - pairs: indices of directions.
/// - Returns: `gradients` of the inputs' shapes (nil: identically zero), `seconds` [rows] for each pair (likewise).
package func rowCurvature(
  of output: Value, at inputs: [Value], along directions: [[Value?]], pairs: [(Int, Int)]
) -> (gradients: [Value?], seconds: [Value?]) {
  let nodes = Graph.dependents(of: inputs, in: [output])
  guard keepsRows(nodes, inputs, rows: output.shape.count) else {
    return forwardOverReverse(of: output, at: inputs, along: directions, pairs: pairs)
  }
  let cotangents = accumulatedCotangents(of: [output], [output.splat(1)], from: Set(inputs)) { _ in true }
  let tangents = directions.map { knownTangents(of: [output], inputs: inputs, $0) }
  var seconds = [Value?](repeating: nil, count: pairs.count)
  for node in nodes {
    let results = node.types.indices.map { Value(node, $0) }
    let weights = results.map { cotangents[$0] }
    guard weights.contains(where: { $0 != nil }) else { continue }
    let curvature = LocalCurvature(
      node, results, weights, isActive: { value in tangents.contains { $0[value] != nil } })
    for (index, (s, t)) in pairs.enumerated() {
      let along = [s, t].map { direction in node.operands.map { tangents[direction][$0] } }
      seconds[index] = sum([seconds[index], curvature.term(along[0], along[1])])
    }
  }
  return (inputs.map { cotangents[$0] }, seconds)
}

/// The share of one operation in second derivatives.
private struct LocalCurvature {
  private let node: Node, weights: [Value?]
  /// The operand that is no constant, where it is one alone and the operation elementwise, and weight times second derivative
  /// (nil: zero) there, which all pairs share.
  private var factor: (operand: Int, value: Value?)?

  init(_ node: Node, _ results: [Value], _ weights: [Value?], isActive: (Value) -> Bool) {
    self.node = node
    self.weights = weights
    let active = node.operands.indices.filter { isActive(node.operands[$0]) }
    guard case .elementwise = node.operation, active.count == 1 else { return }
    var ones = [Value?](repeating: nil, count: node.operands.count)
    ones[active[0]] = node.operands[active[0]].splat(1)
    factor = (active[0], second(ones, ones)[0].map { weights[0]! * $0 })
  }

  /// [rows], nil: zero.
  func term(_ s: [Value?], _ t: [Value?]) -> Value? {
    if let factor {
      guard let value = factor.value, let s = s[factor.operand], let t = t[factor.operand] else { return nil }
      return rowSum((value * s) * t)
    }
    return sum(
      zip(second(s, t), weights).map { second, weight in
        guard let second, let weight else { return nil }
        return rowSum(weight * second)
      })
  }

  private func rowSum(_ value: Value) -> Value { value.sum(axes: Array(1..<value.shape.rank)) }

  /// D²f(s, t) for each result f.
  private func second(_ s: [Value?], _ t: [Value?]) -> [Value?] {
    // Only where a direction moves an operand does it become a symbol: simplifications see the other ones as they are.
    let moved = node.operands.indices.filter { s[$0] != nil || t[$0] != nil }
    return Graph.differentiating(moved.map { node.operands[$0] }) { symbols in
      var operands = node.operands
      for (place, symbol) in zip(moved, symbols) { operands[place] = symbol }
      let tangents = node.operation.jvp(operands, Graph.node(node.operation, operands), s)
      return tangents.map { tangent in
        tangent.flatMap { pushforward(of: [$0], inputs: symbols, tangents: moved.map { t[$0] })[0] }
      }
    }
  }
}

/// The same by differentiating the gradient, for whatever its operations are.
private func forwardOverReverse(
  of output: Value, at inputs: [Value], along directions: [[Value?]], pairs: [(Int, Int)]
) -> (gradients: [Value?], seconds: [Value?]) {
  let gradients = pullback(of: [output], cotangents: [output.splat(1)], to: inputs)
  let known = gradients.compactMap { $0 }
  var changes: [Int: [Value: Value]] = [:]
  for first in Set(pairs.map(\.0)) {
    let tangents = pushforward(of: known, inputs: inputs, tangents: directions[first])
    changes[first] = Dictionary(
      zip(known, tangents).compactMap { gradient, tangent in tangent.map { (gradient, $0) } },
      uniquingKeysWith: { first, _ in first })
  }
  let seconds = pairs.map { s, t in
    sum(
      zip(gradients, directions[t]).map { gradient, direction in
        guard let direction, let change = gradient.flatMap({ changes[s]![$0] }) else { return nil }
        return (change * direction).sum(axes: Array(1..<change.shape.rank))
      })
  }
  return (gradients, seconds)
}

/// Whether the first axis of every value is the rows, none of which reads another: what lets second derivatives be added up
/// operation by operation. Operations of which that is not known by their shapes are taken not to.
private func keepsRows(_ nodes: [Node], _ inputs: [Value], rows: Int) -> Bool {
  guard inputs.allSatisfy({ $0.shape.rank > 0 && $0.shape[0] == rows }) else { return false }
  var dependent = Set(inputs)
  for node in nodes {
    let active = node.operands.indices.filter { dependent.contains(node.operands[$0]) }
    guard node.types.allSatisfy({ $0.shape.rank > 0 && $0.shape[0] == rows }),
      node.operation.keepsRows(node.operands.map(\.shape), active, rows: rows)
    else { return false }
    for index in node.types.indices { dependent.insert(Value(node, index)) }
  }
  return true
}

extension Operation {
  /// - Parameters:
  ///   - active: the operands whose first axis is the rows; the others belong to none.
  fileprivate func keepsRows(_ shapes: [Shape], _ active: [Int], rows: Int) -> Bool {
    switch self {
    case .elementwise, .convert, .stopGradient, .identity: true
    case .broadcast(let target, let axes): axes.first == 0 && shapes[0][0] == target[0]
    case .reshape(let target): target[0] == shapes[0][0]
    case .permute(let order): order[0] == 0
    case .slice(let start, let limit, _): start[0] == 0 && limit[0] == rows
    case .pad(let low, let high, let interior): low[0] == 0 && high[0] == 0 && interior[0] == 0
    case .reverse(let axes), .reduce(_, let axes): !axes.contains(0)
    case .concatenate(let axis): axis > 0
    case .matmul(let transposeA, _):
      active.allSatisfy { shapes[$0].rank > 2 }
        || active == [0] && shapes.allSatisfy { $0.rank == 2 } && !transposeA
    case .matrix: active.allSatisfy { shapes[$0].rank > 2 }
    case .rowwise: shapes[0].rank > 1
    case .input, .constant, .splat, .gather, .scatterAdd, .conv2d, .conv2dInputGradient,
      .conv2dFilterGradient,
      .fused, .random, .structured:
      false
    }
  }
}
