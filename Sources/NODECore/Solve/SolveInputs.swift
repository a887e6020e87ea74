/// Operands of a solve: y0, times and captures, and how they enter the field's body.
struct SolveInputs {
  let instruction: SolveInstruction
  let values: [Value]

  var y0: Value { values[0] }
  var times: Value { values[1] }
  var captures: ArraySlice<Value> { values[2...] }
  var isPerLane: Bool { instruction.isPerLane }
  var timeCount: Int { times.shape.dimensions.last! }

  /// Time i: a scalar, or [lanes] where every lane has its own.
  func time(_ i: Int) -> Value { SolveInputs.time(i, of: times, isPerLane) }

  static func time(_ i: Int, of times: Value, _ isPerLane: Bool) -> Value {
    guard isPerLane else { return times.element(i) }
    let lanes = times.shape[0]
    return times.sliced(start: [0, i], limit: [lanes, i + 1], step: [1, 1]).reshaped(to: [lanes])
  }

  /// The solve's node: states, statistics, tape.
  func solved() -> [Value] {
    var forward = instruction
    forward.isGradient = false
    return Graph.node(.structured(SolveOperation(forward)), values)
  }

  /// The gradient's node: cotangents of `values`, then statistics.
  func gradient(states: Value, tape: Value, cotangent: Value) -> [Value] {
    var gradient = instruction
    gradient.isGradient = true
    return Graph.node(.structured(SolveOperation(gradient)), values + [states, tape, cotangent])
  }

  /// The same inputs behind fresh nodes, to differentiate what is built on them; integers stay.
  func detached() -> SolveInputs {
    SolveInputs(instruction: instruction, values: values.map { $0.dtype.isFloating ? $0.identity : $0 })
  }
}

extension SolveInputs {
  /// Whether the solve could run now: nothing it needs is a placeholder of a trace, nor an argument of a derivative that is
  /// being taken (whose evaluation runs the solve together with its gradient, so running it alone first would be work
  /// for nothing). What came out of a derivative that was taken is known like anything else.
  var areKnown: Bool {
    var seen: Set<UInt64> = []
    var pending = values
    while let value = pending.popLast() {
      let node = value.node
      guard node.evaluated(value.index) == nil, seen.insert(node.id).inserted else { continue }
      if node.isSymbol { return false }
      pending.append(contentsOf: node.operands)
    }
    return true
  }
}

extension Value {
  /// Row i along the first axis, which is kept with extent 1.
  func sliced(row i: Int) -> Value {
    let rest = shape.dimensions.dropFirst()
    return sliced(
      start: [i] + rest.map { _ in 0 }, limit: [i + 1] + rest, step: [Int](repeating: 1, count: shape.rank))
  }

  /// Element i of a vector, as a scalar.
  func element(_ i: Int) -> Value { sliced(row: i).reshaped(to: []) }

  /// The last row along the first axis, which is kept with extent 1.
  func last() -> Value { sliced(row: shape[0] - 1) }
}
