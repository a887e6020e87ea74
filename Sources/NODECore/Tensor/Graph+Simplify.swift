// Simplifications made while the graph is built: only those that need nothing but the operands at hand and change no
// result (but the sign of a zero). Products with zero stay: they carry NaN and infinity. A structural zero of a derivative
// never becomes a node in the first place. Everything that needs a wider view belongs to the compiler.

extension Graph {
  /// A value equal to the operation's only result, or nil where a node is needed.
  static func simplified(_ operation: Operation, _ operands: [Value], _ type: TensorType) -> Value? {
    switch operation {
    case .elementwise(let elementwise):
      return simplified(elementwise, operands, type)
    case .convert:
      if let x = operands[0].splatValue, type.dtype.isFloating {
        return splat(type.dtype.rounded(operands[0].dtype.rounded(x)), type)
      }
      return operands[0].type == type ? operands[0] : nil
    case .broadcast(let target, let axes):
      if let x = operands[0].splatValue { return splat(x, type) }
      if operands[0].shape == target { return operands[0] }
      if case .broadcast(_, let inner) = operands[0].node.operation {
        return one(.broadcast(to: target, axes: inner.map { axes[$0] }), operands[0].node.operands)
      }
      return nil
    case .reshape(let target):
      if let x = operands[0].splatValue { return splat(x, type) }
      if operands[0].shape == target { return operands[0] }
      if case .reshape = operands[0].node.operation { return one(operation, operands[0].node.operands) }
      return nil
    case .permute(let order):
      if let x = operands[0].splatValue { return splat(x, type) }
      if order == Array(order.indices) { return operands[0] }
      if case .permute(let inner) = operands[0].node.operation {
        return one(.permute(order.map { inner[$0] }), operands[0].node.operands)
      }
      return nil
    case .slice(_, _, let step):
      if let x = operands[0].splatValue { return splat(x, type) }
      return operands[0].type == type && step.allSatisfy { $0 == 1 } ? operands[0] : nil
    case .pad:
      return operands[0].type == type ? operands[0] : nil
    case .reverse(let axes):
      if operands[0].splatValue != nil { return operands[0] }
      return axes.allSatisfy { type.shape[$0] <= 1 } ? operands[0] : nil
    case .concatenate:
      return operands.count == 1 ? operands[0] : nil
    case .reduce(let reduction, let axes):
      if axes.isEmpty { return operands[0] }
      if reduction == .max, let x = operands[0].splatValue { return splat(x, type) }
      return axes.allSatisfy { operands[0].shape[$0] == 1 } ? one(.reshape(type.shape), operands) : nil
    case .stopGradient:
      switch operands[0].node.operation {
      case .stopGradient, .splat, .constant: return operands[0]
      default: return nil
      }
    case .matmul(let transposeA, _):
      return outerProductWithSplat(operands[0], operands[1], transposeA, type)
    case .input, .constant, .splat, .identity, .gather, .scatterAdd, .rowwise, .matrix, .conv2d,
      .conv2dInputGradient,
      .conv2dFilterGradient, .fused, .random, .structured:
      return nil
    }
  }

  /// A column [m, 1] times a row [1, n], all elements of one of which are the same number: the other one, repeated. The
  /// gradient of a network's sum begins with one.
  private static func outerProductWithSplat(_ a: Value, _ b: Value, _ transposeA: Bool, _ type: TensorType)
    -> Value?
  {
    let rank = type.shape.rank
    guard type.dtype.isFloating, a.shape[a.shape.rank - (transposeA ? 2 : 1)] == 1 else { return nil }
    if let x = a.splatValue, b.shape.rank == 2 {
      let row = b.reshaped(to: [type.shape[rank - 1]])
      return (row * x).broadcast(to: type.shape, axes: [rank - 1])
    }
    if let x = b.splatValue, a.shape.rank == rank {
      let column = a.reshaped(to: Shape(Array(type.shape.dimensions.dropLast())))
      return (column * x).broadcast(to: type.shape, axes: Array(0..<rank - 1))
    }
    return nil
  }

  private static func simplified(_ operation: Elementwise, _ operands: [Value], _ type: TensorType) -> Value?
  {
    if let folded = folded(operation, operands.map(\.splatValue), type) { return folded }
    let a = operands[0]
    let right = operands.count > 1 ? operands[1].splatValue : nil
    switch (operation, a.splatValue, right) {
    case (.add, _, 0), (.subtract, _, 0), (.multiply, _, 1), (.divide, _, 1), (.pow, _, 1): return a
    case (.add, 0, _), (.multiply, 1, _): return operands[1]
    case (.multiply, _, -1): return -a
    case (.multiply, -1, _): return -operands[1]
    case (.subtract, 0, _): return -operands[1]
    case (.pow, _, 0): return splat(1, type)
    case (.pow, _, 2): return one(.elementwise(.square), [a])
    case (.pow, _, -1): return one(.elementwise(.reciprocal), [a])
    case (.neg, _, _):
      if case .elementwise(.neg) = a.node.operation { return a.node.operands[0] }
      return nil
    case (.add, _, _):
      if case .elementwise(.neg) = operands[1].node.operation { return a - operands[1].node.operands[0] }
      return nil
    case (.subtract, _, _):
      if case .elementwise(.neg) = operands[1].node.operation { return a + operands[1].node.operands[0] }
      return nil
    default: return nil
    }
  }

  /// Arithmetic on splats. Operands are rounded to the element type first; a sum, product or quotient of two floats in
  /// Double, rounded to Float, is the one that Float arithmetic gives (Figueroa 1995: 53 >= 2 * 24 + 2).
  private static func folded(_ operation: Elementwise, _ splats: [Double?], _ type: TensorType) -> Value? {
    func round(_ x: Double) -> Double { type.dtype.rounded(x) }
    let known = splats.compactMap { $0.map(round) }
    guard known.count == splats.count else { return nil }
    switch operation {
    case .neg: return splat(-known[0], type)
    case .square: return splat(round(known[0] * known[0]), type)
    case .sqrt: return splat(round(known[0].squareRoot()), type)
    case .reciprocal: return splat(round(1 / known[0]), type)
    case .add: return splat(round(known[0] + known[1]), type)
    case .subtract: return splat(round(known[0] - known[1]), type)
    case .multiply: return splat(round(known[0] * known[1]), type)
    case .divide: return splat(round(known[0] / known[1]), type)
    default: return nil
    }
  }
}

extension DType {
  /// A splat's number as an element of this type holds it.
  fileprivate func rounded(_ x: Double) -> Double { self == .float32 ? Double(Float(x)) : x }
}

extension Value {
  /// The number in every element, where the node says so.
  package var splatValue: Double? {
    if case .splat(let x) = node.operation { return x }
    return nil
  }
}
