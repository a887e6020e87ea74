import Foundation
import Testing

@testable import NODECore

/// y1' = y1 cos t, y2' = -y1 y2^2 / (1 + t) ... in closed form: non-autonomous, nonlinear and coupled, so that no
/// elementary differential vanishes by accident.
enum CoupledProblem {
  /// u' = u cos t with u(0) = 1; v' = u v^2 sin t - v with v(0) = 1/2.
  static func field(_ t: Double, _ y: [Double]) -> [Double] {
    [y[0] * cos(t), y[0] * y[1] * y[1] * sin(t) - y[1]]
  }
  static let start = [1.0, 0.5]

  /// By a fine integration, converged to round-off (checked in the test).
  static func reference(_ t: Double, steps: Int) -> [Double] {
    RungeKuttaInterpreter(tableau: Method.dopri5.tableau, field: field).integrate(
      from: 0, to: t, start, steps: steps)
  }
}

func slope(_ x: [Double], _ y: [Double]) -> Double {
  let mx = x.reduce(0, +) / Double(x.count), my = y.reduce(0, +) / Double(y.count)
  return zip(x, y).reduce(0) { $0 + ($1.0 - mx) * ($1.1 - my) } / x.reduce(0) { $0 + ($1 - mx) * ($1 - mx) }
}

func distance(_ a: [Double], _ b: [Double]) -> Double {
  zip(a, b).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot()
}

@Suite struct MethodOrderTests {
  @Test func theReferenceIsConverged() {
    let fine = CoupledProblem.reference(2, steps: 4000)
    #expect(distance(fine, CoupledProblem.reference(2, steps: 2000)) < 1e-14)
    // u has a closed form.
    #expect(abs(fine[0] - exp(sin(2.0))) < 1e-13)
  }

  @Test(arguments: Method.all) func theTableShowsItsOrder(method: Method) {
    let rk = RungeKuttaInterpreter(tableau: method.tableau, field: CoupledProblem.field)
    let reference = CoupledProblem.reference(2, steps: 4000)
    let counts = method.order < 3 ? [80, 160, 320, 640] : [20, 40, 80, 160]
    let errors = counts.map {
      distance(rk.integrate(from: 0, to: 2, CoupledProblem.start, steps: $0), reference)
    }
    let order = -slope(counts.map { log(Double($0)) }, errors.map { log($0) })
    #expect(abs(order - Double(method.order)) <= 0.2, "\(method): \(order) from \(errors)")
  }

  /// One step from exact data: the interpolant of order q has local error h^(q + 1), for every x.
  @Test(arguments: Method.all) func theInterpolantShowsItsOrder(method: Method) {
    let rk = RungeKuttaInterpreter(tableau: method.tableau, field: CoupledProblem.field)
    let steps = [0.2, 0.1, 0.05, 0.025]
    for x in [0.3, 0.7] {
      let errors = steps.map { h in
        distance(rk.dense(0, CoupledProblem.start, h, at: x), CoupledProblem.reference(x * h, steps: 200))
      }
      let order = slope(steps.map { log($0) }, errors.map { log($0) }) - 1
      #expect(
        abs(order - Double(method.tableau.denseOrder)) <= 0.35, "\(method) at \(x): \(order) from \(errors)")
    }
  }
}
