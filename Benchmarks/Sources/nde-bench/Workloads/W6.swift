import NODECore
import PerformanceCheck

/// A Hamiltonian network (Greydanus et al. 2019, arXiv:1906.01563): H an MLP d-200-200-1 tanh, the field its symplectic
/// gradient. An Adam step on the mean squared error of the derivatives, for the spring (d = 2, 750 rows) and two bodies
/// (d = 8, 800 rows); and 1,000 steps of RK4 along the spring's field from 1 and from 100 states.
struct W6: Workload {
  private static let hidden = 200, steps = 1000, end = 20.0

  private struct Problem {
    let name: String
    let dimensions: Int
    let net: MLP<Float>
    let batch: Derivatives

    init(_ name: String, dimensions: Int, rows: Int, seed: UInt64) throws {
      self.name = name
      self.dimensions = dimensions
      let h = W6.hidden
      net = MLP<Float>(dimensions, h, h, 1, activation: .tanh, key: RandomKey(seed: seed))
      let shape: Shape = [rows, dimensions]
      let (x, dx) = try evaluated(
        Tensor<Float>.normal(shape: shape, key: RandomKey(seed: seed + 1)),
        Tensor<Float>.normal(shape: shape, key: RandomKey(seed: seed + 2)))
      batch = Derivatives(x: x, dx: dx)
    }
  }

  private let problems: [Problem]

  init() throws {
    problems = [
      try Problem("spring", dimensions: 2, rows: 750, seed: 601),
      try Problem("two-body", dimensions: 8, rows: 800, seed: 611),
    ]
  }

  func export(to folder: String) throws {
    for problem in problems {
      let writer = InputWriter(folder: folder, workload: "w6\(problem.name)")
      try writer.write("", parametersOf: problem.net)
      try writer.write("x", problem.batch.x)
      try writer.write("dx", problem.batch.dx)
    }
  }

  func variants() throws -> [WorkloadVariant] {
    try problems.map(training) + [1, 100].map { rollout(problems[0], batch: $0) }
  }

  /// Products of one evaluation of the field for one row: forward, and back without the last layer, whose gradient is a row of
  /// weights.
  private static func flops(_ problem: Problem) -> Double {
    2 * 2 * Double(hidden * hidden + problem.dimensions * hidden)
  }

  private func training(_ problem: Problem) throws -> WorkloadVariant {
    let rows = problem.batch.x.shape[0]
    let subject = try TrainingSubject(
      problem.net, optimizer: .adam(learningRate: 1e-3), batch: problem.batch,
      fill: { buffer in
        _ = buffer.scalars(0, of: Float.self).update(fromContentsOf: problem.batch.x.scalars)
        _ = buffer.scalars(1, of: Float.self).update(fromContentsOf: problem.batch.dx.scalars)
      }
    ) { net, batch in square(hamiltonianField(net, batch.x) - batch.dx).mean() }
    return WorkloadVariant(
      name: problem.name, subject: subject,
      necessaryFlops: { _ in 3 * Double(rows) * Self.flops(problem) }, check: { subject.loss })
  }

  private func rollout(_ problem: Problem, batch: Int) -> WorkloadVariant {
    let net = problem.net
    let subject = SolveSubject(
      from: problem.batch.x[0..<batch], times: (0, Self.end),
      compiled { (y0: Tensor<Float>, times: Tensor<Double>) in
        let solution = solve(
          from: y0, at: times, method: .rk4, controller: .fixed(stepsPerInterval: Self.steps)
        ) { _, y in hamiltonianField(net, y) }
        return (solution.states, solution.statisticsTensor)
      })
    return WorkloadVariant(
      name: "rollout-\(batch)", subject: subject,
      necessaryFlops: { Double($0.forward * batch) * Self.flops(problem) },
      check: { Double(square(subject.states![1]).mean().scalar) })
  }
}

/// (dH/dp, -dH/dq) of states [rows, (q, p)].
private func hamiltonianField(_ net: MLP<Float>, _ x: Tensor<Float>) -> Tensor<Float> {
  let half = x.shape[1] / 2
  let slope = gradient(at: x) { net($0).sum() }
  return .concatenated([slope[..., half...], -slope[..., ..<half]], axis: 1)
}

/// States and their derivatives, [rows, d] each.
private struct Derivatives: Module {
  var x: Tensor<Float>
  var dx: Tensor<Float>
  mutating func visitParameters(_ visit: inout ParameterVisitor) {
    visit("x", &x)
    visit("dx", &dx)
  }
}
