/// Something with parameters: a layer, a model, or a batch of data. A module is a value; a trained model is
/// another value of the same type.
///
/// ```swift
/// struct Spiral: Module {
///   var net = MLP<Float>(2, 50, 2, activation: .tanh)
///   func callAsFunction(_ t: Tensor<Float>, _ y: Tensor<Float>) -> Tensor<Float> { net(y * y * y) }
///   mutating func visitParameters(_ visit: inout ParameterVisitor) { visit("net", &net) }
/// }
/// ```
public protocol Module: Sendable {
  /// Shows every parameter and every module inside of this one, always in the same order, each with a name.
  mutating func visitParameters(_ visit: inout ParameterVisitor)
}

/// Walks through the parameters of a module. Called with a name and a tensor, a module, or an array or
/// optional of those; names are joined by dots ("net.layers.0.weight").
public struct ParameterVisitor {
  /// What is done with each parameter.
  private enum Action {
    case read, replace([Value])
  }

  private let action: Action
  private let recordsNames: Bool
  private var path: [String] = []
  package private(set) var names: [String] = []
  package private(set) var values: [Value] = []
  /// For each of the values: whether an optimizer moves it.
  package private(set) var areTrained: [Bool] = []
  private var isStatistic = false
  private var position = 0

  package init(recordsNames: Bool) {
    action = .read
    self.recordsNames = recordsNames
  }

  /// Puts these values into the places, in order.
  package init(replacements: [Value]) {
    action = .replace(replacements)
    recordsNames = false
  }

  /// - Parameter name: different from those of the module's other parameters and modules.
  public mutating func callAsFunction(_ name: String, _ module: inout some Module) {
    if recordsNames { path.append(name) }
    module.visitParameters(&self)
    if recordsNames { path.removeLast() }
  }

  /// Shows a parameter that is not trained, such as a running mean: part of the model and its checkpoints, which an objective
  /// may replace, but optimizers leave alone.
  public mutating func statistic(_ name: String, _ module: inout some Module) {
    let wasStatistic = isStatistic
    isStatistic = true
    self(name, &module)
    isStatistic = wasStatistic
  }

  fileprivate mutating func leaf<Scalar>(_ tensor: inout Tensor<Scalar>) {
    switch action {
    case .read:
      values.append(tensor.value)
      areTrained.append(!isStatistic)
      if recordsNames { names.append(path.joined(separator: ".")) }
    case .replace(let replacements):
      require(
        position < replacements.count,
        "ParameterVisitor: \(replacements.count) replacements for more parameters; does visitParameters change?"
      )
      let value = replacements[position]
      require(
        value.type == tensor.value.type,
        "ParameterVisitor: parameter \(position) is a \(tensor.value.type), its replacement a \(value.type)")
      tensor = Tensor(value)
    }
    position += 1
  }

  /// Ends a replacement: all values must have found a place.
  fileprivate func checkComplete() {
    guard case .replace(let replacements) = action else { return }
    require(
      position == replacements.count,
      "ParameterVisitor: \(replacements.count) replacements for \(position) parameters; does visitParameters change?"
    )
  }
}

extension Tensor: Module {
  public mutating func visitParameters(_ visit: inout ParameterVisitor) { visit.leaf(&self) }
}

extension Array: Module where Element: Module {
  public mutating func visitParameters(_ visit: inout ParameterVisitor) {
    for i in indices { visit(String(i), &self[i]) }
  }
}

extension Optional: Module where Wrapped: Module {
  public mutating func visitParameters(_ visit: inout ParameterVisitor) { self?.visitParameters(&visit) }
}

extension Module {
  /// The parameters' graph values in order.
  package var parameterValues: [Value] {
    var copy = self
    var visitor = ParameterVisitor(recordsNames: false)
    copy.visitParameters(&visitor)
    return visitor.values
  }

  /// The same module with other parameters, of the same types, in the order of the visit.
  package func replacingParameters(_ values: [Value]) -> Self {
    var copy = self
    var visitor = ParameterVisitor(replacements: values)
    copy.visitParameters(&visitor)
    visitor.checkComplete()
    return copy
  }

  /// The same module, whose parameters no gradient reaches.
  public func stoppingGradient() -> Self { replacingParameters(parameterValues.map(\.stoppingGradient)) }

  /// The number of trainable scalars: without those of statistics, which `parameterLayout.count` has.
  public var parameterCount: Int {
    var copy = self
    var visitor = ParameterVisitor(recordsNames: false)
    copy.visitParameters(&visitor)
    return zip(visitor.values, visitor.areTrained).reduce(0) { $0 + ($1.1 ? $1.0.shape.count : 0) }
  }

  /// Where each parameter lies in the module's flat vector.
  public var parameterLayout: ParameterLayout { ParameterLayout(self) }
}
