// Products with Jacobians, without the Jacobians.

/// f(x) and the product of its Jacobian with a direction of x's shape (forward mode): the tangent has the result's shape.
public func jvp<S: FloatingScalar>(
  at x: Tensor<S>, along direction: Tensor<S>, of f: (Tensor<S>) throws -> Tensor<S>
) rethrows -> (value: Tensor<S>, tangent: Tensor<S>) {
  try jvp(at: [x], along: [direction]) { try f($0[0]) }
}

/// f(x) and the product of its Jacobian with a direction, for a function of several tensors (forward mode).
public func jvp<S: FloatingScalar>(
  at x: [Tensor<S>], along direction: [Tensor<S>], of f: ([Tensor<S>]) throws -> Tensor<S>
) rethrows -> (value: Tensor<S>, tangent: Tensor<S>) {
  require(
    x.map(\.shape) == direction.map(\.shape),
    "jvp: directions \(direction.map(\.shape)) do not fit arguments \(x.map(\.shape))")
  return try Graph.differentiating(x.map(\.value)) { arguments in
    let result = try f(arguments.map { Tensor<S>($0) })
    let tangent = pushforward(of: [result.value], inputs: arguments, tangents: direction.map(\.value))[0]
    return (result, Tensor(tangent ?? result.value.splat(0)))
  }
}

/// f(x) and the function that multiplies a cotangent of the result's shape with the Jacobian (reverse mode): it gives a tensor
/// of x's shape.
public func vjp<S: FloatingScalar>(
  at x: Tensor<S>, of f: (Tensor<S>) throws -> Tensor<S>
) rethrows -> (value: Tensor<S>, pullback: @Sendable (Tensor<S>) -> Tensor<S>) {
  let (value, back) = try vjp(at: [x]) { try f($0[0]) }
  return (value, { back($0)[0] })
}

/// f(x) and the function that multiplies a cotangent with the Jacobian, for a function of several tensors (reverse mode).
public func vjp<S: FloatingScalar>(
  at x: [Tensor<S>], of f: ([Tensor<S>]) throws -> Tensor<S>
) rethrows -> (value: Tensor<S>, pullback: @Sendable (Tensor<S>) -> [Tensor<S>]) {
  let (arguments, result) = try Graph.differentiating(x.map(\.value)) { arguments in
    (arguments, try f(arguments.map { Tensor<S>($0) }))
  }
  return (
    result,
    { cotangent in
      require(
        cotangent.shape == result.shape,
        "vjp: a cotangent of shape \(cotangent.shape) does not fit a result of shape \(result.shape)")
      let cotangents = pullback(of: [result.value], cotangents: [cotangent.value], to: arguments)
      return zip(arguments, cotangents).map { Tensor($1 ?? $0.splat(0)) }
    }
  )
}

/// The product of the Hessian of f with a vector of x's shape; the result of `f` has one element. Forward over reverse: about
/// the cost of two gradients.
public func hvp<S: FloatingScalar>(
  at x: Tensor<S>, along vector: Tensor<S>, of f: (Tensor<S>) throws -> Tensor<S>
) rethrows -> Tensor<S> {
  try jvp(at: x, along: vector) { try gradient(at: $0, of: f) }.tangent
}
