// The tangent of a solve is a solve.
//
// Accepted steps are frozen as fractions of the span: t_n = t0 + s_n (t1 - t0). Then a perturbation of the times moves
// t with the velocity tau(t) = t0' + gamma (t - t0), gamma = (t1' - t0') / (t1 - t0), and steps change by h' = gamma h.
// Differentiating a Runge-Kutta step of y' = f(t, y, c) gives the same step of
//
//     v' = f_y v + f_c c' + f_t tau(t) + gamma f,
//
// so the tangent of the discrete map is the discrete solution of the augmented field, exactly, for every tableau. A save
// time inside of the span moves relative to the frozen fractions by t_i' - tau(t_i); that reads the dense output
// elsewhere, which moves the saved state by its slope there. We take f(t_i, y_i) for the slope: equal where a save time
// is the end of a step, else to the accuracy of the interpolant. With `.fixed(stepsPerInterval:)` all this holds of every
// interval by itself. Steps of `.fixed(step:)` are taken for fractions too, which they are not when the solve runs again:
// which save times lie in the last, shortened step depends on numbers, and shapes cannot.

extension SolveInputs {
  /// The states and their tangent along `tangents` (nil: zero; one at least is not), by one solve that takes the steps
  /// of the primal one.
  func tangentSolved(along tangents: [Value?]) -> (states: Value, tangent: Value) {
    let shape = Shape([timeCount] + y0.shape.dimensions)
    guard shape[0] > 1 else {
      // The only state is y0, wherever in time.
      return (y0.reshaped(to: shape), (tangents[0] ?? y0.splat(0)).reshaped(to: shape))
    }
    let controller = instruction.controller
    if tangents[1] != nil, shape[0] > 2, !controller.isAdaptive, controller.stepsPerInterval > 0 {
      return tangentSolvedByIntervals(along: tangents)
    }
    let motion = tangents[1].map { TimeMotion(times: times, tangent: $0, isPerLane: isPerLane) }
    let layout = PairLayout(state: y0.type, isPerLane: isPerLane)
    let moving = captures.indices.filter { tangents[$0] != nil }

    // The augmented field. Parameters: t, pair, captures, tangents of those that move, motion of time.
    let field = instruction.field
    let t = field.parameters[0]
    let pair = Graph.input("pair", layout.type)
    let tangentParameters = moving.map { Graph.input("tangent", values[$0].type) }
    let motionParameters = motion == nil ? [] : TimeMotion.names.map { Graph.input($0, t.type) }
    // A node of its own: simplifications must not look through what is differentiated.
    let y = layout.first(pair).identity
    let slope = Graph.substitute(field.outputs, replacing: [field.parameters[1]: y])
    var directions = [Value?](repeating: nil, count: field.parameters.count)
    directions[1] = layout.second(pair)
    for (index, parameter) in zip(moving, tangentParameters) { directions[index] = parameter }
    if motion != nil { directions[0] = TimeMotion.velocity(at: t, motionParameters) }
    var parameters = field.parameters
    parameters[1] = y
    var tangentSlope = pushforward(of: slope, inputs: parameters, tangents: directions)[0] ?? y.splat(0)
    if motion != nil {
      tangentSlope =
        tangentSlope + motionParameters[1].broadcast(to: y.shape, axes: isPerLane ? [0] : []) * slope[0]
    }
    parameters[1] = pair

    var augmented = instruction
    augmented.isGradient = false
    augmented.field = GraphBody(
      parameters: parameters + tangentParameters + motionParameters,
      outputs: [layout.joined(slope[0], tangentSlope)])
    if augmented.controller.errorComponents == 0 { augmented.controller.errorComponents = layout.components }
    let operands =
      [layout.joined(y0, tangents[0] ?? y0.splat(0)), times] + captures + moving.map { tangents[$0]! }
      + (motion?.operands(y0.dtype) ?? [])
    let pairs = Graph.one(.structured(SolveOperation(augmented)), operands)
    let states = layout.first(pairs, leading: shape[0])
    let tangent = layout.second(pairs, leading: shape[0])
    guard let motion, shape[0] > 2 else { return (states, tangent) }
    return (states, tangent + drift(of: states, motion))
  }

  /// Equal steps between neighbouring save times move with those two: the solve is one of each interval after the other.
  private func tangentSolvedByIntervals(along tangents: [Value?]) -> (states: Value, tangent: Value) {
    func pair(_ times: Value, _ i: Int) -> Value {
      guard isPerLane else { return times.sliced(start: [i], limit: [i + 2], step: [1]) }
      return times.sliced(start: [0, i], limit: [times.shape[0], i + 2], step: [1, 1])
    }
    var y = y0, v = tangents[0] ?? y0.splat(0)
    let row = Shape([1] + y0.shape.dimensions)
    var states = [y.reshaped(to: row)], moved = [v.reshaped(to: row)]
    for i in 0..<timeCount - 1 {
      let interval = SolveInputs(instruction: instruction, values: [y, pair(times, i)] + captures)
      let (s, t) = interval.tangentSolved(along: [v, pair(tangents[1]!, i)] + tangents.dropFirst(2))
      states.append(s.last())
      moved.append(t.last())
      (y, v) = (s.last().reshaped(to: y0.shape), t.last().reshaped(to: y0.shape))
    }
    return (Graph.one(.concatenate(axis: 0), states), Graph.one(.concatenate(axis: 0), moved))
  }

  /// (t_i' - tau(t_i)) f(t_i, y_i) at the save times between the first and the last, zero at these.
  private func drift(of states: Value, _ motion: TimeMotion) -> Value {
    let field = instruction.field
    let row = Shape([1] + y0.shape.dimensions)
    let edge = Graph.splat(0, TensorType(y0.dtype, row))
    let inner = (1..<timeCount - 1).map { i in
      var replacing = [
        field.parameters[0]: time(i).converted(to: y0.dtype),
        field.parameters[1]: states.sliced(row: i).reshaped(to: y0.shape),
      ]
      for index in captures.indices { replacing[field.parameters[index]] = values[index] }
      let slope = Graph.substitute(field.outputs, replacing: replacing)[0]
      let shift = motion.relative(i).converted(to: y0.dtype)
      return (slope * shift.broadcast(to: y0.shape, axes: isPerLane ? [0] : [])).reshaped(to: row)
    }
    return Graph.one(.concatenate(axis: 0), [edge] + inner + [edge])
  }
}

/// How a perturbation of the save times moves time: tau(t) = t0' + gamma (t - t0).
private struct TimeMotion {
  let times: Value, tangent: Value
  let isPerLane: Bool

  static let names = ["start", "rate", "startTangent"]

  private func time(_ i: Int) -> Value { SolveInputs.time(i, of: times, isPerLane) }
  private func tangent(_ i: Int) -> Value { SolveInputs.time(i, of: tangent, isPerLane) }
  private var rate: Value {
    let last = times.shape.dimensions.last! - 1
    return (tangent(last) - tangent(0)) / (time(last) - time(0))
  }

  /// In the order of `names`.
  func operands(_ dtype: DType) -> [Value] {
    [time(0), rate, tangent(0)].map { $0.converted(to: dtype) }
  }

  static func velocity(at t: Value, _ parameters: [Value]) -> Value {
    parameters[2] + parameters[1] * (t - parameters[0])
  }

  /// t_i' - tau(t_i).
  func relative(_ i: Int) -> Value {
    tangent(i) - TimeMotion.velocity(at: time(i), [time(0), rate, tangent(0)])
  }
}

/// Two states in one, the first of which alone is where the controller looks for its error.
///
/// [2, elements]: a solve of one lane, whatever the field does to the lanes of the original. With steps per lane
/// [lanes, 2, elements of a lane]: each lane is a pair of its own.
struct PairLayout {
  let state: TensorType
  let isPerLane: Bool

  /// Components of the first state in a lane of the pair.
  var components: Int { isPerLane ? state.shape.count / state.shape[0] : state.shape.count }
  private var outer: [Int] { isPerLane ? [state.shape[0]] : [] }
  var type: TensorType { TensorType(state.dtype, Shape(outer + [2, components])) }

  func joined(_ a: Value, _ b: Value) -> Value {
    let one = Shape(outer + [1, components])
    return Graph.one(.concatenate(axis: outer.count), [a.reshaped(to: one), b.reshaped(to: one)])
  }

  /// Of a pair, or of [leading, pair...].
  func first(_ pair: Value, leading: Int? = nil) -> Value { half(pair, 0, leading) }
  func second(_ pair: Value, leading: Int? = nil) -> Value { half(pair, 1, leading) }

  private func half(_ pair: Value, _ index: Int, _ leading: Int?) -> Value {
    let before = (leading.map { [$0] } ?? []) + outer
    let half = pair.sliced(
      start: before.map { _ in 0 } + [index, 0], limit: before + [index + 1, components],
      step: before.map { _ in 1 } + [1, 1])
    return half.reshaped(to: Shape((leading.map { [$0] } ?? []) + state.shape.dimensions))
  }
}
