// Reverse mode for functions with one number as a result.
//
// No placeholder, no tape: the arguments are wrapped in fresh nodes, the closure builds its graph on them, and the pullback
// walks back to them. So these work on live graphs, closures capture freely, and gradients nest to any order.

/// f(x) and its gradient, for a function of several tensors whose result has one element. Arguments that the result does not
/// depend on get zeros.
public func valueAndGradient<S: FloatingScalar>(
  at x: [Tensor<S>], of f: ([Tensor<S>]) throws -> Tensor<S>
) rethrows -> (value: Tensor<S>, gradient: [Tensor<S>]) {
  try Graph.differentiating(x.map(\.value)) { arguments in
    let result = try f(arguments.map { Tensor<S>($0) })
    require(
      result.count == 1, "gradient: the function's result must have one element, its shape is \(result.shape)"
    )
    let cotangents = pullback(of: [result.value], cotangents: [result.value.splat(1)], to: arguments)
    return (result, zip(x, cotangents).map { Tensor($1 ?? $0.value.splat(0)) })
  }
}

/// f(x) and its gradient, of x's shape; the result of `f` has one element.
public func valueAndGradient<S: FloatingScalar>(
  at x: Tensor<S>, of f: (Tensor<S>) throws -> Tensor<S>
) rethrows -> (value: Tensor<S>, gradient: Tensor<S>) {
  let (value, gradient) = try valueAndGradient(at: [x]) { try f($0[0]) }
  return (value, gradient[0])
}

/// f(x, y) and its gradient with respect to both.
public func valueAndGradient<S: FloatingScalar>(
  at x: Tensor<S>, _ y: Tensor<S>, of f: (Tensor<S>, Tensor<S>) throws -> Tensor<S>
) rethrows -> (value: Tensor<S>, gradient: (Tensor<S>, Tensor<S>)) {
  let (value, gradient) = try valueAndGradient(at: [x, y]) { try f($0[0], $0[1]) }
  return (value, (gradient[0], gradient[1]))
}

/// f(x, y, z) and its gradient with respect to all three.
public func valueAndGradient<S: FloatingScalar>(
  at x: Tensor<S>, _ y: Tensor<S>, _ z: Tensor<S>, of f: (Tensor<S>, Tensor<S>, Tensor<S>) throws -> Tensor<S>
) rethrows -> (value: Tensor<S>, gradient: (Tensor<S>, Tensor<S>, Tensor<S>)) {
  let (value, gradient) = try valueAndGradient(at: [x, y, z]) { try f($0[0], $0[1], $0[2]) }
  return (value, (gradient[0], gradient[1], gradient[2]))
}

/// The gradient of a function of several tensors whose result has one element.
public func gradient<S: FloatingScalar>(
  at x: [Tensor<S>], of f: ([Tensor<S>]) throws -> Tensor<S>
) rethrows -> [Tensor<S>] {
  try valueAndGradient(at: x, of: f).gradient
}

/// The gradient of f at x, of x's shape; the result of `f` has one element.
public func gradient<S: FloatingScalar>(
  at x: Tensor<S>, of f: (Tensor<S>) throws -> Tensor<S>
) rethrows -> Tensor<S> {
  try valueAndGradient(at: x, of: f).gradient
}

/// The gradient of f at (x, y).
public func gradient<S: FloatingScalar>(
  at x: Tensor<S>, _ y: Tensor<S>, of f: (Tensor<S>, Tensor<S>) throws -> Tensor<S>
) rethrows -> (Tensor<S>, Tensor<S>) {
  try valueAndGradient(at: x, y, of: f).gradient
}

/// The gradient of f at (x, y, z).
public func gradient<S: FloatingScalar>(
  at x: Tensor<S>, _ y: Tensor<S>, _ z: Tensor<S>, of f: (Tensor<S>, Tensor<S>, Tensor<S>) throws -> Tensor<S>
) rethrows -> (Tensor<S>, Tensor<S>, Tensor<S>) {
  try valueAndGradient(at: x, y, z, of: f).gradient
}
