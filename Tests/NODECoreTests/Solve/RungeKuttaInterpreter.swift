@testable import NODECore

/// Explicit Runge-Kutta steps in plain Swift: what the tables say, with nothing of the kernels.
struct RungeKuttaInterpreter {
  let tableau: Tableau
  let field: (Double, [Double]) -> [Double]

  func stages(_ t: Double, _ y: [Double], _ h: Double) -> [[Double]] {
    var k: [[Double]] = []
    for i in 0..<tableau.stages {
      k.append(field(t + tableau.c[i] * h, combined(y, h, k, tableau.a[i])))
    }
    return k
  }

  func combined(_ y: [Double], _ h: Double, _ k: [[Double]], _ weights: [Double]) -> [Double] {
    y.indices.map { n in y[n] + h * k.indices.reduce(0.0) { $0 + weights[$1] * k[$1][n] } }
  }

  func dense(_ t: Double, _ y: [Double], _ h: Double, at x: Double) -> [Double] {
    let weights = tableau.dense.map { $0.reversed().reduce(0.0) { ($0 + $1) * x } }
    return combined(y, h, stages(t, y, h), weights)
  }

  func integrate(from t0: Double, to t1: Double, _ y0: [Double], steps: Int) -> [Double] {
    let h = (t1 - t0) / Double(steps)
    return (0..<steps).reduce(y0) { y, n in
      let t = t0 + Double(n) * h
      return combined(y, h, stages(t, y, h), tableau.b)
    }
  }
}
