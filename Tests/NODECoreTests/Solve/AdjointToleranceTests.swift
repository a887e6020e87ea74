import Foundation
import Testing

@testable import NODECore

/// The continuous adjoint with tolerances of its own, and tolerances that are relative only.
@Suite struct AdjointToleranceTests {
  typealias D = Tensor<Double>

  /// Distance of the gradient from the reference.
  private static func error(_ tolerance: Double, _ sensitivity: SensitivityMethod) throws -> Double {
    let problem = GradientProblem.all[0]
    let found = try gradient(at: D(problem.parameters), D(problem.start)) { p, y0 in
      try problem.loss(p, y0, tolerance: tolerance, sensitivity: sensitivity)
    }
    return distance(found.0.scalars + found.1.scalars, problem.gradient)
  }

  @Test func itsOwnToleranceDecidesItsError() throws {
    let errors = try [1e-4, 1e-6, 1e-8, 1e-10].map {
      try Self.error(1e-12, .backsolve(rtol: $0, atol: $0))
    }
    for (coarse, fine) in zip(errors, errors.dropFirst()) { #expect(fine < coarse / 5, "\(errors)") }
  }

  @Test(arguments: [false, true]) func theSolvesTolerancesAreTheDefault(perLane: Bool) throws {
    let start = D([1, 0.5, -0.3, 0.8], shape: [2, 2])
    let controller = Controller.adaptive(rtol: 1e-5, atol: 1e-7)
    func found(_ sensitivity: SensitivityMethod) throws -> [Double] {
      try gradient(at: start) { y0 in
        square(
          try odeint(
            from: y0, at: [0, 2], controller: perLane ? controller.perLane : controller,
            sensitivity: sensitivity
          ) { t, y in sin(y * 3) - y }.final
        ).sum()
      }.scalars
    }
    let own = try found(.backsolve)
    #expect(try found(.backsolve(rtol: 1e-5)) == own)
    #expect(try found(.backsolve(rtol: 1e-5, atol: 1e-7)) == own)
    #expect(try found(.backsolve(atol: 1e-9)) != own)
    #expect(try found(.backsolve(rtol: 1e-7)) != own)
  }

  /// The second derivative of such a loss goes through solves of the way back.
  @Test func secondDerivativesGoThrough() throws {
    let report = try checkGradient(
      of: { y0 in
        try odeint(
          from: y0, at: [0, 1.5], rtol: 1e-10, atol: 1e-10, sensitivity: .backsolve(rtol: 1e-11, atol: 1e-11)
        ) { t, y in sin(y) * cos(t * 2) - y }.final.sum()
      }, at: D([0.4, -0.7]), order: 2, tolerance: 1e-5)
    #expect(report.passed, "\(report)")
    func second(_ tolerance: Double) throws -> [Double] {
      try hvp(at: D([0.4, -0.7]), along: D([1, 2])) { y0 in
        square(
          try odeint(
            from: y0, at: [0, 1.5], rtol: 1e-12, atol: 1e-12,
            sensitivity: .backsolve(rtol: tolerance, atol: tolerance)
          ) { t, y in sin(y * 2) * cos(t * 2) - y }.final
        ).sum()
      }.scalars
    }
    let exact = try second(1e-12)
    let errors = try [1e-3, 1e-6, 1e-9].map { distance(try second($0), exact) }
    for (coarse, fine) in zip(errors, errors.dropFirst()) { #expect(fine < coarse / 5, "\(errors)") }
  }

  /// y1 stays 0: without an absolute tolerance its error is 0 of 0, which is no error.
  @Test(arguments: [false, true], [SensitivityMethod.exact, .backsolve])
  func aComponentThatStaysZeroHasNoError(perLane: Bool, sensitivity: SensitivityMethod) throws {
    func check<Scalar: FloatingScalar>(_: Scalar.Type, rtol: Double, _ bound: Double) throws {
      let controller = Controller.adaptive(rtol: rtol, atol: 0)
      let (value, slope) = try valueAndGradient(at: Tensor<Scalar>([1, 0], shape: [1, 2])) { y0 in
        try odeint(
          from: y0, at: [0, 1], controller: perLane ? controller.perLane : controller,
          sensitivity: sensitivity
        ) { _, y in -y }.final[0, 0]
      }
      #expect(abs(Double(value.scalar) - exp(-1)) < bound)
      // Nothing flows back to y1 either.
      #expect(abs(Double(slope.scalars[0]) - exp(-1)) < 20 * bound && slope.scalars[1] == 0, "\(slope)")
    }
    try check(Double.self, rtol: 1e-9, 1e-8)
    try check(Float.self, rtol: 1e-5, 1e-4)
  }

  @Test func tolerancesOfFixedStepsAreRefused() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = try odeint(
        from: Tensor<Double>([1]), t0: 0, t1: 1, controller: .fixed(step: 0.1),
        sensitivity: .backsolve(rtol: 1e-3)
      ) { _, y in -y }
    }
    let words = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(words.contains("SensitivityMethod.backsolve"), "\(words)")
  }
}
