import Foundation

/// A learning rate as a function of the step. It is computed on the host and enters the compiled step as an
/// input, so changing it compiles nothing.
///
/// Rates are finite and not negative, counts of steps that something is divided by positive.
public struct Schedule: Sendable, Hashable, Codable {
  private enum Shape: Sendable, Hashable, Codable {
    case constant
    case steps(boundaries: [Int], factor: Double)
    case cosine(steps: Int, end: Double)
    case exponential(factor: Double, every: Int, end: Double)
    case piecewise(boundaries: [Int], rates: [Double])
    case interpolated(steps: [Int], rates: [Double])
    case warmUpCosine(warmUp: Int, steps: Int, start: Double, end: Double)
    case oneCycle(steps: Int, warmUp: Double, startDivisor: Double, endDivisor: Double)
  }

  private let peak: Double
  private let shape: Shape
  private var warmUpSteps = 0

  /// The same rate, finite and not negative, at every step.
  public static func constant(_ rate: Double) -> Schedule {
    requireSetting("Schedule", "the rate", rate, .notNegative)
    return Schedule(peak: rate, shape: .constant)
  }

  /// The rate is multiplied by `factor`, which is not negative, at each boundary.
  public static func steps(_ rate: Double, at boundaries: [Int], factor: Double = 0.1) -> Schedule {
    requireSetting("Schedule.steps", "the rate", rate, .notNegative)
    requireSetting("Schedule.steps", "the factor", factor, .notNegative)
    return Schedule(peak: rate, shape: .steps(boundaries: boundaries, factor: factor))
  }

  /// Half a cosine from `rate` at step 0 to `end` at step `steps`, then constant (Loshchilov, Hutter 2017,
  /// eq. 5, one cycle). `steps` is positive.
  public static func cosine(_ rate: Double, steps: Int, end: Double = 0) -> Schedule {
    requireSetting("Schedule.cosine", "the rate", rate, .notNegative)
    requireSetting("Schedule.cosine", "the end", end, .notNegative)
    require(steps > 0, "Schedule.cosine: the number of steps must be positive, got \(steps)")
    return Schedule(peak: rate, shape: .cosine(steps: steps, end: end))
  }

  /// `rate` at step 0, multiplied by `factor` every `every` steps, in between too: rate factor^(step / every), but not
  /// below `end`. With `every` 1 it is PyTorch's ExponentialLR. `factor` and `every` are positive.
  public static func exponential(
    _ rate: Double, factor: Double, every: Int = 1, end: Double = 0
  ) -> Schedule {
    requireSetting("Schedule.exponential", "the rate", rate, .notNegative)
    requireSetting("Schedule.exponential", "the factor", factor, .positive)
    requireSetting("Schedule.exponential", "the end", end, .notNegative)
    require(every > 0, "Schedule.exponential: every must be a positive number of steps, got \(every)")
    return Schedule(peak: rate, shape: .exponential(factor: factor, every: every, end: end))
  }

  /// rates[0] before boundaries[0], then rates[1] from there on, and so on: one rate more than boundaries, which increase.
  public static func piecewise(_ rates: [Double], at boundaries: [Int]) -> Schedule {
    require(
      rates.count == boundaries.count + 1 && zip(boundaries, boundaries.dropFirst()).allSatisfy { $0 < $1 },
      "Schedule.piecewise: rates \(rates) at boundaries \(boundaries)")
    for rate in rates { requireSetting("Schedule.piecewise", "a rate", rate, .notNegative) }
    return Schedule(peak: rates[0], shape: .piecewise(boundaries: boundaries, rates: rates))
  }

  /// Straight lines between rates at increasing steps; constant before the first and after the last.
  public static func linear(_ points: (step: Int, rate: Double)...) -> Schedule {
    let steps = points.map(\.step)
    require(
      !points.isEmpty && zip(steps, steps.dropFirst()).allSatisfy { $0 < $1 },
      "Schedule.linear: points at steps \(steps) do not increase")
    for point in points { requireSetting("Schedule.linear", "a rate", point.rate, .notNegative) }
    return Schedule(
      peak: points[0].rate, shape: .interpolated(steps: steps, rates: points.map(\.rate)))
  }

  /// A straight line from `start` at step 0 to `rate` at step `warmUp`, then half a cosine down to `end` at step `steps`,
  /// then constant (optax's warmup_cosine_decay_schedule). 0 <= `warmUp` < `steps`.
  public static func warmUpCosine(
    _ rate: Double, warmUp: Int, steps: Int, start: Double = 0, end: Double = 0
  ) -> Schedule {
    require(
      0 <= warmUp && warmUp < steps, "Schedule.warmUpCosine: warm-up of \(warmUp) among \(steps) steps")
    for (name, value) in [("the rate", rate), ("the start", start), ("the end", end)] {
      requireSetting("Schedule.warmUpCosine", name, value, .notNegative)
    }
    return Schedule(
      peak: rate, shape: .warmUpCosine(warmUp: warmUp, steps: steps, start: start, end: end))
  }

  /// Half a cosine up from rate / startDivisor to `rate` during the first `warmUp` of the steps, another down
  /// to rate / startDivisor / endDivisor (Smith, Topin 2018; PyTorch's OneCycleLR).
  /// - Parameters:
  ///   - steps: positive.
  ///   - warmUp: the share of the steps that goes up, in [0, 1].
  ///   - startDivisor, endDivisor: finite and positive.
  public static func oneCycle(
    _ rate: Double, steps: Int, warmUp: Double = 0.3, startDivisor: Double = 25, endDivisor: Double = 1e4
  ) -> Schedule {
    requireSetting("Schedule.oneCycle", "the rate", rate, .notNegative)
    require(steps > 0, "Schedule.oneCycle: the number of steps must be positive, got \(steps)")
    requireSetting("Schedule.oneCycle", "warmUp", warmUp, .share)
    requireSetting("Schedule.oneCycle", "startDivisor", startDivisor, .positive)
    requireSetting("Schedule.oneCycle", "endDivisor", endDivisor, .positive)
    return Schedule(
      peak: rate,
      shape: .oneCycle(steps: steps, warmUp: warmUp, startDivisor: startDivisor, endDivisor: endDivisor))
  }

  /// The same, its first `steps` steps, not less than 0, multiplied by 1/steps, 2/steps, ..., 1.
  public func warmedUp(steps: Int) -> Schedule {
    require(steps >= 0, "Schedule.warmedUp: the number of steps must not be negative, got \(steps)")
    var copy = self
    copy.warmUpSteps = steps
    return copy
  }

  /// The rate of a step; steps count from 0. Stops where it is not finite: an exponential that grows overflows.
  public func rate(at step: Int) -> Double {
    require(step >= 0, "Schedule.rate: steps count from 0, got \(step)")
    // The step itself, not the one after it, which Int.max has not.
    let ramp = warmUpSteps > 0 ? min((Double(step) + 1) / Double(warmUpSteps), 1) : 1
    let rate = ramp * shaped(step)
    // The message is made only where it is needed: steps allocate nothing.
    require(
      SettingRange.notNegative.contains(rate),
      "Schedule.rate: the rate at step \(step) must be finite and not negative, got \(rate)")
    return rate
  }

  private func shaped(_ step: Int) -> Double {
    // From a to b along half a cosine as x goes from 0 to 1.
    func anneal(_ a: Double, _ b: Double, _ x: Double) -> Double {
      b + (a - b) / 2 * (1 + Foundation.cos(.pi * min(max(x, 0), 1)))
    }
    switch shape {
    case .constant: return peak
    case .steps(let boundaries, let factor):
      return boundaries.reduce(peak) { step >= $1 ? $0 * factor : $0 }
    case .exponential(let factor, let every, let end):
      return max(peak * Foundation.pow(factor, Double(step) / Double(every)), end)
    case .piecewise(let boundaries, let rates):
      return rates[boundaries.count { step >= $0 }]
    case .interpolated(let steps, let rates):
      guard let next = steps.firstIndex(where: { step < $0 }) else { return rates[rates.count - 1] }
      if next == 0 { return rates[0] }
      let share = Double(step - steps[next - 1]) / Double(steps[next] - steps[next - 1])
      return rates[next - 1] + (rates[next] - rates[next - 1]) * share
    case .warmUpCosine(let warmUp, let steps, let start, let end):
      if step < warmUp { return start + (peak - start) * Double(step) / Double(warmUp) }
      return anneal(peak, end, Double(step - warmUp) / Double(steps - warmUp))
    case .cosine(let steps, let end): return anneal(peak, end, Double(step) / Double(max(steps, 1)))
    case .oneCycle(let steps, let warmUp, let startDivisor, let endDivisor):
      let start = peak / startDivisor
      let top = warmUp * Double(steps) - 1, last = Double(steps - 1)
      if Double(step) <= top { return anneal(start, peak, top > 0 ? Double(step) / top : 1) }
      return anneal(peak, start / endDivisor, last > top ? (Double(step) - top) / (last - top) : 1)
    }
  }
}

extension Schedule {
  /// Throws `DecodingError.dataCorrupted` for what no schedule can be made of.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    peak = try container.decode(Double.self, forKey: .peak)
    shape = try container.decode(Shape.self, forKey: .shape)
    warmUpSteps = try container.decode(Int.self, forKey: .warmUpSteps)
    guard isSound else {
      throw DecodingError.dataCorrupted(
        .init(
          codingPath: decoder.codingPath,
          debugDescription:
            "no Schedule: peak \(peak), \(shape), \(warmUpSteps) steps of warm-up; see the ranges of its functions"
        ))
    }
  }

  /// The rules of the functions that make schedules.
  private var isSound: Bool {
    func areRates(_ rates: Double...) -> Bool { rates.allSatisfy(SettingRange.notNegative.contains) }
    func rise(_ steps: [Int]) -> Bool { zip(steps, steps.dropFirst()).allSatisfy { $0 < $1 } }
    guard areRates(peak), warmUpSteps >= 0 else { return false }
    switch shape {
    case .constant: return true
    case .steps(_, let factor): return areRates(factor)
    case .cosine(let steps, let end): return steps > 0 && areRates(end)
    case .exponential(let factor, let every, let end):
      return SettingRange.positive.contains(factor) && every > 0 && areRates(end)
    case .piecewise(let boundaries, let rates):
      return rates.count == boundaries.count + 1 && rise(boundaries) && rates.allSatisfy { areRates($0) }
    case .interpolated(let steps, let rates):
      return !steps.isEmpty && rates.count == steps.count && rise(steps) && rates.allSatisfy { areRates($0) }
    case .warmUpCosine(let warmUp, let steps, let start, let end):
      return 0 <= warmUp && warmUp < steps && areRates(start, end)
    case .oneCycle(let steps, let warmUp, let startDivisor, let endDivisor):
      return steps > 0 && SettingRange.share.contains(warmUp) && SettingRange.positive.contains(startDivisor)
        && SettingRange.positive.contains(endDivisor)
    }
  }
}

extension Schedule: ExpressibleByFloatLiteral {
  /// A constant rate.
  public init(floatLiteral value: Double) { self = .constant(value) }
}

extension Schedule: ExpressibleByIntegerLiteral {
  /// A constant rate.
  public init(integerLiteral value: Int) { self = .constant(Double(value)) }
}
