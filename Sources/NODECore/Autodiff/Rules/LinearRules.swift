// Operations that are linear in their operands, or in each of two operands: tangents go through the operation itself,
// cotangents through its transpose.

extension Operation {
  /// The transpose of a linear operation of one differentiable operand (those that gather and scatter have indices besides):
  /// the operand's cotangent from the result's.
  func transposed(_ cotangent: Value, _ operands: [Value]) -> Value {
    let x = operands[0].type
    switch self {
    case .convert:
      return cotangent.converted(to: x.dtype)
    case .broadcast(let target, let axes):
      // Sums over the new axes, then over those that were stretched from 1.
      let new = target.dimensions.indices.filter { !axes.contains($0) }
      let stretched = axes.indices.filter { x.shape[$0] == 1 && target[axes[$0]] != 1 }
      return cotangent.sum(axes: (new + stretched.map { axes[$0] }).sorted()).reshaped(to: x.shape)
    case .reshape:
      return cotangent.reshaped(to: x.shape)
    case .permute(let order):
      var inverse = order
      for (axis, source) in order.enumerated() { inverse[source] = axis }
      return cotangent.permuted(to: inverse)
    case .slice(let start, _, let step):
      let taken = cotangent.shape
      let high = (0..<taken.rank).map { axis in
        taken[axis] == 0
          ? x.shape[axis] - start[axis] : x.shape[axis] - start[axis] - (taken[axis] - 1) * step[axis] - 1
      }
      return cotangent.padded(low: start, high: high, interior: step.map { $0 - 1 })
    case .pad(let low, _, let interior):
      let limit = (0..<low.count).map { axis in
        low[axis] + x.shape[axis] + Swift.max(x.shape[axis] - 1, 0) * interior[axis]
      }
      return cotangent.sliced(start: low, limit: limit, step: interior.map { $0 + 1 })
    case .reverse(let axes):
      return cotangent.reversed(axes: axes)
    case .reduce(_, let axes):
      return cotangent.spread(along: axes, to: x.shape)
    case .gather:
      return Graph.one(.scatterAdd(entries: x.shape[0]), [cotangent, operands[1]])
    case .scatterAdd:
      return Graph.one(.gather, [cotangent, operands[1]])
    case .rowwise(.cumulativeSum(let backward)):
      return Graph.one(.rowwise(.cumulativeSum(backward: !backward)), [cotangent])
    case .rowwise(.takeAlong):
      return Graph.one(.rowwise(.addAlong(entries: x.shape[x.shape.rank - 1])), [cotangent, operands[1]])
    case .rowwise(.addAlong):
      return Graph.one(.rowwise(.takeAlong), [cotangent, operands[1]])
    default:
      fatalError("\(name): not a linear operation of one operand")
    }
  }

  /// The cotangents of concatenated operands: the pieces of the result's.
  func pieces(_ cotangent: Value, _ operands: [Value], axis: Int) -> [Value] {
    var start = Array(repeating: 0, count: cotangent.shape.rank)
    return operands.map { operand in
      var limit = cotangent.shape.dimensions
      limit[axis] = start[axis] + operand.shape[axis]
      defer { start[axis] = limit[axis] }
      return cotangent.sliced(start: start, limit: limit, step: Array(repeating: 1, count: start.count))
    }
  }

  /// The transpose of a bilinear operation with respect to operand `index`, the other operand fixed.
  func bilinearTransposed(_ index: Int, _ operands: [Value], _ cotangent: Value) -> Value {
    let (a, b) = (operands[0], operands[1])
    switch self {
    case .matmul(let transposeA, let transposeB):
      return index == 0
        ? matmulLeft(a, b, transposeA, transposeB, cotangent)
        : matmulRight(a, b, transposeA, transposeB, cotangent)
    case .conv2d(let geometry):
      return index == 0
        ? Graph.one(.conv2dInputGradient(geometry), [cotangent, b])
        : Graph.one(.conv2dFilterGradient(geometry), [a, cotangent])
    case .conv2dInputGradient(let geometry):
      return index == 0
        ? Graph.one(.conv2d(geometry), [cotangent, b])
        : Graph.one(.conv2dFilterGradient(geometry), [cotangent, a])
    case .conv2dFilterGradient(let geometry):
      return index == 0
        ? Graph.one(.conv2dInputGradient(geometry), [b, cotangent])
        : Graph.one(.conv2d(geometry), [a, cotangent])
    default:
      fatalError("\(name): not a bilinear operation")
    }
  }
}

/// C = op(A) op(B): the cotangent of A is dC op(B)^T, transposed where A is. A matrix that a batch shares adds up over the
/// batch.
private func matmulLeft(_ a: Value, _ b: Value, _ transposeA: Bool, _ transposeB: Bool, _ dc: Value) -> Value
{
  let d =
    transposeA
    ? Value.matmul(b, dc, transposeA: transposeB, transposeB: true)
    : Value.matmul(dc, b, transposeB: !transposeB)
  return d.sum(axes: Array(0..<d.shape.rank - a.shape.rank))
}

/// The cotangent of B is op(A)^T dC, transposed where B is.
private func matmulRight(_ a: Value, _ b: Value, _ transposeA: Bool, _ transposeB: Bool, _ dc: Value) -> Value
{
  var a = a, dc = dc
  if b.shape.rank == 2 && a.shape.rank > 2 && !transposeA {
    // Weights shared by a batch of rows: one product over all rows instead of one for each member of the batch.
    a = a.mergingBatch
    dc = dc.mergingBatch
  }
  let d =
    transposeB
    ? Value.matmul(dc, a, transposeA: true, transposeB: transposeA)
    : Value.matmul(a, dc, transposeA: !transposeA)
  return d.sum(axes: Array(0..<d.shape.rank - b.shape.rank))
}

extension Value {
  /// [b..., m, n] as [b... * m, n].
  fileprivate var mergingBatch: Value {
    let columns = shape[shape.rank - 1]
    return reshaped(to: [shape.dimensions.dropLast().reduce(1, *), columns])
  }
}
