/// A line search for the strong Wolfe conditions (Nocedal, Wright 2006, eqs. 3.7): with phi(a) = f(x + a p),
///
///     phi(a) <= phi(0) + c1 a phi'(0),   |phi'(a)| <= c2 |phi'(0)|
///
/// by their algorithms 3.5 (bracketing) and 3.6 (zoom) with cubic interpolation (eq. 3.59), kept a tenth of the bracket
/// away from its ends; a bracket that did not shrink to two thirds is halved. Where phi is not finite the step is too long.
public struct StrongWolfe: Sendable, Hashable {
  /// c1, above 0 and below c2.
  public var decrease: Double
  /// c2, above c1 and below 1.
  public var curvature: Double
  /// At least 1.
  public var maximumEvaluations: Int

  /// 0 < decrease < curvature < 1, and at least one evaluation.
  public init(decrease: Double = 1e-4, curvature: Double = 0.9, maximumEvaluations: Int = 30) {
    self.decrease = decrease
    self.curvature = curvature
    self.maximumEvaluations = maximumEvaluations
    requireSettings()
  }

  // Properties may be set after `init`, so what uses them looks again.
  func requireSettings() {
    require(
      0 < decrease && decrease < curvature && curvature < 1,
      "StrongWolfe: needs 0 < decrease < curvature < 1, got \(decrease) and \(curvature)")
    require(
      maximumEvaluations > 0,
      "StrongWolfe: maximumEvaluations must be at least 1, got \(maximumEvaluations)")
  }

  /// phi and its derivative at one step.
  public struct Sample: Sendable, Hashable {
    /// a, phi(a) and phi'(a).
    public var step: Double, value: Double, slope: Double
    public init(step: Double, value: Double, slope: Double) {
      self.step = step
      self.value = value
      self.slope = slope
    }
    var isFinite: Bool { value.isFinite && slope.isFinite }
  }

  /// Where a search ended.
  public struct Result: Sendable, Hashable {
    public var sample: Sample
    /// Of phi.
    public var evaluations: Int
    /// Whether both conditions hold; if not, `sample` is the best step that was seen, perhaps 0.
    public var isSatisfied: Bool
  }

  /// Searches from `start`, where phi' is negative, with the first step `step`, which is positive; both are finite.
  /// - Parameter phi: value and derivative at a step.
  public func search(
    from start: Sample, step: Double, _ phi: (Double) throws -> (value: Double, slope: Double)
  ) rethrows -> Result {
    requireSettings()
    require(
      start.slope < 0 && step > 0 && start.slope.isFinite && step.isFinite,
      "StrongWolfe: slope \(start.slope) and step \(step) lead nowhere")
    var evaluations = 0
    func probe(_ step: Double) throws -> Sample {
      evaluations += 1
      let (value, slope) = try phi(step)
      return Sample(step: step, value: value, slope: slope)
    }
    func isTooHigh(_ sample: Sample) -> Bool {
      !sample.isFinite || sample.value > start.value + decrease * sample.step * start.slope
    }
    func isFlat(_ sample: Sample) -> Bool { sample.slope.magnitude <= -curvature * start.slope }
    func result(_ sample: Sample, _ isSatisfied: Bool) -> Result {
      Result(sample: sample, evaluations: evaluations, isSatisfied: isSatisfied)
    }

    func zoom(_ low: Sample, _ high: Sample) throws -> Result {
      var low = low, high = high, lastWidth = Double.infinity
      while evaluations < maximumEvaluations {
        let width = (high.step - low.step).magnitude
        var step = (low.step + high.step) / 2
        if width < 2 / 3 * lastWidth, let cubic = Self.cubicMinimum(low, high) {
          let left = min(low.step, high.step)
          step = min(max(cubic, left + 0.1 * width), left + 0.9 * width)
        }
        lastWidth = width
        guard step != low.step && step != high.step else { break }
        let sample = try probe(step)
        // Values that differ by rounding alone say nothing: then slopes decide.
        let rounding = 4 * max(low.value.magnitude, sample.value.magnitude).ulp
        if isTooHigh(sample) || sample.value > low.value + rounding {
          high = sample
        } else {
          if isFlat(sample) { return result(sample, true) }
          if sample.slope * (high.step - low.step) >= 0 { high = low }
          low = sample
        }
      }
      return result(low, false)
    }

    var previous = start, step = step
    while evaluations < maximumEvaluations {
      let sample = try probe(step)
      if isTooHigh(sample) || (evaluations > 1 && sample.value >= previous.value) {
        return try zoom(previous, sample)
      }
      if isFlat(sample) { return result(sample, true) }
      if sample.slope >= 0 { return try zoom(sample, previous) }
      let shortest = step + 0.01 * (step - previous.step), longest = 10 * step
      step = min(max(Self.cubicMinimum(previous, sample) ?? longest, shortest), longest)
      previous = sample
    }
    return result(previous, false)
  }

  /// The minimiser of the cubic that has both samples' values and slopes (eq. 3.59); nil where it has none.
  static func cubicMinimum(_ a: Sample, _ b: Sample) -> Double? {
    guard a.isFinite && b.isFinite else { return nil }
    let d1 = a.slope + b.slope - 3 * (a.value - b.value) / (a.step - b.step)
    let square = d1 * d1 - a.slope * b.slope
    guard square >= 0 else { return nil }
    let d2 = b.step > a.step ? square.squareRoot() : -square.squareRoot()
    let step = b.step - (b.step - a.step) * (b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2)
    return step.isFinite ? step : nil
  }
}
