// Fused operations: first-order rules through the gradient kernels; their own derivatives, from second order on, through the
// definition in primitives.

extension FusedOperation {
  func jvp(_ x: [Value], _ y: [Value], _ t: [Value?]) -> [Value?] {
    switch self {
    case .groupNorm(let groups, _):
      // The Jacobian of the normalisation is symmetric: its kernel for cotangents serves tangents.
      guard let t = t[0] else { return [nil, nil] }
      let moments = GroupedShape(x[0].shape, groups: groups)
      let slope = moments.sum(y[0] * t) * (-1 / Double(moments.population))
      return [
        Graph.one(.fused(.groupNormGradient(groups: groups)), [y[0], y[1], t]), slope * y[1].map(.square),
      ]
    case .softmaxCrossEntropy:
      guard let t = t[0] else { return [nil] }
      let gradient = Graph.one(.fused(.softmaxCrossEntropyGradient), [x[0], x[1], y[0].splat(1)])
      return [(gradient * t).sum(axes: [t.shape.rank - 1])]
    case .pool2d(maximum: false, _, _):
      return [t[0].map { Graph.one(.fused(self), [$0]) }]
    case .pool2d(maximum: true, _, _), .groupNormGradient, .softmaxCrossEntropyGradient, .pool2dGradient:
      return throughDefinition(x) { outputs, inputs in pushforward(of: outputs, inputs: inputs, tangents: t) }
    }
  }

  func vjp(_ x: [Value], _ y: [Value], _ ct: [Value?], _ wanted: [Bool]) -> [Value?] {
    switch self {
    case .groupNorm(let groups, _):
      let direct = ct[0].map { Graph.one(.fused(.groupNormGradient(groups: groups)), [y[0], y[1], $0]) }
      // d rstd / d x = -rstd^2 y / population.
      let moments = GroupedShape(x[0].shape, groups: groups)
      let throughScale = ct[1].map { ct in
        y[0] * moments.spread(ct * y[1].map(.square) * (-1 / Double(moments.population)))
      }
      return [sum([direct, throughScale])]
    case .softmaxCrossEntropy:
      return [ct[0].map { Graph.one(.fused(.softmaxCrossEntropyGradient), [x[0], x[1], $0]) }, nil]
    case .pool2d(let maximum, let size, let stride):
      let gradient = FusedOperation.pool2dGradient(maximum: maximum, size: size, stride: stride)
      return [ct[0].map { Graph.one(.fused(gradient), [x[0], $0]) }]
    case .groupNormGradient, .softmaxCrossEntropyGradient, .pool2dGradient:
      return throughDefinition(x) { outputs, inputs in
        pullback(of: outputs, cotangents: ct, to: inputs.indices.map { inputs[$0] }, wanted: wanted)
      }
    }
  }

  /// Differentiates the definition on copies of the operands: these cut it off from the graph below.
  private func throughDefinition(_ operands: [Value], _ differentiate: ([Value], [Value]) -> [Value?])
    -> [Value?]
  {
    let copies = operands.map(\.identity)
    return differentiate(definition(copies), copies)
  }
}
