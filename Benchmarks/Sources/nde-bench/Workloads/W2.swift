import NODECore
import PerformanceCheck

/// MLP field 64-256-256-64 tanh, batch 256, t in [0, 1], RK4 with 100 steps: forward, and the gradient of mean(y1²) for
/// the weights.
struct W2: Workload {
  private let problem: MLPFieldProblem

  init() throws { problem = try MLPFieldProblem() }

  func export(to folder: String) throws { try problem.export(InputWriter(folder: folder, workload: "w2")) }

  func variants() throws -> [WorkloadVariant] {
    try problem.variants(
      SolveOptions(method: .rk4, controller: .fixed(stepsPerInterval: 100)), evaluations: { _ in 400 })
  }
}

/// The same field with dopri5 at rtol = atol = 1e-5.
struct W3: Workload {
  private let problem: MLPFieldProblem

  init() throws { problem = try MLPFieldProblem() }

  func export(to folder: String) throws { try problem.export(InputWriter(folder: folder, workload: "w3")) }

  func variants() throws -> [WorkloadVariant] {
    try problem.variants(SolveOptions(method: .dopri5, rtol: 1e-5, atol: 1e-5), evaluations: { $0.forward })
  }
}

/// The network and the states of W2 and W3.
struct MLPFieldProblem {
  let net = MLP<Float>(64, 256, 256, 64, activation: .tanh, key: RandomKey(seed: 2))
  let y0: Tensor<Float>

  init() throws { y0 = try Tensor<Float>.normal(shape: [256, 64], key: RandomKey(seed: 3)).evaluated() }

  func export(_ writer: InputWriter) throws {
    try writer.write("", parametersOf: net)
    try writer.write("y0", y0)
  }

  /// - Parameter evaluations: how many of the field the method needs.
  func variants(_ options: SolveOptions, evaluations: @escaping (Evaluations) -> Int) throws
    -> [WorkloadVariant]
  {
    let field = 256 * 2 * Double(64 * 256 + 256 * 256 + 256 * 64)
    let net = net
    let forward = SolveSubject(
      from: y0, times: (0, 1),
      compiled { (y0: Tensor<Float>, times: Tensor<Double>) in
        let solution = solve(
          from: y0, at: times, method: options.method, rtol: options.rtol, atol: options.atol,
          controller: options.controller
        ) { _, y in net(y) }
        return (solution.states, solution.statisticsTensor)
      })
    var variants = [
      WorkloadVariant(
        name: "forward", subject: forward, necessaryFlops: { Double(evaluations($0)) * field },
        check: { Double(square(forward.states![1]).mean().scalar) })
    ]
    for (name, sensitivity) in [("exact", SensitivityMethod.exact), ("adjoint", .backsolve)] {
      var options = options
      options.sensitivity = sensitivity
      let chosen = options
      let subject = try TrainingSubject(
        net, optimizer: .sgd(learningRate: 0.0), batch: y0,
        fill: { _ = $0.scalars(0, of: Float.self).update(fromContentsOf: y0.scalars) }
      ) { net, y0 in
        let solution = try odeint(
          from: y0, at: [0, 1], method: chosen.method, rtol: chosen.rtol, atol: chosen.atol,
          controller: chosen.controller, sensitivity: chosen.sensitivity
        ) { _, y in net(y) }
        return square(solution.final).mean()
      }
      variants.append(
        WorkloadVariant(
          name: name, subject: subject,
          necessaryFlops: { spent in
            var spent = spent
            spent.forward = evaluations(spent)
            return spent.necessaryFields(sensitivity, weighted: chosen.rtol == nil ? 1 : 5.0 / 6) * field
          }, check: { subject.loss }))
    }
    return variants
  }
}
