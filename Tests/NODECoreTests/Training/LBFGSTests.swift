import Foundation
import Testing

@testable import NODECore

@Suite struct StrongWolfeTests {
  /// The six functions of Moré and Thuente (1994), section 5, of which the first three have their own parameters of the
  /// conditions and the last three (Yanai, Ozawa, Kaneko) share theirs.
  private struct Problem: Sendable {
    let name: String, decrease: Double, curvature: Double
    let function: @Sendable (Double) -> (value: Double, slope: Double)
  }

  private static let problems: [Problem] = [
    Problem(name: "5.1", decrease: 0.001, curvature: 0.1) { a in
      let b = a * a + 2
      return (-a / b, (a * a - 2) / (b * b))
    },
    Problem(name: "5.2", decrease: 0.1, curvature: 0.101) { a in
      let c = a + 0.004
      return (pow(c, 5) - 2 * pow(c, 4), 5 * pow(c, 4) - 8 * pow(c, 3))
    },
    Problem(name: "5.3", decrease: 0.1, curvature: 0.101) { a in
      let beta = 0.01, l = 39.0
      let base: (Double, Double) =
        a <= 1 - beta
        ? (1 - a, -1)
        : a >= 1 + beta ? (a - 1, 1) : ((a - 1) * (a - 1) / (2 * beta) + beta / 2, (a - 1) / beta)
      let wave = 2 * (1 - beta) / (l * .pi)
      return (base.0 + wave * sin(l * .pi / 2 * a), base.1 + (1 - beta) * cos(l * .pi / 2 * a))
    },
    yanai("5.4 a", 0.001, 0.001), yanai("5.4 b", 0.01, 0.001), yanai("5.4 c", 0.001, 0.01),
  ]

  private static func yanai(_ name: String, _ beta1: Double, _ beta2: Double) -> Problem {
    func gamma(_ beta: Double) -> Double { (1 + beta * beta).squareRoot() - beta }
    let left = gamma(beta1), right = gamma(beta2)
    return Problem(name: name, decrease: 0.001, curvature: 0.0011) { a in
      let r = ((1 - a) * (1 - a) + beta2 * beta2).squareRoot(), s = (a * a + beta1 * beta1).squareRoot()
      return (left * r + right * s, -left * (1 - a) / r + right * a / s)
    }
  }

  /// From first steps over six orders of magnitude to a step that satisfies both conditions.
  @Test(arguments: 0..<6, [1e-3, 1e-1, 1e1, 1e3])
  func satisfiesBothConditions(_ index: Int, _ step: Double) {
    let problem = Self.problems[index]
    let search = StrongWolfe(
      decrease: problem.decrease, curvature: problem.curvature, maximumEvaluations: 60)
    let start = problem.function(0)
    let result = search.search(from: .init(step: 0, value: start.value, slope: start.slope), step: step) {
      problem.function($0)
    }
    #expect(result.isSatisfied, "\(problem.name) from \(step): \(result)")
    let end = problem.function(result.sample.step)
    #expect(end.value == result.sample.value && end.slope == result.sample.slope)
    #expect(end.value <= start.value + problem.decrease * result.sample.step * start.slope)
    #expect(abs(end.slope) <= -problem.curvature * start.slope)
  }

  /// Infinite beyond 1: the step is shortened until it is not.
  @Test func shortensWhereTheFunctionIsNotFinite() {
    let result = StrongWolfe().search(from: .init(step: 0, value: 0, slope: -1), step: 64) { a in
      a < 1 ? (-a - Foundation.log(1 - a) * 0.1, -1 + 0.1 / (1 - a)) : (.nan, .nan)
    }
    #expect(result.isSatisfied && result.sample.step < 1)
  }

  /// A slope that promises what the function does not keep: no step is found, and the search says so.
  @Test func aWrongSlopeIsNotSatisfied() {
    let result = StrongWolfe().search(from: .init(step: 0, value: 0, slope: -1), step: 1) { ($0, -1) }
    #expect(!result.isSatisfied && result.sample.step == 0)
  }

  @Test func theCubicIsInterpolated() throws {
    // a^3 - 3 a has its minimum at 1.
    func sample(_ a: Double) -> StrongWolfe.Sample {
      .init(step: a, value: a * a * a - 3 * a, slope: 3 * a * a - 3)
    }
    for (a, b) in [(0.2, 1.7), (1.7, 0.2)] {
      let minimum = try #require(StrongWolfe.cubicMinimum(sample(a), sample(b)))
      #expect(abs(minimum - 1) < 1e-12)
    }
  }
}

@Suite struct LBFGSTests {
  /// The sum of 100 (x[i+1] - x[i]^2)^2 + (1 - x[i])^2 (Rosenbrock 1960), minimal at ones.
  @Sendable private static func rosenbrock(_ x: Tensor<Double>) -> Tensor<Double> {
    let n = x.count, a = x[0..<n - 1], b = x[1..<n]
    return (100.0 * square(b - square(a)) + square(1.0 - a)).sum()
  }

  @Test(arguments: [2, 10, 50])
  func rosenbrock(_ n: Int) throws {
    let start = Tensor<Double>((0..<n).map { $0 % 2 == 0 ? -1.2 : 1 })
    let found = try LBFGS(maximumIterations: 500, gradientTolerance: 1e-9).minimize(
      from: start, Self.rosenbrock)
    #expect(found.status == .gradientTolerance)
    // The valley of more than three dimensions has a second minimum near (-1, 1, ..., 1), which this start does not reach.
    for x in found.point.scalars { #expect(abs(x - 1) < 1e-7) }
    #expect(found.gradientNorm <= 1e-9 && found.value < 1e-15)
    #expect(zip(found.history, found.history.dropFirst()).allSatisfy { $0 > $1 })
    #expect(found.history.count == found.iterations + 1 && found.evaluations > found.iterations)
  }

  /// Condition number 10^6, the axes turned: steepest descent would need millions of steps. With line searches that are
  /// nearly exact and a memory of as many pairs as dimensions it is a method of conjugate directions, which needs few more
  /// iterations than dimensions; with loose ones it takes its time (SciPy's, 1658 iterations on such a problem).
  @Test(arguments: [(0.9, 5000), (0.1, 60)])
  func illConditionedQuadratic(_ curvature: Double, _ iterations: Int) throws {
    let n = 20
    let q: Tensor<Double> = Initializer.orthogonal()([n, n], fanIn: n, fanOut: n, key: RandomKey(seed: 1))
    let scales = Tensor<Double>((0..<n).map { pow(10, 6 * Double($0) / Double(n - 1)) })
    let solution = Tensor<Double>.normal(shape: [n], key: RandomKey(seed: 2))
    let method = LBFGS(
      memory: n, maximumIterations: iterations, gradientTolerance: 1e-7,
      lineSearch: StrongWolfe(curvature: curvature))
    let found = try method.minimize(from: .zeros([n])) { x in
      (scales * square(matmul(x - solution, q))).sum() * 0.5
    }
    #expect(found.status == .gradientTolerance, "\(found.status)")
    for (a, b) in zip(found.point.scalars, solution.scalars) { #expect(abs(a - b) < 1e-6) }
  }

  /// The penalised likelihood of a logistic model against Newton's method by the hessian of the same function.
  @Test func logisticRegressionOfAModule() throws {
    let x = Tensor<Double>.normal(shape: [60, 3], key: RandomKey(seed: 3))
    let noise = Tensor<Double>.normal(shape: [60, 1], key: RandomKey(seed: 4))
    let labels = try (matmul(x, Tensor<Double>([[1], [-2], [0.5]])) + noise .> 0.0).evaluated()
    @Sendable func loss(_ model: Linear<Double>) -> Tensor<Double> {
      let logits = model(x)
      return (softplus(logits) - labels * logits).sum() + square(model.weight).sum() * 0.5
    }
    let start = Linear<Double>(3, 1, key: RandomKey(seed: 5))
    let found = try LBFGS(gradientTolerance: 1e-9).minimize(start) { loss($0) }
    #expect(found.status == .gradientTolerance)

    var point = start.parameterVector(Double.self)
    let flat = { (v: Tensor<Double>) in loss(start.replacingParameters(with: v)) }
    for _ in 0..<12 {
      let g = gradient(at: point, of: flat).scalars, h = hessian(at: point, of: flat).scalars
      point = Tensor(zip(point.scalars, solve(h, g)).map { $0 - $1 })
    }
    for (a, b) in zip(found.point.parameterVector(Double.self).scalars, point.scalars) {
      #expect(abs(a - b) < 1e-8)
    }
  }

  /// Gaussian elimination with pivots: the oracle's own.
  private func solve(_ matrix: [Double], _ right: [Double]) -> [Double] {
    let n = right.count
    var rows = (0..<n).map { Array(matrix[$0 * n..<($0 + 1) * n]) + [right[$0]] }
    for column in 0..<n {
      let pivot = (column..<n).max { abs(rows[$0][column]) < abs(rows[$1][column]) }!
      rows.swapAt(column, pivot)
      for row in 0..<n where row != column {
        let factor = rows[row][column] / rows[column][column]
        for k in column...n { rows[row][k] -= factor * rows[column][k] }
      }
    }
    return (0..<n).map { rows[$0][n] / rows[$0][$0] }
  }

  /// In Float the iteration goes to the rounding of the function and stops there by itself.
  @Test func floatsReachTheirRounding() throws {
    let start = Tensor<Float>([-1.2, 1])
    let found = try LBFGS(gradientTolerance: 0).minimize(from: start) { x in
      100.0 * square(x[1] - square(x[0])) + square(1.0 - x[0])
    }
    #expect(found.status == .lineSearchFailed || found.status == .gradientTolerance, "\(found)")
    for x in found.point.scalars { #expect(abs(x - 1) < 1e-3) }
  }

  /// A field that overflows at the first trial step: the search goes back to where the solve succeeds.
  @Test func failedSolvesCountAsInfinite() throws {
    // y' = k y^2 from 1 blows up at t = 1/k; y(0.5) = 1 / (1 - k/2) = 4 has k = 1.5.
    let found = try LBFGS(gradientTolerance: 1e-8).minimize(from: Tensor<Double>([0.0])) { k in
      let path = try odeint(from: Tensor<Double>([1]), t0: 0, t1: 0.5, rtol: 1e-9, atol: 1e-9, maxSteps: 2000)
      {
        _, y in k * y * y
      }
      return square(path.final - 4.0).sum()
    }
    #expect(abs(found.point.scalars[0] - 1.5) < 1e-6, "\(found)")
  }

  /// Slopes whose squares are 0, or infinite: there is no direction to search along, which is an end and not a stop.
  @Test(arguments: [1e-200, 1e200]) func aSlopeThatIsNoNumberEndsTheSearch(_ slope: Double) throws {
    let found = try LBFGS(gradientTolerance: 0).minimize(from: Tensor<Double>([1, 1])) { ($0 * slope).sum() }
    #expect(found.status == .lineSearchFailed && found.iterations == 0)
    #expect(found.point.scalars == [1, 1] && found.gradientNorm == slope)
    let atOnce = try LBFGS(gradientTolerance: 0).minimize(from: Tensor<Double>([0, 0])) { square($0).sum() }
    #expect(atOnce.status == .gradientTolerance && atOnce.evaluations == 1)
  }

  @Test func saysWhyItEnded() throws {
    let start = Tensor<Double>([-1.2, 1])
    #expect(
      try LBFGS(maximumIterations: 3).minimize(from: start, Self.rosenbrock).status == .maximumIterations)
    #expect(
      try LBFGS(changeTolerance: 1e-3).minimize(from: start, Self.rosenbrock).status == .changeTolerance)
    let atOnce = try LBFGS().minimize(from: Tensor<Double>([1, 1]), Self.rosenbrock)
    #expect(atOnce.status == .gradientTolerance && atOnce.iterations == 0 && atOnce.evaluations == 1)
    for bad in [-1.0, 0.0] {
      // log(-1) is no number; log(0) is infinite.
      let found = try LBFGS().minimize(from: Tensor<Double>([bad])) { log($0).sum() }
      #expect(found.status == .startNotFinite && found.evaluations == 1 && found.point.scalars == [bad])
    }
  }

  @Test func stopsWhenToldTo() throws {
    var seen: [Double] = []
    let found = try LBFGS().minimize(
      from: Tensor<Double>([-1.2, 1]),
      shouldStop: { iteration, value in
        seen.append(value)
        return iteration == 4
      }, Self.rosenbrock)
    #expect(found.status == .stopped && found.iterations == 4 && found.value == seen.last)
    #expect(Array(found.history.dropFirst()) == seen)
    // The last iteration is seen, too, whatever ends there.
    var count = 0
    let flat = try LBFGS(changeTolerance: 1e-3).minimize(
      from: Tensor<Double>([-1.2, 1]),
      shouldStop: { _, _ in
        count += 1
        return false
      }, Self.rosenbrock)
    #expect(flat.status == .changeTolerance && count == flat.iterations)
    #expect(throws: CancellationError.self) {
      _ = try LBFGS().minimize(
        from: Tensor<Double>([-1.2, 1]), shouldStop: { _, _ in throw CancellationError() }, Self.rosenbrock)
    }
  }

  /// Line searches count, and one that is cut short keeps the best step it saw.
  @Test func evaluationsAreWithinTheirBudget() throws {
    let start = Tensor<Double>([-1.2, 1])
    let whole = try LBFGS(gradientTolerance: 1e-9).minimize(from: start, Self.rosenbrock)
    #expect(whole.evaluations > whole.iterations + 1)
    for budget in 1..<whole.evaluations {
      let found = try LBFGS(maximumEvaluations: budget, gradientTolerance: 1e-9)
        .minimize(from: start, Self.rosenbrock)
      #expect(found.status == .maximumEvaluations && found.evaluations == budget, "\(found)")
      #expect(found.value == found.history.min()! && found.history.count == found.iterations + 1)
    }
    let enough = try LBFGS(maximumEvaluations: whole.evaluations, gradientTolerance: 1e-9)
      .minimize(from: start, Self.rosenbrock)
    #expect(enough.status == .gradientTolerance && enough.point.scalars == whole.point.scalars)
  }
}
