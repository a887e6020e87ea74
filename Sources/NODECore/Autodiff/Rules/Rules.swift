// The derivative rules of all primitives: two exhaustive switches, of which most cases point to one authored fact, a
// partial derivative, a transpose or a definition, from which both modes follow.

extension Operation {
  /// Tangents of the results, given the operands' (nil: identically zero).
  func jvp(_ operands: [Value], _ results: [Value], _ tangents: [Value?]) -> [Value?] {
    switch self {
    case .input, .constant, .splat, .stopGradient, .random:
      return [nil]
    case .identity:
      return [tangents[0]]
    case .elementwise(let operation):
      return [
        sum(
          operands.indices.map { index in
            tangents[index].flatMap { operation.partial(index, operands, results[0])($0) }
          })
      ]
    case .convert(let dtype):
      return [dtype.isFloating ? tangents[0].map { $0.converted(to: dtype) } : nil]
    case .broadcast, .reshape, .permute, .slice, .pad, .reverse, .reduce(.sum, _):
      return [tangents[0].map { Graph.one(self, [$0]) }]
    case .reduce(.max, let axes):
      return [tangents[0].map { ($0 * sharesOfMaximum(operands[0], results[0], axes)).sum(axes: axes) }]
    case .concatenate:
      if tangents.allSatisfy({ $0 == nil }) { return [nil] }
      return [Graph.one(self, zip(operands, tangents).map { $1 ?? $0.splat(0) })]
    case .rowwise(.argsort):
      return [nil]
    case .rowwise(.cumulativeSum):
      return [tangents[0].map { Graph.one(self, [$0]) }]
    case .gather, .scatterAdd, .rowwise(.takeAlong), .rowwise(.addAlong):
      return [tangents[0].map { Graph.one(self, [$0, operands[1]]) }]
    case .matmul, .conv2d, .conv2dInputGradient, .conv2dFilterGradient:
      return [
        sum([
          tangents[0].map { Graph.one(self, [$0, operands[1]]) },
          tangents[1].map { Graph.one(self, [operands[0], $0]) },
        ])
      ]
    case .fused(let operation):
      return operation.jvp(operands, results, tangents)
    case .matrix(let operation):
      return operation.jvp(operands, results, tangents)
    case .structured(let operation):
      return operation.jvp(operands: operands, results: results, tangents: tangents)
    }
  }

  /// Cotangents of the operands (nil: identically zero), given the results'. Only those of wanted operands are looked at.
  func vjp(_ operands: [Value], _ results: [Value], _ cotangents: [Value?], wanted: [Bool]) -> [Value?] {
    if case .structured(let operation) = self {
      return operation.vjp(operands: operands, results: results, cotangents: cotangents, wanted: wanted)
    }
    if case .fused(let operation) = self {
      return operation.vjp(operands, results, cotangents, wanted)
    }
    if case .matrix(let operation) = self {
      return operation.vjp(operands, results, cotangents, wanted)
    }
    guard let cotangent = cotangents[0] else { return operands.map { _ in nil } }
    switch self {
    case .input, .constant, .splat, .stopGradient, .random:
      return operands.map { _ in nil }
    case .identity:
      return [cotangent]
    case .elementwise(let operation):
      return operands.indices.map { index in
        wanted[index] ? operation.partial(index, operands, results[0])(cotangent) : nil
      }
    case .convert(let dtype):
      return [dtype.isFloating ? transposed(cotangent, operands) : nil]
    case .broadcast, .reshape, .permute, .slice, .pad, .reverse, .reduce(.sum, _):
      return [transposed(cotangent, operands)]
    case .reduce(.max, let axes):
      let shares = sharesOfMaximum(operands[0], results[0], axes)
      return [cotangent.spread(along: axes, to: operands[0].shape) * shares]
    case .concatenate(let axis):
      return pieces(cotangent, operands, axis: axis)
    case .rowwise(.argsort):
      return [nil]
    case .rowwise(.cumulativeSum):
      return [transposed(cotangent, operands)]
    case .gather, .scatterAdd, .rowwise(.takeAlong), .rowwise(.addAlong):
      return [transposed(cotangent, operands), nil]
    case .matmul, .conv2d, .conv2dInputGradient, .conv2dFilterGradient:
      return [0, 1].map { wanted[$0] ? bilinearTransposed($0, operands, cotangent) : nil }
    case .fused, .matrix, .structured:
      fatalError("\(name): handled above")
    }
  }
}

/// The sum of those that are not zero, from left to right; nil where all are.
func sum(_ terms: [Value?]) -> Value? {
  terms.reduce(nil) { total, term in
    guard let total, let term else { return total ?? term }
    return total + term
  }
}

/// 1 / (number of maxima) at every maximum along the axes, else 0: elements that tie share the derivative equally, the one
/// choice that does not depend on the order of elements.
private func sharesOfMaximum(_ x: Value, _ maximum: Value, _ axes: [Int]) -> Value {
  let hits = Value.elementwise(.equal, x, maximum.spread(along: axes, to: x.shape))
  return hits / hits.sum(axes: axes).spread(along: axes, to: x.shape)
}
