// The two modes, as one loop each over the nodes between inputs and outputs. No recursion, no tape: the graph is the tape,
// and the results are graph again, so derivatives nest.

/// Reverse mode: the cotangents of `inputs`, given those of `outputs` (nil: identically zero). Contributions to one value are
/// added in a fixed order: descending creation of the users, ascending operand.
package func pullback(of outputs: [Value], cotangents: [Value?], to inputs: [Value]) -> [Value?] {
  pullback(of: outputs, cotangents: cotangents, to: inputs, wanted: inputs.map { _ in true })
}

func pullback(of outputs: [Value], cotangents: [Value?], to inputs: [Value], wanted: [Bool]) -> [Value?] {
  require(
    outputs.count == cotangents.count, "pullback: \(outputs.count) outputs, \(cotangents.count) cotangents")
  var sources: Set<Value> = []
  for (input, wanted) in zip(inputs, wanted) where wanted && input.dtype.isFloating { sources.insert(input) }
  let found = accumulatedCotangents(of: outputs, cotangents, from: sources) { sources.contains($0) }
  return zip(inputs, wanted).map { $1 ? found[$0] : nil }
}

/// Reverse mode down to `sources`: the cotangents of those values between there and `outputs` that `isKept` names.
func accumulatedCotangents(
  of outputs: [Value], _ cotangents: [Value?], from sources: Set<Value>, keeping isKept: (Value) -> Bool
) -> [Value: Value] {
  let nodes = Graph.dependents(of: Array(sources), in: outputs)
  let active = activeValues(from: sources, through: nodes)
  var accumulated: [Value: Value] = [:]
  func add(_ cotangent: Value, to value: Value) {
    require(
      cotangent.type == value.type, "pullback: a cotangent \(cotangent.type) does not fit a \(value.type)")
    accumulated[value] = accumulated[value].map { $0 + cotangent } ?? cotangent
  }
  for (output, cotangent) in zip(outputs, cotangents) where active.contains(output) {
    if let cotangent { add(cotangent, to: output) }
  }
  for node in nodes.reversed() {
    let results = node.types.indices.map { Value(node, $0) }
    let cotangents = results.map {
      isKept($0) ? accumulated[$0] : accumulated.removeValue(forKey: $0)
    }
    if cotangents.allSatisfy({ $0 == nil }) { continue }
    let wanted = node.operands.map { active.contains($0) }
    let contributions = node.operation.vjp(node.operands, results, cotangents, wanted: wanted)
    for (index, operand) in node.operands.enumerated() where wanted[index] {
      if let contribution = contributions[index] { add(contribution, to: operand) }
    }
  }
  return accumulated
}

/// `sources` and the values that may have a derivative with respect to them: what only reaches them through integers or
/// `stopGradient` has none, and nobody computes (or, in a solve, integrates) cotangents for it.
private func activeValues(from sources: Set<Value>, through nodes: [Node]) -> Set<Value> {
  var active = sources
  for node in nodes {
    if case .stopGradient = node.operation { continue }
    guard node.operands.contains(where: { active.contains($0) }) else { continue }
    for index in node.types.indices where node.types[index].dtype.isFloating {
      active.insert(Value(node, index))
    }
  }
  return active
}

/// Forward mode: the tangents of `outputs`, given those of `inputs` (nil: identically zero).
package func pushforward(of outputs: [Value], inputs: [Value], tangents: [Value?]) -> [Value?] {
  let known = knownTangents(of: outputs, inputs: inputs, tangents)
  return outputs.map { known[$0] }
}

/// Forward mode: the tangents of all values between `inputs` and `outputs`, but for those that are identically zero.
func knownTangents(of outputs: [Value], inputs: [Value], _ tangents: [Value?]) -> [Value: Value] {
  require(
    inputs.count == tangents.count, "pushforward: \(inputs.count) inputs, \(tangents.count) tangents")
  var known: [Value: Value] = [:]
  for (input, tangent) in zip(inputs, tangents) {
    guard let tangent else { continue }
    require(
      tangent.type == input.type, "pushforward: a tangent \(tangent.type) does not fit a \(input.type)")
    known[input] = tangent
  }
  let sources = Set(known.keys)
  for node in Graph.dependents(of: Array(sources), in: outputs) {
    let results = node.types.indices.map { Value(node, $0) }
    let tangents = node.operands.map { known[$0] }
    if tangents.allSatisfy({ $0 == nil }) { continue }
    let derivatives = node.operation.jvp(node.operands, results, tangents)
    for (result, tangent) in zip(results, derivatives) where !sources.contains(result) {
      if let tangent { known[result] = tangent }
    }
  }
  return known
}
