/// A closed piece of graph: everything that the outputs reach is a parameter, a constant or computed from those.
package struct GraphBody: Sendable {
  /// `.input` nodes.
  package var parameters: [Value]
  package var outputs: [Value]

  package init(parameters: [Value], outputs: [Value]) {
    self.parameters = parameters
    self.outputs = outputs
  }
}
