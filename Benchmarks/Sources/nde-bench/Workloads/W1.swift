import NODECore
import PerformanceCheck

/// torchdiffeq's spiral demo: MLP 2-50-2 tanh on the cube of the state, 20 lanes, 10 observation times, dopri5 at 1e-7
/// and 1e-9, mean absolute loss; forward, backward and an Adam update.
struct W1: Workload {
  // torchdiffeq draws smaller weights to start from; with these a solve takes about as many evaluations as with trained
  // ones.
  private let net = MLP<Float>(2, 50, 2, activation: .tanh, key: RandomKey(seed: 101))
  private let observed: Tensor<Float>
  private let times = (0..<10).map { Double($0) * 25 / 999 }

  init() throws {
    let a = Tensor<Float>([-0.1, 2, -2, -0.1], shape: [2, 2])
    observed = try odeint(
      from: .uniform(shape: [20, 2], in: -2..<2, key: RandomKey(seed: 102)), at: times
    ) { _, y in matmul(y * y * y, a) }.states.evaluated()
  }

  func export(to folder: String) throws {
    let writer = InputWriter(folder: folder, workload: "w1")
    try writer.write("", parametersOf: net)
    try writer.write("observed", observed)
    try writer.write("times", Tensor<Double>(times))
  }

  func variants() throws -> [WorkloadVariant] {
    try [("exact", SensitivityMethod.exact), ("adjoint", .backsolve)].map { name, sensitivity in
      let times = times
      let subject = try TrainingSubject(
        net, optimizer: .adam(learningRate: 1e-3), batch: observed,
        fill: { _ = $0.scalars(0, of: Float.self).update(fromContentsOf: observed.scalars) }
      ) { net, observed in
        let path = try odeint(
          from: observed[0], at: times, method: .dopri5, rtol: 1e-7, atol: 1e-9, sensitivity: sensitivity
        ) { _, y in net(y * y * y) }
        return abs(path.states - observed).mean()
      }
      // Products, and a tanh of about 20 operations for each hidden unit.
      let field = 20.0 * (2 * 2 * 50 * 2 + 20 * 50)
      return WorkloadVariant(
        name: name, subject: subject, necessaryFlops: { $0.necessaryFields(sensitivity) * field },
        check: { subject.loss })
    }
  }
}
