// Walks over graphs, all with explicit stacks: graphs are deep.

extension Graph {
  /// The nodes that `outputs` reach, operands before users (ascending identifiers). Nodes made before `minimum` are left
  /// out, with everything below them: whoever looks for dependents of some value need not look at what is older than it.
  package static func order(of outputs: [Value], notBefore minimum: UInt64 = 0) -> [Node] {
    var seen: Set<UInt64> = []
    var nodes: [Node] = []
    var pending = outputs.map(\.node)
    while let node = pending.popLast() {
      guard node.id >= minimum, seen.insert(node.id).inserted else { continue }
      nodes.append(node)
      for operand in node.operands { pending.append(operand.node) }
    }
    nodes.sort { $0.id < $1.id }
    return nodes
  }

  /// The nodes between `inputs` and `outputs`, operands before users, without the inputs' own: those that `outputs`
  /// reach and that use an input, directly or through others.
  package static func dependents(of inputs: [Value], in outputs: [Value]) -> [Node] {
    guard let minimum = inputs.map(\.node.id).min() else { return [] }
    let sources = Set(inputs)
    let sourceNodes = Set(inputs.map(\.node.id))
    // Where the inputs are a node's only results, which is the rule, the node's identifier decides.
    var dependent = Set(inputs.lazy.filter { $0.node.types.count == 1 }.map(\.node.id))
    let mixed = dependent.count < sourceNodes.count
    return order(of: outputs, notBefore: minimum).filter { node in
      if sourceNodes.contains(node.id) { return false }
      let depends = node.operands.contains { operand in
        dependent.contains(operand.node.id) || (mixed && sources.contains(operand))
      }
      if depends { dependent.insert(node.id) }
      return depends
    }
  }

  /// The values of `outputs` after every use of a key of `replacing` became a use of its value: the part of the graph that
  /// depends on a key is built again, the rest is shared.
  package static func substitute(_ outputs: [Value], replacing: [Value: Value]) -> [Value] {
    for (old, new) in replacing {
      require(old.type == new.type, "substitute: a \(old.type) cannot become a \(new.type)")
    }
    var replaced = replacing
    for node in dependents(of: Array(replacing.keys), in: outputs) {
      let results = Graph.node(node.operation, node.operands.map { replaced[$0] ?? $0 })
      for (index, result) in results.enumerated() where replacing[Value(node, index)] == nil {
        replaced[Value(node, index)] = result
      }
    }
    return outputs.map { replaced[$0] ?? $0 }
  }
}
