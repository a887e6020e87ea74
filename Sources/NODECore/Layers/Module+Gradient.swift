/// The loss of a model and the gradient with respect to every parameter, as a module of the same type.
///
/// - Parameter loss: scalar; may itself contain solves and gradients.
public func valueAndGradient<M: Module, Scalar: FloatingScalar>(
  of model: M, _ loss: (M) throws -> Tensor<Scalar>
) rethrows -> (value: Tensor<Scalar>, gradient: M) {
  // Fresh identity nodes: the pullback stops at the parameters, whatever they are made of.
  try Graph.differentiating(model.parameterValues) { symbols in
    let value = try loss(model.replacingParameters(symbols))
    require(value.shape == [], "valueAndGradient: the loss must be a scalar, got shape \(value.shape)")
    let cotangents = pullback(of: [value.value], cotangents: [Graph.splat(1, like: value.value)], to: symbols)
    let gradient = zip(symbols, cotangents).map { $1 ?? Graph.splat(0, like: $0) }
    return (value, model.replacingParameters(gradient))
  }
}
