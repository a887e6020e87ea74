/// Where the parameters of a module lie in one contiguous vector. Sizes and offsets both come from here.
public struct ParameterLayout: Sendable, Hashable {
  /// One parameter and its place in the vector.
  public struct Entry: Sendable, Hashable {
    /// Dotted name, "net.layers.0.weight".
    public let name: String
    public let shape: Shape
    /// In elements.
    public let offset: Int
    package let dtype: DType
    /// False: a statistic, which optimizers leave alone.
    public let isTrained: Bool
    /// Its elements of the vector, row-major.
    public var range: Range<Int> { offset..<(offset + shape.count) }
  }

  /// In the order of the visit, without gaps between them.
  public let entries: [Entry]
  /// Elements of the vector.
  public let count: Int

  /// Traps where two parameters have the same name.
  public init(_ module: some Module) {
    var copy = module
    var visitor = ParameterVisitor(recordsNames: true)
    copy.visitParameters(&visitor)
    var offset = 0
    entries = visitor.values.indices.map { i in
      let value = visitor.values[i]
      defer { offset += value.shape.count }
      return Entry(
        name: visitor.names[i], shape: value.shape, offset: offset, dtype: value.dtype,
        isTrained: visitor.areTrained[i])
    }
    count = offset
    require(
      Set(visitor.names).count == visitor.names.count,
      "Module: two parameters have the same name among \(visitor.names)")
  }

  /// How another layout differs, for a message; nil where names, types and shapes are the same.
  package func difference(of other: ParameterLayout) -> String? {
    func text(_ entry: Entry) -> String { "\(entry.name), \(entry.dtype)\(entry.shape)" }
    for (index, (found, expected)) in zip(other.entries, entries).enumerated() where found != expected {
      return "parameter \(index) is \(text(found)), where \(text(expected)), is expected"
    }
    let common = min(entries.count, other.entries.count)
    if entries.count > common {
      return "\(common) parameters where \(entries.count) are expected: \(text(entries[common])), is missing"
    }
    if other.entries.count > common {
      return
        "\(other.entries.count) parameters where \(common) are expected: \(text(other.entries[common])), is new"
    }
    return nil
  }

  /// The one element type of all parameters. Traps where they differ: a flat vector has one.
  package func requireDType(_ dtype: DType, _ operation: String) {
    for entry in entries where entry.dtype != dtype {
      fatalError("\(operation): parameter \(entry.name) is \(entry.dtype) where \(dtype) is needed")
    }
  }

  /// The parameters out of the vector, in order.
  package func unflatten(_ vector: Value) -> [Value] {
    require(vector.shape == [count], "ParameterLayout: vector \(vector.shape) for \(count) parameters")
    return entries.map { entry in
      let piece = Graph.one(
        .slice(start: [entry.offset], limit: [entry.range.upperBound], step: [1]), [vector])
      return Graph.one(.reshape(entry.shape), [piece])
    }
  }

  /// One vector of the values, which have the parameters' shapes.
  package func flatten(_ values: [Value]) -> Value {
    let rows = values.map { Graph.one(.reshape([$0.shape.count]), [$0]) }
    return rows.count == 1 ? rows[0] : Graph.one(.concatenate(axis: 0), rows)
  }
}

extension Module {
  /// All parameters, also those that are not trained, as one vector [parameterLayout.count]. Traps where a parameter is not
  /// a `Scalar`.
  public func parameterVector<Scalar: FloatingScalar>(_ type: Scalar.Type = Float.self) -> Tensor<Scalar> {
    let layout = parameterLayout
    layout.requireDType(Scalar.dtype, "parameterVector")
    return layout.count == 0 ? .zeros([0]) : Tensor(layout.flatten(parameterValues))
  }

  /// The same module with the parameters of a vector [parameterLayout.count].
  public func replacingParameters<Scalar: FloatingScalar>(with vector: Tensor<Scalar>) -> Self {
    replacingParameters(parameterLayout.unflatten(vector.value))
  }
}
