/// Who decides the next step.
public struct Controller: Sendable, Hashable {
  /// How the factor of the step follows from the scaled error e of this step and e' of the one before, with k the
  /// order of the embedded solution plus one. After a rejection e' is left out, and the factor is at most 0.9 (or the lower
  /// of the factors, where that is larger).
  public enum Law: Sendable, Hashable {
    /// e^(-1/k): the deadbeat law, what torchdiffeq and diffrax do by default.
    case integral
    /// e^(-0.7/k) e'^(0.4/k): fewer rejections where stability limits the step
    /// (Gustafsson, ACM Trans. Math. Softw. 17 (1991) 533, section 4; Hairer, Wanner II, IV.2).
    case proportionalIntegral
    /// e^(-(i + p)/k) e'^(p/k), both finite, i and i + p above 0: i is what brings the error to the tolerance.
    case gains(i: Double, p: Double)

    var gains: (i: Double, p: Double) {
      switch self {
      case .integral: (1, 0)
      case .proportionalIntegral: (0.3, 0.4)
      case .gains(let i, let p): (i, p)
      }
    }
  }

  /// nil: adaptive where the method estimates its error, else one step per interval (what torchdiffeq does).
  let parameters: ControllerParameters?
  var isPerLane = false

  /// The same with steps of its own for every lane (row of the state): its own step size, error, status and statistics.
  ///
  /// An easy lane does not pay for a hard one, and a lane's result does not depend on which others it is solved with:
  /// finished lanes leave and others take their place, so that cost is the sum of the lanes' work. The field must compute
  /// every row from that row alone; `t` is then the time of each row. Times may differ, too: see `odeint`.
  public var perLane: Controller {
    var result = self
    result.isPerLane = true
    return result
  }

  /// `automatic` with steps of its own for every lane.
  public static let perLane = Controller.automatic.perLane

  /// Adaptive with the default tolerances where the method estimates its error, else one step from each save time to
  /// the next.
  public static let automatic = Controller(parameters: nil)

  /// Steps of this size, the last one shortened to end at the last time. The sign does not matter.
  public static func fixed(step: Double) -> Controller {
    require(
      step.isFinite && step != 0, "Controller.fixed: the step must be finite and not zero, got \(step)")
    var parameters = ControllerParameters()
    parameters.isAdaptive = false
    parameters.step = abs(step)
    return Controller(parameters: parameters)
  }

  /// So many equal steps from each save time to the next. That many are taken: `maxSteps` does not apply.
  public static func fixed(stepsPerInterval: Int) -> Controller {
    require(
      (1...ControllerParameters.mostStepsPerInterval).contains(stepsPerInterval),
      "Controller.fixed: stepsPerInterval must be in 1...\(ControllerParameters.mostStepsPerInterval), "
        + "got \(stepsPerInterval)")
    var parameters = ControllerParameters()
    parameters.isAdaptive = false
    parameters.stepsPerInterval = stepsPerInterval
    return Controller(parameters: parameters)
  }

  /// Steps that keep the local error, a root mean square over all components of error / (atol + rtol |y|), below 1.
  ///
  /// The defaults 1e-6 are what single precision still resolves; torchdiffeq's (1e-7, 1e-9) lie below its round-off.
  /// - Parameters:
  ///   - firstStep: of the solve, not of its adjoint (`SensitivityMethod.backsolve`); nil: chosen by Hairer, Norsett and
  ///     Wanner's rule (I, II.4), at two evaluations, but in the solution's own units: higher derivatives are taken to
  ///     grow by y'' / y' from one to the next.
  ///   - rtol, atol: finite, not negative, not both 0.
  ///   - safety: in (0, 1].
  ///   - factors: the lower in (0, 1), the upper above 1: bounds of the change from one step to the next.
  ///   - minimumStep: below it the solve ends with `stepUnderflow`.
  ///   - maxSteps: accepted and rejected together.
  public static func adaptive(
    rtol: Double = 1e-6, atol: Double = 1e-6, law: Law = .integral, safety: Double = 0.9,
    factors: ClosedRange<Double> = 0.2...10, firstStep: Double? = nil, minimumStep: Double = 0,
    maximumStep: Double? = nil, maxSteps: Int = 100_000
  ) -> Controller {
    func demand(_ condition: Bool, _ rule: String, _ value: Any) {
      require(condition, "Controller.adaptive: \(rule), got \(value)")
    }
    requireTolerances(rtol, atol, "Controller.adaptive")
    demand(safety > 0 && safety <= 1, "safety must be in (0, 1]", safety)
    demand(
      factors.lowerBound > 0 && factors.lowerBound < 1 && factors.upperBound > 1, "factors must lie around 1",
      factors)
    demand(firstStep.map { $0.isFinite && $0 != 0 } ?? true, "firstStep must not be 0", firstStep ?? 0)
    demand(
      minimumStep.isFinite && minimumStep >= 0, "minimumStep must be finite and not negative", minimumStep)
    demand(
      maximumStep.map { $0 > minimumStep } ?? true, "maximumStep must be above minimumStep", maximumStep ?? 0)
    demand(
      law.gains.i.isFinite && law.gains.p.isFinite && law.gains.i > 0 && law.gains.i + law.gains.p > 0,
      "the gains of the law must be finite, i and i + p above 0", law)
    requireSteps(maxSteps, "Controller.adaptive")
    var parameters = ControllerParameters()
    parameters.rtol = rtol
    parameters.atol = atol
    (parameters.i, parameters.p) = law.gains
    parameters.safety = safety
    parameters.minimumFactor = factors.lowerBound
    parameters.maximumFactor = factors.upperBound
    parameters.firstStep = abs(firstStep ?? 0)
    parameters.minimumStep = minimumStep
    parameters.maximumStep = maximumStep ?? 0
    parameters.maximumSteps = maxSteps
    return Controller(parameters: parameters)
  }

  /// A gradient keeps the time of every step, so there is memory for so many to be had.
  static func requireSteps(_ maxSteps: Int, _ operation: String) {
    require(
      (1...ControllerParameters.mostSteps).contains(maxSteps),
      "\(operation): maxSteps must be in 1...\(ControllerParameters.mostSteps), got \(maxSteps)")
  }

  static func requireTolerances(_ rtol: Double, _ atol: Double, _ operation: String) {
    require(
      rtol.isFinite && atol.isFinite && rtol >= 0 && atol >= 0 && rtol + atol > 0,
      "\(operation): tolerances must be finite, not negative, and not both zero, got rtol \(rtol), atol \(atol)"
    )
  }

  /// The parameters for a method, with what a call of `odeint` says itself taking precedence.
  func resolved(for method: Method, rtol: Double?, atol: Double?, maxSteps: Int?) -> ControllerParameters {
    var result: ControllerParameters
    if let parameters {
      result = parameters
    } else {
      result = ControllerParameters()
      result.isAdaptive = method.isAdaptive
      if !method.isAdaptive { result.stepsPerInterval = 1 }
    }
    require(
      !result.isAdaptive || method.isAdaptive,
      "odeint: \(method) has no error estimate, so its steps cannot adapt; use .fixed(step:), "
        + ".fixed(stepsPerInterval:) or one of "
        + Method.all.filter(\.isAdaptive).map(\.name).joined(separator: ", "))
    if let rtol { result.rtol = rtol }
    if let atol { result.atol = atol }
    Controller.requireTolerances(result.rtol, result.atol, "odeint")
    result.isPerLane = isPerLane
    if let maxSteps {
      Controller.requireSteps(maxSteps, "odeint")
      result.maximumSteps = maxSteps
    }
    return result
  }
}
