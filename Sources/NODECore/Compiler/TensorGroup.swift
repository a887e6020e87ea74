/// Something made of tensors: a tensor, a random key, an array of such, or a structure that visits its parts.
///
/// What `compiled` closures take and return. The structure (how many parts there are, everything that is no tensor) is
/// fixed when a closure is traced; only the tensors' numbers are data.
public protocol TensorGroup: Sendable {
  /// Calls `visit` on every tensor, always in the same order. The visitor may replace them.
  mutating func visitTensors(_ visit: inout TensorVisitor)
}

/// Walks over the tensors of a `TensorGroup`, to collect or to replace them.
public struct TensorVisitor {
  private enum Task {
    case collect
    case replace(with: ArraySlice<Value>)
  }

  private var task: Task
  private var collected: [Value] = []
  /// Numbers of tensors seen at the start and at the end of every part: tells structures apart that hold equal tensors.
  private var structure: [Int] = []

  private init(_ task: Task) {
    self.task = task
    if case .collect = task {
      // Arrays that grow one by one do so by what malloc happens to have: a call would not always allocate the same.
      collected.reserveCapacity(8)
      structure.reserveCapacity(16)
    }
  }

  /// One tensor.
  public mutating func callAsFunction<Scalar>(_ tensor: inout Tensor<Scalar>) {
    switch task {
    case .collect: collected.append(tensor.value)
    case .replace(var values):
      tensor = Tensor(values.removeFirst())
      task = .replace(with: values)
    }
  }

  /// All tensors of a part.
  public mutating func callAsFunction(_ group: inout some TensorGroup) {
    if case .collect = task { structure.append(collected.count) }
    group.visitTensors(&self)
    if case .collect = task { structure.append(collected.count) }
  }

  /// The tensors of all groups, one after the other, and how the groups hold them.
  static func values<each Group: TensorGroup>(of groups: repeat each Group) -> (
    values: [Value], structure: [Int]
  ) {
    var visitor = TensorVisitor(.collect)
    func visit(_ group: some TensorGroup) {
      var group = group
      visitor(&group)
    }
    repeat visit(each groups)
    return (visitor.collected, visitor.structure)
  }

  static func replace<each Group: TensorGroup>(each groups: repeat each Group, from values: [Value]) -> (
    repeat each Group
  ) {
    var values = values[...]
    return (repeat replace(each groups, from: &values))
  }

  /// The group with other tensors, taken from the front of `values`.
  static func replace<Group: TensorGroup>(_ group: Group, from values: inout ArraySlice<Value>) -> Group {
    var visitor = TensorVisitor(.replace(with: values))
    var group = group
    visitor(&group)
    if case .replace(let rest) = visitor.task { values = rest }
    return group
  }
}

extension Tensor: TensorGroup {
  public mutating func visitTensors(_ visit: inout TensorVisitor) { visit(&self) }
}

extension RandomKey: TensorGroup {
  public mutating func visitTensors(_ visit: inout TensorVisitor) {
    var words = words
    visit(&words)
    self = RandomKey(words: words)
  }
}

extension Array: TensorGroup where Element: TensorGroup {
  public mutating func visitTensors(_ visit: inout TensorVisitor) {
    for index in indices { visit(&self[index]) }
  }
}

extension Optional: TensorGroup where Wrapped: TensorGroup {
  public mutating func visitTensors(_ visit: inout TensorVisitor) {
    guard var wrapped = self else { return }
    visit(&wrapped)
    self = wrapped
  }
}
