/// The largest constant, in elements, that stays inside of a body: copying it is cheaper than passing it.
private let inlineConstantLimit = 16

private func hasRows(_ value: Value, _ rows: Int?) -> Bool {
  rows.map { $0 > 1 && value.shape.rank > 0 && value.shape[0] == $0 } ?? false
}

/// Cuts the graph of `outputs` where it no longer depends on `parameters`: the result is a closed body whose parameters are
/// `parameters` (as new symbols, in order) followed by one for each capture, and the captured values themselves.
///
/// A capture is a maximal value that does not depend on the parameters, so that what can be computed once outside of the
/// body is. Exceptions stay inside: numbers and small constants, and broadcasts at the cut (their smaller operand is
/// captured: a bias is a capture of [n], not of [lanes, n]). A small constant of `rows` rows is a capture all the same: they
/// may belong to the lanes, one each.
package func hoist(outputs: [Value], parameters: [Value], rows: Int? = nil) -> (
  body: GraphBody, captures: [Value]
) {
  var inside: [Value: Value] = [:]
  var symbols = parameters.enumerated().map { index, parameter in
    let symbol = Graph.input("parameter\(index)", parameter.type)
    inside[parameter] = symbol
    return symbol
  }
  var captures: [Value] = []

  /// The body's version of a value that does not depend on the parameters.
  func captured(_ value: Value) -> Value {
    switch value.node.operation {
    case .splat:
      return value
    case .constant where value.shape.count <= inlineConstantLimit && !hasRows(value, rows):
      return value
    case .broadcast:
      // Nested broadcasts were merged when they were built: this goes one level down.
      let operand = inside[value.node.operands[0]] ?? captured(value.node.operands[0])
      let result = Graph.one(value.node.operation, [operand])
      inside[value] = result
      return result
    default:
      let symbol = Graph.input("capture\(captures.count)", value.type)
      symbols.append(symbol)
      captures.append(value)
      inside[value] = symbol
      return symbol
    }
  }

  for node in Graph.dependents(of: parameters, in: outputs) {
    let operands = node.operands.map { inside[$0] ?? captured($0) }
    for (index, result) in Graph.node(node.operation, operands).enumerated() {
      let value = Value(node, index)
      if inside[value] == nil { inside[value] = result }
    }
  }
  let results = outputs.map { inside[$0] ?? captured($0) }
  return (GraphBody(parameters: symbols, outputs: results), captures)
}
