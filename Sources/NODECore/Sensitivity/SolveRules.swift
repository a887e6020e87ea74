// Derivatives of a solve F and of its gradient node G(x, c) = F'(x)^T c, x = (y0, times, captures). Both are closed:
// with T(x, x') = (F(x), F'(x) x') the tangent solve,
//
//     jvp F (x')      second part of T(x, x')
//     vjp F (c)       G(x, c)
//     jvp G (x', c')  gradient of T(., x') at x for the cotangents (c', c): F'^T c' + (d/dx F'(x) x')^T c
//     vjp G (w)       to c: second part of T(x, w); to x: gradient of T(., w) at x for the cotangents (0, c)
//
// and the gradient of T is once more a gradient node. For `.backsolve` G is F'^T c up to the tolerance, and so are these.
// The states and the tape among the operands of G are functions of x already accounted for: they get no cotangent.

extension SolveOperation {
  private func inputs(_ operands: [Value]) -> SolveInputs {
    SolveInputs(instruction: solve, values: Array(operands[..<inputCount]))
  }

  package func jvp(operands: [Value], results: [Value], tangents: [Value?]) -> [Value?] {
    let directions = Array(tangents[..<inputCount])
    let moves = directions.contains { $0 != nil }
    if solve.isGradient {
      let tangent = tangents[inputCount + 2]
      guard moves else {
        guard let tangent else { return results.map { _ in nil } }
        let gradient = inputs(operands).gradient(
          states: operands[inputCount], tape: operands[inputCount + 1], cotangent: tangent)
        return gradient.dropLast() + [nil]
      }
      let x = inputs(operands).detached()
      let (states, moved) = x.tangentSolved(along: directions)
      return x.pullback(of: [states, moved], cotangents: [tangent, operands[inputCount + 2]]) + [nil]
    }
    guard moves else { return [nil, nil, nil] }
    return [inputs(operands).tangentSolved(along: directions).tangent, nil, nil]
  }

  package func vjp(operands: [Value], results: [Value], cotangents: [Value?], wanted: [Bool]) -> [Value?] {
    let none = [Value?](repeating: nil, count: operands.count)
    if solve.isGradient {
      let directions = Array(cotangents[..<inputCount])
      guard directions.contains(where: { $0 != nil }) else { return none }
      let x = inputs(operands).detached()
      let moved = x.tangentSolved(along: directions).tangent
      let ofInputs =
        wanted[..<inputCount].contains(true)
        ? x.pullback(of: [moved], cotangents: [operands[inputCount + 2]]) : Array(none[..<inputCount])
      return ofInputs + [nil, nil, moved]
    }
    guard let cotangent = cotangents[0] else { return none }
    guard operands[1].shape.dimensions.last! > 1 else {
      return [cotangent.reshaped(to: operands[0].shape)] + none.dropFirst()
    }
    let gradient = inputs(operands).gradient(states: results[0], tape: results[2], cotangent: cotangent)
    return operands.indices.map { wanted[$0] && operands[$0].dtype.isFloating ? gradient[$0] : nil }
  }
}

extension SolveInputs {
  /// Cotangents of `values`; integers have none.
  func pullback(of outputs: [Value], cotangents: [Value?]) -> [Value?] {
    let floating = values.indices.filter { values[$0].dtype.isFloating }
    let found = NODECore.pullback(of: outputs, cotangents: cotangents, to: floating.map { values[$0] })
    var result = [Value?](repeating: nil, count: values.count)
    for (index, cotangent) in zip(floating, found) { result[index] = cotangent }
    return result
  }
}
