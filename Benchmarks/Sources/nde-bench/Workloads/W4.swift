import NODECore
import PerformanceCheck

/// A training step of a continuous normalizing flow: MLP [d + 1, 64, 64, d] tanh with the time at its input, batch 512,
/// dopri5 at 1e-5 over t in [0, 1], mean negative log-likelihood under a normal base, an Adam update. Our trace is exact; at
/// d = 64 the peers take one fixed Rademacher probe, as their users do.
struct W4: Workload {
  private static let rows = 512, hidden = 64

  private struct Problem {
    let dimensions: Int
    let field: TimeConcatField<Float>
    let data: Tensor<Float>
    let probe: Tensor<Float>

    init(_ dimensions: Int) throws {
      self.dimensions = dimensions
      field = TimeConcatField(
        dimensions, hidden: [W4.hidden, W4.hidden], activation: .tanh, key: RandomKey(seed: 401))
      let shape: Shape = [W4.rows, dimensions]
      data = try (Tensor<Float>.normal(shape: shape, key: RandomKey(seed: 402)) * 0.5 + 1).evaluated()
      probe = try (Tensor<Float>.bernoulli(shape: shape, probability: 0.5, key: RandomKey(seed: 403)) * 2 - 1)
        .evaluated()
    }
  }

  private let problems: [Problem]

  init() throws { problems = try [2, 64].map { try Problem($0) } }

  func export(to folder: String) throws {
    for problem in problems {
      let writer = InputWriter(folder: folder, workload: "w4d\(problem.dimensions)")
      try writer.write("layers.0.weight", problem.field.first.weight)
      try writer.write("layers.0.bias", problem.field.first.bias)
      for (index, layer) in problem.field.rest.layers.enumerated() {
        try writer.write("layers.\(index + 1).weight", layer.weight)
        try writer.write("layers.\(index + 1).bias", layer.bias!)
      }
      try writer.write("data", problem.data)
      try writer.write("probe", problem.probe)
    }
  }

  func variants() throws -> [WorkloadVariant] {
    try problems.flatMap { problem in
      try [("exact", SensitivityMethod.exact), ("adjoint", .backsolve)].map { name, sensitivity in
        try variant(problem, "d\(problem.dimensions)-\(name)", sensitivity)
      }
    }
  }

  private func variant(_ problem: Problem, _ name: String, _ sensitivity: SensitivityMethod) throws
    -> WorkloadVariant
  {
    let d = problem.dimensions, h = W4.hidden
    let flow = ContinuousFlow(
      problem.field, dimensions: d, divergence: .exact,
      options: SolveOptions(rtol: 1e-5, atol: 1e-5, sensitivity: sensitivity))
    let density = FlowDensity(flow, base: NormalDistribution<Float>(dimensions: d))
    let data = problem.data
    let subject = try TrainingSubject(
      density, optimizer: .adam(learningRate: 1e-6), batch: data,
      fill: { _ = $0.scalars(0, of: Float.self).update(fromContentsOf: data.scalars) }
    ) { density, x in -(try density.logDensity(x)).mean() }
    // The layers, one product more for the trace; twenty operations for each tanh.
    let field = Double(W4.rows) * Double(2 * ((d + 1) * h + h * h + h * d) + 2 * h * h + 2 * 20 * h)
    return WorkloadVariant(
      name: name, subject: subject, necessaryFlops: { $0.necessaryFields(sensitivity) * field },
      check: { subject.loss })
  }
}
