import Foundation

/// What a derivative check compared, and how it came out.
public struct GradientReport: Sendable, CustomStringConvertible {
  /// One comparison of two numbers that have to be equal.
  public struct Comparison: Sendable, CustomStringConvertible {
    /// `actual` against `expected`, in words.
    public enum Kind: String, Sendable {
      case forward = "jvp against finite differences"
      case reverse = "vjp against finite differences"
      case duality = "vjp against jvp"
    }
    public var kind: Kind
    /// The order of the derivative that was compared.
    public var order: Int
    /// How the function was differentiated before, innermost first: empty at order 1.
    public var path: [DerivativeMode]
    /// The finite difference; for duality what the forward mode gives.
    public var expected: Double
    /// What the mode gives that is checked; for duality the reverse mode.
    public var actual: Double
    /// What the two are compared to, positive: |w| |J v| for the cotangent w and the tangent J v, which the compared numbers
    /// w^T J v may be far below; but at least 1e-4 |w| |f|, as rounding of f (and at higher orders of what f is the derivative
    /// of) hides a smaller derivative from differences.
    public var scale: Double
    /// |expected - actual| over the largest of `scale` and both magnitudes; infinite where one is not finite.
    public var mismatch: Double {
      guard expected.isFinite && actual.isFinite && scale.isFinite else { return .infinity }
      return (expected - actual).magnitude / Swift.max(scale, expected.magnitude, actual.magnitude)
    }

    public var description: String {
      let route = path.isEmpty ? "" : " after " + path.map { "\($0)" }.joined(separator: ", ")
      return "order \(order)\(route), \(kind.rawValue): \(actual) against \(expected), mismatch \(mismatch)"
    }
  }

  /// One for each mode, at every order and path.
  public var comparisons: [Comparison]
  /// Bound of the mismatch with finite differences. Duality is held to a hundredth of it.
  public var tolerance: Double

  /// The largest mismatch in units of its bound; nil where nothing was compared.
  public var worst: Comparison? { comparisons.max { ratio($0) < ratio($1) } }
  /// Every mismatch is within its bound, and there is at least one.
  public var passed: Bool { !comparisons.isEmpty && comparisons.allSatisfy { ratio($0) <= 1 } }

  /// Throws `GradientMismatch` unless everything agreed.
  public func verify() throws {
    if !passed { throw GradientMismatch(report: self) }
  }

  public var description: String {
    let verdict = passed ? "derivatives agree" : "derivatives do not agree"
    return "\(verdict) (\(comparisons.count) comparisons, tolerance \(tolerance), "
      + "of vjp against jvp \(tolerance * 0.01)); worst: "
      + (worst.map(\.description) ?? "none")
  }

  private func ratio(_ comparison: Comparison) -> Double {
    comparison.mismatch / (comparison.kind == .duality ? tolerance * 0.01 : tolerance)
  }
}

/// A derivative that failed its check.
public struct GradientMismatch: Error, CustomStringConvertible {
  public var report: GradientReport
  public var description: String { report.description }
}

/// The check of derivatives by random projections (as in autograd's test_util): for random directions v and cotangents w,
/// w^T J v from the forward mode is compared with a finite difference of w^T f along v, and with v^T (J^T w) from the reverse
/// mode. For order n the same is done to the n - 1 times differentiated function, for every combination of modes.
package struct DerivativeCheck {
  /// Distance of the finite difference. Central differences at h and h/2, extrapolated (Richardson): error h^4, round-off
  /// of about 1e-16 / h.
  private static let step = 1e-3

  package typealias Function = ([Value]) throws -> [Value]
  package typealias Evaluate = ([Value]) throws -> [[Double]]

  let evaluate: Evaluate
  var key: RandomKey
  var comparisons: [GradientReport.Comparison] = []

  /// Checks `f` at `arguments` up to `order`. `evaluate` computes the elements of closed values.
  package static func run(
    _ f: @escaping Function, at arguments: [Value], order: Int, modes: Set<DerivativeMode>, tolerance: Double,
    seed: UInt64, evaluate: @escaping Evaluate
  ) throws -> GradientReport {
    require(order >= 1, "checkGradient: order \(order) must be at least 1")
    require(!modes.isEmpty, "checkGradient: no modes to check")
    require(
      arguments.allSatisfy { $0.dtype == .float64 },
      "checkGradient: arguments must be Double, for finite differences")
    var check = DerivativeCheck(evaluate: evaluate, key: RandomKey(seed: seed))
    try check.check(f, at: arguments, order: 1, last: order, modes: modes, path: [], height: 0)
    return GradientReport(comparisons: check.comparisons, tolerance: tolerance)
  }

  private mutating func check(
    _ f: @escaping Function, at x: [Value], order: Int, last: Int, modes: Set<DerivativeMode>,
    path: [DerivativeMode], height: Double
  ) throws {
    let directions = x.map { draw(like: $0) }
    let cotangents = try Graph.differentiating(x, f).map { draw(like: $0) }
    let height = try compare(f, x, directions, cotangents, order, modes, path, height)
    guard order < last else { return }
    for mode in DerivativeMode.allCases where modes.contains(mode) {
      let derivative: Function = { arguments in
        try Graph.differentiating(arguments) { copies in
          let results = try f(copies)
          switch mode {
          case .forward:
            let tangents = pushforward(of: results, inputs: copies, tangents: directions)
            return zip(results, tangents).map { $1 ?? $0.splat(0) }
          case .reverse:
            let gradients = pullback(of: results, cotangents: cotangents, to: copies)
            return zip(copies, gradients).map { $1 ?? $0.splat(0) }
          }
        }
      }
      try check(
        derivative, at: x, order: order + 1, last: last, modes: modes, path: path + [mode], height: height)
    }
  }

  /// - Parameter height: the largest |f| of lower orders.
  /// - Returns: the same with this one.
  private mutating func compare(
    _ f: Function, _ x: [Value], _ directions: [Value], _ cotangents: [Value], _ order: Int,
    _ modes: Set<DerivativeMode>, _ path: [DerivativeMode], _ height: Double
  ) throws -> Double {
    let (copies, results) = try Graph.differentiating(x) { ($0, try f($0)) }
    func projected(_ results: [Value]) -> Value { DerivativeCheck.dot(results, cotangents) }
    func shifted(_ distance: Double) throws -> Value {
      projected(try f(zip(x, directions).map { $0 + $1 * distance }))
    }

    let tangents = pushforward(of: results, inputs: copies, tangents: directions)
    let forward = projected(zip(results, tangents).map { $1 ?? $0.splat(0) })
    let gradients = pullback(of: results, cotangents: cotangents, to: copies)
    let reverse = DerivativeCheck.dot(zip(copies, gradients).map { $1 ?? $0.splat(0) }, directions)
    let h = DerivativeCheck.step
    let samples = try [h, -h, h / 2, -h / 2].map(shifted)

    func squares(_ values: [Value]) -> Value { DerivativeCheck.dot(values, values) }
    let motion = zip(results, tangents).map { $1 ?? $0.splat(0) }
    let sizes = [squares(cotangents), squares(motion), squares(results)]

    let numbers = try evaluate([forward, reverse] + samples + sizes).map { $0[0] }
    let slope = numbers[7].squareRoot(), height = max(height, numbers[8].squareRoot())
    // Where everything is zero, as it should be, there is nothing to compare to.
    let scale = max(numbers[6].squareRoot() * max(slope, 1e-4 * height), .leastNormalMagnitude)
    let coarse = (numbers[2] - numbers[3]) / (2 * h), fine = (numbers[4] - numbers[5]) / h
    let difference = (4 * fine - coarse) / 3
    if modes.contains(.forward) {
      comparisons.append(
        .init(
          kind: .forward, order: order, path: path, expected: difference, actual: numbers[0], scale: scale))
    }
    if modes.contains(.reverse) {
      let duality = modes.contains(.forward)
      comparisons.append(
        .init(
          kind: duality ? .duality : .reverse, order: order, path: path,
          expected: duality ? numbers[0] : difference,
          actual: numbers[1], scale: scale))
    }
    return height
  }

  /// Numbers between 0.5 and 1.5 in magnitude, of both signs: no direction is nearly missed.
  private mutating func draw(like value: Value) -> Value {
    let keys = key.split()
    key = keys[0]
    var stream = RandomStream(key: keys[1])
    let elements = (0..<value.shape.count).map { _ in
      let word = stream.nextWord()
      return (0.5 + Double(word >> 1) * 0x1p-31) * (word & 1 == 0 ? 1 : -1)
    }
    return Graph.constant(elements, value.shape)
  }

  private static func dot(_ a: [Value], _ b: [Value]) -> Value {
    let terms = zip(a, b).map { ($0 * $1).sum(axes: Array(0..<$0.shape.rank)) }
    return terms.dropFirst().reduce(terms[0], +)
  }
}

extension GradientMismatch: LocalizedError {
  /// As in print.
  public var errorDescription: String? { description }
}
