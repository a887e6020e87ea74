/// Integrates q' = v(t, p), p' = f(t, q) by an explicit symplectic method with equal steps between the times.
///
/// ```swift
/// let path = symplecticOdeint(
///   from: (q0, p0), at: times, method: .velocityVerlet, stepsPerInterval: 10,
///   velocity: { _, p in p }, force: { _, q in -sin(q) })
/// path.q          // [times, q0...]
/// ```
/// For v = ∂T/∂p and f = -∂V/∂q the map from (q0, p0) to each state is symplectic to round-off, whatever the step: energy
/// oscillates, by h^order, and does not drift for times exponentially long in 1/h (Hairer, Lubich, Wanner, IX.8). Where v or f
/// depend on time, drifts and kicks each carry their own clock, which keeps the order.
///
/// A step is the body of a `scan`: what it captures is computed once and receives gradients, which are those of the discrete
/// map, to any order, and keep the states of all steps. The times receive gradients, too.
/// - Parameters:
///   - start: q0 and p0, of one shape.
///   - times: [times], strictly increasing or strictly decreasing; the first is where (q0, p0) holds.
///   - stepsPerInterval: positive.
///   - velocity: v(t, p) at a scalar t, of q0's shape.
///   - force: f(t, q), of the same shape.
/// - Returns: [times, q0's shape...] each; the first are q0 and p0.
public func symplecticOdeint<Scalar: FloatingScalar>(
  from start: (q: Tensor<Scalar>, p: Tensor<Scalar>), at times: Tensor<Double>,
  method: SymplecticMethod = .velocityVerlet, stepsPerInterval: Int = 1,
  velocity: (_ t: Tensor<Scalar>, _ p: Tensor<Scalar>) throws -> Tensor<Scalar>,
  force: (_ t: Tensor<Scalar>, _ q: Tensor<Scalar>) throws -> Tensor<Scalar>
) rethrows -> (q: Tensor<Scalar>, p: Tensor<Scalar>) {
  require(
    start.q.shape == start.p.shape,
    "symplecticOdeint: positions \(start.q.shape) and momenta \(start.p.shape) must have one shape")
  var carry = [start.q, start.p]
  if method.isFirstSameAsLast {
    let t = times.sliced(0..<min(1, times.count), axis: 0).converted(to: Scalar.self).reshaped(to: [])
    carry.append(try stageSlope(method.stages[0], t, start.q, start.p, velocity, force))
  }
  let states = try equalSteps(
    "symplecticOdeint", from: carry, at: times, stepsPerInterval: stepsPerInterval
  ) { t, h, carry in
    try symplecticStep(method, t, h, carry, velocity, force)
  }
  return (states[0], states[1])
}

/// `symplecticOdeint` with times that are numbers.
public func symplecticOdeint<Scalar: FloatingScalar>(
  from start: (q: Tensor<Scalar>, p: Tensor<Scalar>), at times: [Double],
  method: SymplecticMethod = .velocityVerlet, stepsPerInterval: Int = 1,
  velocity: (_ t: Tensor<Scalar>, _ p: Tensor<Scalar>) throws -> Tensor<Scalar>,
  force: (_ t: Tensor<Scalar>, _ q: Tensor<Scalar>) throws -> Tensor<Scalar>
) rethrows -> (q: Tensor<Scalar>, p: Tensor<Scalar>) {
  try symplecticOdeint(
    from: start, at: Tensor<Double>(times), method: method, stepsPerInterval: stepsPerInterval,
    velocity: velocity, force: force)
}

/// The slope of a stage at its clock t.
private func stageSlope<Scalar: FloatingScalar>(
  _ stage: SymplecticMethod.Stage, _ t: Tensor<Scalar>, _ q: Tensor<Scalar>, _ p: Tensor<Scalar>,
  _ velocity: (Tensor<Scalar>, Tensor<Scalar>) throws -> Tensor<Scalar>,
  _ force: (Tensor<Scalar>, Tensor<Scalar>) throws -> Tensor<Scalar>
) rethrows -> Tensor<Scalar> {
  let slope = stage.isKick ? try force(t, q) : try velocity(t, p)
  require(
    slope.shape == q.shape,
    "symplecticOdeint: positions have shape \(q.shape), but the \(stage.isKick ? "force" : "velocity") has "
      + "\(slope.shape); they must be equal")
  return slope
}

/// The carry after a step of h from t: q, p, and where the method has it, the slope that the next step begins with.
private func symplecticStep<Scalar: FloatingScalar>(
  _ method: SymplecticMethod, _ t: Tensor<Scalar>, _ h: Tensor<Scalar>, _ carry: [Tensor<Scalar>],
  _ velocity: (Tensor<Scalar>, Tensor<Scalar>) throws -> Tensor<Scalar>,
  _ force: (Tensor<Scalar>, Tensor<Scalar>) throws -> Tensor<Scalar>
) rethrows -> [Tensor<Scalar>] {
  var q = carry[0], p = carry[1], slope = carry.count > 2 ? carry[2] : q
  // A kick sees the time that the drifts have made, a drift that of the kicks: a step is then one of the autonomous system
  // with two clocks, and has its order.
  var drifted = 0.0, kicked = 0.0
  for (index, stage) in method.stages.enumerated() {
    if index > 0 || carry.count == 2 {
      slope = try stageSlope(stage, t + h * (stage.isKick ? drifted : kicked), q, p, velocity, force)
    }
    switch stage {
    case .drift(let a):
      q = q + (h * a) * slope
      drifted += a
    case .kick(let b):
      p = p + (h * b) * slope
      kicked += b
    }
  }
  return carry.count == 2 ? [q, p] : [q, p, slope]
}

/// Runs a one-step method with equal steps in each interval of the times: a loop over the intervals, with one over the steps
/// inside of it.
/// - Parameter step: the carry after a step of h from t, both scalars.
/// - Returns: the carry at every time, [times, ...] each.
func equalSteps<Scalar: FloatingScalar>(
  _ operation: String, from start: [Tensor<Scalar>], at times: Tensor<Double>, stepsPerInterval: Int,
  step: (_ t: Tensor<Scalar>, _ h: Tensor<Scalar>, _ carry: [Tensor<Scalar>]) throws -> [Tensor<Scalar>]
) rethrows -> [Tensor<Scalar>] {
  require(stepsPerInterval > 0, "\(operation): steps per interval must be positive, got \(stepsPerInterval)")
  require(
    times.rank == 1 && times.count > 0,
    "\(operation): times must be a vector of at least one, got shape \(times.shape)")
  requireTimes(times, start[0].shape, operation)
  let intervals = times.count - 1
  let from = times.sliced(0..<intervals, axis: 0)
  let h = (times.sliced(1..<intervals + 1, axis: 0) - from) * (1 / Double(stepsPerInterval))
  let rows = [from.converted(to: Scalar.self), h.converted(to: Scalar.self)]
  let (_, states) = try scan(from: start, over: rows) { carry, row in
    if stepsPerInterval == 1 {
      let next = try step(row[0], row[1], carry)
      return (next, next)
    }
    let next = try scan(from: carry, over: Tensor<Scalar>.iota(stepsPerInterval)) { carry, index in
      (try step(row[0] + index * row[1], row[1], carry), Tensor<Scalar>(0))
    }.carry
    return (next, next)
  }
  return zip(start, states).map { start, states in
    .concatenated([start.expandingShape(at: 0), states], axis: 0)
  }
}
