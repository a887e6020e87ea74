/// The value of a closure with a derivative of your own: `vjp` takes the arguments, the value and a cotangent of the
/// value's shape, and gives a cotangent for each argument.
///
/// ```swift
/// let y = customGradient(at: x, value: { log(1.0 + exp($0)) }) { x, _, cotangent in cotangent * sigmoid(x) }
/// ```
/// Every derivative of the result is made of `vjp`: reverse mode calls it, forward mode transposes it (so it has to be
/// linear in the cotangent; where it is not, as in clipping, forward mode has its derivative at a cotangent of zero), and
/// higher orders differentiate what it computed. Derivatives know the arguments only: what `value` captures is a constant
/// to them, what `vjp` captures one to the first.
public func customGradient<S: FloatingScalar>(
  at x: [Tensor<S>], value: ([Tensor<S>]) throws -> Tensor<S>,
  vjp: @escaping @Sendable (_ x: [Tensor<S>], _ value: Tensor<S>, _ cotangent: Tensor<S>) -> [Tensor<S>]
) rethrows -> Tensor<S> {
  let result = try value(x)
  let rule = CustomDerivative { x, y, cotangent in
    let cotangents = vjp(x.map { Tensor<S>($0) }, Tensor<S>(y), Tensor<S>(cotangent))
    require(
      cotangents.map(\.shape) == x.map(\.shape),
      "customGradient: cotangents of shapes \(cotangents.map(\.shape)) for arguments of shapes \(x.map(\.shape))"
    )
    return cotangents.map(\.value)
  }
  return Tensor(Graph.one(.structured(rule), [result.value] + x.map(\.value)))
}

/// The value of a closure of one tensor with a derivative of your own; see `customGradient` of several.
public func customGradient<S: FloatingScalar>(
  at x: Tensor<S>, value: (Tensor<S>) throws -> Tensor<S>,
  vjp: @escaping @Sendable (_ x: Tensor<S>, _ value: Tensor<S>, _ cotangent: Tensor<S>) -> Tensor<S>
) rethrows -> Tensor<S> {
  try customGradient(at: [x], value: { try value($0[0]) }, vjp: { [vjp($0[0], $1, $2)] })
}

/// Operands y, x...: the value of y, whose derivative with respect to x is the rule's and with respect to y zero. The
/// compiler sees y.
struct CustomDerivative: StructuredOperation {
  /// The cotangents of x, given x, y and the cotangent of y.
  let rule: @Sendable (_ x: [Value], _ y: Value, _ cotangent: Value) -> [Value]

  var name: String { "customGradient" }
  var identity: AnyHashable? { nil }

  func resultTypes(_ operands: [TensorType]) -> [TensorType] { [operands[0]] }

  func jvp(operands: [Value], results: [Value], tangents: [Value?]) -> [Value?] {
    guard tangents.dropFirst().contains(where: { $0 != nil }) else { return [nil] }
    // The transpose of the rule, which is linear in its cotangent: y' . c = x' . rule(c) for every c.
    return Graph.differentiating([results[0].splat(0)]) { cotangent in
      let back = rule(Array(operands.dropFirst()), results[0], cotangent[0])
      return pullback(of: back, cotangents: Array(tangents.dropFirst()), to: cotangent)
    }
  }

  func vjp(operands: [Value], results: [Value], cotangents: [Value?], wanted: [Bool]) -> [Value?] {
    guard let cotangent = cotangents[0] else { return operands.map { _ in nil } }
    return [nil] + rule(Array(operands.dropFirst()), results[0], cotangent)
  }
}
