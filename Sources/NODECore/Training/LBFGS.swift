/// Minimises a function of all data at once by the limited-memory BFGS method (Nocedal, Wright 2006, algorithms 7.4 and
/// 7.5) with a line search for the strong Wolfe conditions. The function and its gradient are one compiled program.
///
/// ```swift
/// let fitted = try LBFGS().minimize(model) { model in meanSquaredError(model(x), y) }
/// print(fitted.status, fitted.value, fitted.point)
/// ```
/// The steps are computed in Double. A function that ends in a failed solve at a trial step counts as infinite there.
public struct LBFGS: Sendable, Hashable {
  /// Pairs of steps and changes of the gradient that are kept; at least 1.
  public var memory: Int
  /// Not negative.
  public var maximumIterations: Int
  /// Of the function and its gradient, those of line searches included; at least 1. nil: as many as the iterations take. A
  /// line search that it cuts short ends at the best step seen.
  public var maximumEvaluations: Int?
  /// Ends when no component of the gradient is larger. Not negative.
  public var gradientTolerance: Double
  /// Ends when an iteration lowers the function by at most this share of the larger of 1 and its value; 0: never. Not
  /// negative.
  public var changeTolerance: Double
  /// Finds the length of every step.
  public var lineSearch: StrongWolfe

  /// - Parameters:
  ///   - memory: at least 1.
  ///   - maximumIterations: not negative.
  ///   - maximumEvaluations: at least 1; nil: as many as the iterations take.
  ///   - gradientTolerance, changeTolerance: finite and not negative.
  public init(
    memory: Int = 10, maximumIterations: Int = 200, maximumEvaluations: Int? = nil,
    gradientTolerance: Double = 1e-6, changeTolerance: Double = 0, lineSearch: StrongWolfe = StrongWolfe()
  ) {
    self.memory = memory
    self.maximumIterations = maximumIterations
    self.maximumEvaluations = maximumEvaluations
    self.gradientTolerance = gradientTolerance
    self.changeTolerance = changeTolerance
    self.lineSearch = lineSearch
    requireSettings()
  }

  // Properties may be set after `init`, so what uses them looks again.
  private func requireSettings() {
    require(memory > 0, "LBFGS: the memory must hold a pair, got \(memory)")
    require(
      maximumIterations >= 0, "LBFGS: maximumIterations must not be negative, got \(maximumIterations)")
    require(
      maximumEvaluations.map { $0 > 0 } ?? true,
      "LBFGS: maximumEvaluations must be at least 1, got \(maximumEvaluations ?? 0)")
    requireSetting("LBFGS", "gradientTolerance", gradientTolerance, .notNegative)
    requireSetting("LBFGS", "changeTolerance", changeTolerance, .notNegative)
    lineSearch.requireSettings()
  }

  /// Why a minimisation ended.
  public enum Status: Sendable, Hashable {
    /// The gradient is as small as asked for.
    case gradientTolerance
    /// The function hardly changes any more.
    case changeTolerance
    case maximumIterations
    case maximumEvaluations
    /// No step along the negative gradient lowers the function enough: it is minimal to rounding, its gradient is wrong or so
    /// small or large that its square is not a number to compute with, or it has no minimum and went to infinity.
    case lineSearchFailed
    /// The function or its gradient is not finite at the start.
    case startNotFinite
    /// The caller's `shouldStop` said so.
    case stopped
  }

  /// Where a minimisation ended.
  public struct Minimum<Point: Sendable>: Sendable {
    /// The start where no step was taken.
    public var point: Point
    public var status: Status
    /// The function at `point`.
    public var value: Double
    /// The largest component of the gradient there, in magnitude.
    public var gradientNorm: Double
    /// Steps that were taken: one less than `history` has values.
    public var iterations: Int
    /// Of the function and its gradient.
    public var evaluations: Int
    /// The function at the start and after every iteration.
    public var history: [Double]
  }

  /// Called after every iteration with its number, from 1, and the function there; true ends the minimisation.
  public typealias StopRule = (_ iteration: Int, _ value: Double) throws -> Bool

  /// A minimum of f near `start`; the result of `f` is a scalar. Throws what `f` throws at the start, and what
  /// `shouldStop` throws.
  public func minimize<S: FloatingScalar>(
    from start: Tensor<S>, shouldStop: StopRule = { _, _ in false },
    _ f: @escaping @Sendable (Tensor<S>) throws -> Tensor<S>
  ) throws -> Minimum<Tensor<S>> {
    requireSettings()
    let program = compiled { (x: Tensor<S>) in try valueAndGradient(at: x, of: f) }
    let shape = start.shape
    let found = try minimize(start.scalars.map(\.asDouble), rounded: { S($0).asDouble }, shouldStop) { x in
      let (value, gradient) = try program(Tensor(x.map { S($0) }, shape: shape))
      return (value.scalar.asDouble, gradient.scalars.map(\.asDouble))
    }
    return found.with(Tensor(found.point.map { S($0) }, shape: shape))
  }

  /// The model with the parameters that minimise a scalar loss near the present ones. Throws what the loss throws
  /// at the start, and what `shouldStop` throws.
  public func minimize<M: Module, S: FloatingScalar>(
    _ model: M, shouldStop: StopRule = { _, _ in false },
    _ loss: @escaping @Sendable (M) throws -> Tensor<S>
  ) throws -> Minimum<M> {
    requireSettings()
    let layout = model.parameterLayout
    layout.requireDType(S.dtype, "LBFGS")
    require(model.parameterCount > 0, "LBFGS: the model has no parameters")
    let program = compiled { (x: Tensor<S>) in
      // With respect to each parameter, so that the gradient is one concatenation.
      let (value, gradient) = try valueAndGradient(of: model.replacingParameters(with: x), loss)
      return (value, gradient.parameterVector(S.self))
    }
    let start = model.parameterVector(S.self).scalars.map(\.asDouble)
    let found = try minimize(start, rounded: { S($0).asDouble }, shouldStop) { x in
      let (value, gradient) = try program(Tensor(x.map { S($0) }))
      return (value.scalar.asDouble, gradient.scalars.map(\.asDouble))
    }
    return found.with(model.replacingParameters(with: Tensor(found.point.map { S($0) })))
  }

  // MARK: The iteration

  private func minimize(
    _ start: [Double], rounded: (Double) -> Double, _ shouldStop: StopRule,
    _ evaluate: ([Double]) throws -> (value: Double, gradient: [Double])
  ) throws -> Minimum<[Double]> {
    var x = start
    var (value, gradient) = try evaluate(x)
    var found = Minimum(
      point: x, status: .maximumIterations, value: value, gradientNorm: largest(gradient), iterations: 0,
      evaluations: 1, history: [value])
    guard value.isFinite, found.gradientNorm.isFinite else {
      found.status = .startNotFinite
      return found
    }
    var pairs = CurvaturePairs(capacity: memory)
    while true {
      if found.gradientNorm <= gradientTolerance {
        found.status = .gradientTolerance
        return found
      }
      // Only finite samples are steps, so value and gradient stay finite.
      guard found.iterations < maximumIterations else { return found }
      let left = maximumEvaluations.map { $0 - found.evaluations } ?? .max
      guard left > 0 else {
        found.status = .maximumEvaluations
        return found
      }
      var lineSearch = lineSearch
      lineSearch.maximumEvaluations = min(lineSearch.maximumEvaluations, left)
      var direction = pairs.direction(gradient)
      var slope = dot(direction, gradient)
      if !(slope < 0 && slope.isFinite) {
        // Rounding has spoilt the pairs.
        pairs.removeAll()
        direction = gradient.map { -$0 }
        slope = -dot(gradient, gradient)
      }
      // Before anything is known about the scale, a step of length 1 at most.
      let first = pairs.isEmpty ? min(1, 1 / dot(direction, direction).squareRoot()) : 1
      guard slope < 0, slope.isFinite, first > 0 else {
        // The squares of a gradient below 1e-162 or above 1e154 are 0 or infinite.
        found.status = .lineSearchFailed
        return found
      }
      var seen: [Double: (x: [Double], value: Double, gradient: [Double])] = [:]
      let search = try lineSearch.search(from: .init(step: 0, value: value, slope: slope), step: first) {
        step in
        let trial = zip(x, direction).map { rounded($0 + step * $1) }
        do {
          let (value, gradient) = try evaluate(trial)
          seen[step] = (trial, value, gradient)
          return (value, dot(gradient, direction))
        } catch is SolveError {
          return (.infinity, .nan)
        }
      }
      found.evaluations += search.evaluations
      guard let next = seen[search.sample.step], next.value < value || search.isSatisfied else {
        // Once more along the gradient itself, unless that is what failed.
        if !pairs.isEmpty {
          pairs.removeAll()
          continue
        }
        found.status = search.evaluations < left ? .lineSearchFailed : .maximumEvaluations
        return found
      }
      pairs.append(
        step: zip(next.x, x).map { $0 - $1 }, change: zip(next.gradient, gradient).map { $0 - $1 })
      let lowered = value - next.value
      (x, value, gradient) = next
      found.iterations += 1
      (found.point, found.value, found.gradientNorm) = (x, value, largest(gradient))
      found.history.append(value)
      if try shouldStop(found.iterations, value) {
        found.status = .stopped
        return found
      }
      if changeTolerance > 0, lowered <= changeTolerance * max(1, value.magnitude),
        found.gradientNorm > gradientTolerance
      {
        found.status = .changeTolerance
        return found
      }
    }
  }
}

extension LBFGS.Minimum {
  fileprivate func with<Other>(_ point: Other) -> LBFGS.Minimum<Other> {
    LBFGS.Minimum<Other>(
      point: point, status: status, value: value, gradientNorm: gradientNorm, iterations: iterations,
      evaluations: evaluations, history: history)
  }
}

/// The last steps s and changes of the gradient y, oldest first.
private struct CurvaturePairs {
  let capacity: Int
  private var pairs: [(step: [Double], change: [Double], curvature: Double)] = []

  init(capacity: Int) { self.capacity = capacity }

  var isEmpty: Bool { pairs.isEmpty }
  mutating func removeAll() { pairs.removeAll() }

  /// Pairs without curvature would make the matrix indefinite: they are left out.
  mutating func append(step: [Double], change: [Double]) {
    let curvature = dot(step, change)
    guard curvature > 1e-12 * (dot(step, step) * dot(change, change)).squareRoot() else { return }
    if pairs.count == capacity { pairs.removeFirst() }
    pairs.append((step, change, curvature))
  }

  /// -H g by the two-loop recursion (algorithm 7.4), H starting from (s . y) / (y . y) of the last pair (eq. 7.20).
  func direction(_ gradient: [Double]) -> [Double] {
    var q = gradient.map { -$0 }
    var weights: [Double] = []
    for pair in pairs.reversed() {
      let weight = dot(pair.step, q) / pair.curvature
      weights.append(weight)
      for i in q.indices { q[i] -= weight * pair.change[i] }
    }
    if let last = pairs.last {
      let scale = last.curvature / dot(last.change, last.change)
      for i in q.indices { q[i] *= scale }
    }
    for (pair, weight) in zip(pairs, weights.reversed()) {
      let other = dot(pair.change, q) / pair.curvature
      for i in q.indices { q[i] += (weight - other) * pair.step[i] }
    }
    return q
  }
}

private func dot(_ a: [Double], _ b: [Double]) -> Double {
  var sum = 0.0
  for i in a.indices { sum += a[i] * b[i] }
  return sum
}

private func largest(_ x: [Double]) -> Double {
  x.reduce(0) { $1.isNaN ? .nan : max($0, $1.magnitude) }
}
