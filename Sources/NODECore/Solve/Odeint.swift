/// Integrates dy/dt = f(t, y) from y0 at the first time and returns the state at every time.
///
/// ```swift
/// let solution = try odeint(from: y0, at: [0, 0.5, 1], method: .tsit5) { t, y in net(y) }
/// solution.states            // [3, y0.shape...]
/// try solution.statistics    // evaluations, steps, rejections
/// ```
/// The field is traced once. Whatever it reaches that depends neither on t nor on y is computed once per solve and
/// receives gradients, as do y0 and the times: there are no parameter lists.
/// - Parameters:
///   - y0: any shape. Leading-axis rows that the field does not mix are lanes: they go to threads in blocks.
///   - times: [times], strictly increasing or strictly decreasing; the first is where y0 holds. Or [lanes, times]: a row
///     for every lane, which then has its own steps, too.
///   - rtol, atol: tolerances of the local error; nil: the controller's (1e-6 both). Fixed steps have none.
///   - controller: by default adaptive where the method estimates its error, else one step per interval; with `.perLane`
///     every lane has its own steps.
///   - maxSteps: accepted and rejected; nil: the controller's (100,000).
///   - field: f(t, y); t is a scalar, the result has y's shape.
/// - Throws: `SolveError` with its diagnosis where the solve fails and everything it needs is known; in a trace, and
///   under `gradient` and its kin, the evaluation of what is returned throws it instead.
/// - Precondition: times, tolerances and shapes are valid; a violation names the operation and the values.
public func odeint<Scalar: FloatingScalar>(
  from y0: Tensor<Scalar>, at times: Tensor<Double>, method: Method = .dopri5, rtol: Double? = nil,
  atol: Double? = nil, controller: Controller = .automatic, sensitivity: SensitivityMethod = .exact,
  maxSteps: Int? = nil, field: (_ t: Tensor<Scalar>, _ y: Tensor<Scalar>) throws -> Tensor<Scalar>
) throws -> Solution<Scalar> {
  let solution = try solve(
    from: y0, at: times, method: method, rtol: rtol, atol: atol, controller: controller,
    sensitivity: sensitivity,
    maxSteps: maxSteps, isTolerant: false, field: field)
  return solution.inputs.areKnown ? try solution.evaluated() : solution
}

/// `odeint` with times that are numbers.
public func odeint<Scalar: FloatingScalar>(
  from y0: Tensor<Scalar>, at times: [Double], method: Method = .dopri5, rtol: Double? = nil,
  atol: Double? = nil, controller: Controller = .automatic, sensitivity: SensitivityMethod = .exact,
  maxSteps: Int? = nil, field: (_ t: Tensor<Scalar>, _ y: Tensor<Scalar>) throws -> Tensor<Scalar>
) throws -> Solution<Scalar> {
  try odeint(
    from: y0, at: Tensor<Double>(times), method: method, rtol: rtol, atol: atol, controller: controller,
    sensitivity: sensitivity, maxSteps: maxSteps, field: field)
}

/// `odeint` from t0 to t1, saving both ends; the state at t1 is `final`.
public func odeint<Scalar: FloatingScalar>(
  from y0: Tensor<Scalar>, t0: Double, t1: Double, method: Method = .dopri5, rtol: Double? = nil,
  atol: Double? = nil, controller: Controller = .automatic, sensitivity: SensitivityMethod = .exact,
  maxSteps: Int? = nil, field: (_ t: Tensor<Scalar>, _ y: Tensor<Scalar>) throws -> Tensor<Scalar>
) throws -> Solution<Scalar> {
  try odeint(
    from: y0, at: [t0, t1], method: method, rtol: rtol, atol: atol, controller: controller,
    sensitivity: sensitivity,
    maxSteps: maxSteps, field: field)
}

/// `odeint` that runs nothing: failure of the solve is a value, `Solution.status`. Rethrows what the field throws.
///
/// With steps per lane the failure of a lane is a value of that lane, `Solution.laneStatistics`: the others are solved, the
/// states that it did not reach are NaN, and its gradient is zero.
public func solve<Scalar: FloatingScalar>(
  from y0: Tensor<Scalar>, at times: Tensor<Double>, method: Method = .dopri5, rtol: Double? = nil,
  atol: Double? = nil, controller: Controller = .automatic, sensitivity: SensitivityMethod = .exact,
  maxSteps: Int? = nil, field: (_ t: Tensor<Scalar>, _ y: Tensor<Scalar>) throws -> Tensor<Scalar>
) rethrows -> Solution<Scalar> {
  try solve(
    from: y0, at: times, method: method, rtol: rtol, atol: atol, controller: controller,
    sensitivity: sensitivity, maxSteps: maxSteps, isTolerant: true, field: field)
}

private func solve<Scalar: FloatingScalar>(
  from y0: Tensor<Scalar>, at times: Tensor<Double>, method: Method, rtol: Double?, atol: Double?,
  controller: Controller, sensitivity: SensitivityMethod, maxSteps: Int?, isTolerant: Bool,
  field: (_ t: Tensor<Scalar>, _ y: Tensor<Scalar>) throws -> Tensor<Scalar>
) rethrows -> Solution<Scalar> {
  require(y0.count > 0, "odeint: the initial state \(y0.shape) is empty")
  requireTimes(times, y0.shape)
  var parameters = controller.resolved(for: method, rtol: rtol, atol: atol, maxSteps: maxSteps)
  parameters.isPerLane = parameters.isPerLane || times.rank == 2
  parameters.isTolerant = parameters.isPerLane && isTolerant
  require(
    !parameters.isPerLane || y0.rank > 0,
    "odeint: steps per lane need a state whose first axis is the lanes, got shape \(y0.shape)")
  let t = Graph.input("t", TensorType(Scalar.dtype, []))
  let y = Graph.input("y", y0.value.type)
  let slope = try field(Tensor(t), Tensor(y)).value
  require(
    slope.shape == y0.shape,
    "odeint: the state has shape \(y0.shape), but the field returns \(slope.shape); they must be equal")
  let rows = y0.rank > 1 || parameters.isPerLane ? y0.shape[0] : nil
  var (body, captures) = hoist(outputs: [slope], parameters: [t, y], rows: rows)
  var timesOfLanes = times.value
  let count = times.shape.dimensions.last!
  var problem: String?
  if parameters.isPerLane {
    (body, problem) = laneTime(body, lanes: y0.shape[0])
    if times.rank == 1 { timesOfLanes = timesOfLanes.broadcast(to: [y0.shape[0], count], axes: [1]) }
  }
  let steps =
    !parameters.isAdaptive && parameters.stepsPerInterval > 0
    ? (count - 1) * parameters.stepsPerInterval : nil
  var instruction = SolveInstruction(
    field: body, tableau: method.tableau.coefficients, controller: parameters,
    sensitivity: sensitivity.plan(state: y0.value.type, steps: steps, controller: parameters),
    isGradient: false)
  instruction.problem = problem
  return Solution(
    SolveInputs(instruction: instruction, values: [y0.value, timesOfLanes] + captures),
    times: times, method: method)
}

/// `solve` with times that are numbers.
public func solve<Scalar: FloatingScalar>(
  from y0: Tensor<Scalar>, at times: [Double], method: Method = .dopri5, rtol: Double? = nil,
  atol: Double? = nil, controller: Controller = .automatic, sensitivity: SensitivityMethod = .exact,
  maxSteps: Int? = nil, field: (_ t: Tensor<Scalar>, _ y: Tensor<Scalar>) throws -> Tensor<Scalar>
) rethrows -> Solution<Scalar> {
  try solve(
    from: y0, at: Tensor<Double>(times), method: method, rtol: rtol, atol: atol, controller: controller,
    sensitivity: sensitivity, maxSteps: maxSteps, field: field)
}

/// Times of any integration, and its name in messages.
func requireTimes(_ times: Tensor<Double>, _ state: Shape, _ operation: String = "odeint") {
  require(
    (times.rank == 1 || times.rank == 2) && times.count > 0,
    "\(operation): times must be a vector of at least one, or a row of them for every lane, got shape \(times.shape)"
  )
  require(
    times.rank == 1 || state.rank > 0 && times.shape[0] == state[0],
    "\(operation): times of shape \(times.shape) have a row for every lane; the state has shape \(state)")
  // Times that are still to be computed are checked by the kernels.
  guard let storage = times.value.node.evaluated(times.value.index) else { return }
  let numbers = storage.array(of: Double.self, count: times.count)
  let count = times.shape.dimensions.last!
  for row in stride(from: 0, to: numbers.count, by: count) {
    let place = times.rank == 2 ? " in the row of lane \(row / count)" : ""
    requireOrder(numbers[row..<row + count], place, operation)
  }
}

private func requireOrder(_ numbers: ArraySlice<Double>, _ place: String, _ operation: String) {
  require(numbers.allSatisfy(\.isFinite), "\(operation): times must be finite, got \(Array(numbers))\(place)")
  let isRising = numbers.first! < numbers.last!
  if let (a, b) = zip(numbers, numbers.dropFirst()).first(where: { ($0 < $1) != isRising || $0 == $1 }) {
    fatalError(
      "\(operation): times must be strictly increasing or strictly decreasing, got \(a) before \(b)\(place)")
  }
}
