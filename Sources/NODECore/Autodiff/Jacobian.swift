/// Which way the chain rule is multiplied out.
public enum DerivativeMode: Sendable, Hashable, CaseIterable {
  /// From arguments to results: one pass for each element of the argument.
  case forward
  /// From results to arguments: one pass for each element of the result.
  case reverse
}

/// The Jacobian of f at x, shape [result..., x...]: every partial derivative, for small functions. Without a mode the one with
/// fewer passes; the graph grows by one derivative for each.
public func jacobian<S: FloatingScalar>(
  at x: Tensor<S>, mode: DerivativeMode? = nil, of f: (Tensor<S>) throws -> Tensor<S>
) rethrows -> Tensor<S> {
  try Graph.differentiating([x.value]) { arguments in
    let argument = arguments[0]
    let result = try f(Tensor<S>(argument))
    let shape = Shape(result.shape.dimensions + x.shape.dimensions)
    switch mode ?? (x.count < result.count ? .forward : .reverse) {
    case .reverse:
      let rows = (0..<result.count).map { index in
        let row = pullback(of: [result.value], cotangents: [unit(index, result)], to: [argument])[0]
        return Tensor<S>(row ?? argument.splat(0))
      }
      return rows.isEmpty ? .zeros(shape) : Tensor.stacked(rows).reshaped(to: shape)
    case .forward:
      let columns = (0..<x.count).map { index in
        let column = pushforward(of: [result.value], inputs: [argument], tangents: [unit(index, x)])[0]
        return Tensor<S>(column ?? result.value.splat(0))
      }
      return columns.isEmpty ? .zeros(shape) : Tensor.stacked(columns, axis: result.rank).reshaped(to: shape)
    }
  }
}

/// The Hessian of f at x, shape [x..., x...]; the result of `f` has one element. Forward over reverse.
public func hessian<S: FloatingScalar>(
  at x: Tensor<S>, of f: (Tensor<S>) throws -> Tensor<S>
) rethrows -> Tensor<S> {
  try jacobian(at: x, mode: .forward) { try gradient(at: $0, of: f) }
}

/// The tensor of this one's shape that is 1 at one element and 0 elsewhere.
private func unit<S: FloatingScalar>(_ index: Int, _ like: Tensor<S>) -> Value {
  var scalars = Array(repeating: S(0.0), count: like.count)
  scalars[index] = S(1.0)
  return Graph.constant(scalars, like.shape)
}
