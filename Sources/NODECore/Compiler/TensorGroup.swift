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
  private var collected: [Value] = []
  private var replacements: [Value]?
  /// Numbers of tensors seen at the start and at the end of every part: tells structures apart that hold equal tensors.
  private var structure: [Int] = []

  private init(replacements: [Value]?) { self.replacements = replacements }

  /// One tensor.
  public mutating func callAsFunction<Scalar>(_ tensor: inout Tensor<Scalar>) {
    if let replacement = replacements?[collected.count] { tensor = Tensor(replacement) }
    collected.append(tensor.value)
  }

  /// All tensors of a part.
  public mutating func callAsFunction(_ group: inout some TensorGroup) {
    structure.append(collected.count)
    group.visitTensors(&self)
    structure.append(collected.count)
  }

  static func values<Group: TensorGroup>(of group: Group) -> (values: [Value], structure: [Int]) {
    var visitor = TensorVisitor(replacements: nil)
    var group = group
    visitor(&group)
    return (visitor.collected, visitor.structure)
  }

  static func values<each Group: TensorGroup>(ofEach groups: repeat each Group) -> [Value] {
    var result: [Value] = []
    repeat result += values(of: each groups).values
    return result
  }

  static func replace<each Group: TensorGroup>(each groups: repeat each Group, from values: [Value]) -> (
    repeat each Group
  ) {
    var values = values[...]
    return (repeat replace(each groups, from: &values))
  }

  /// The group with other tensors, taken from the front of `values`.
  static func replace<Group: TensorGroup>(_ group: Group, from values: inout ArraySlice<Value>) -> Group {
    var visitor = TensorVisitor(replacements: Array(values))
    var group = group
    visitor(&group)
    values = values.dropFirst(visitor.collected.count)
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
