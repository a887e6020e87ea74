import ArgumentParser
import NODECore
import PerformanceCheck
import RunnerSupport

/// The workloads that are measured; adding one is a case, a file and its peers' scripts.
enum WorkloadName: String, CaseIterable, ExpressibleByArgument {
  case w1, w2, w3, w4, w5, w6, w7, w8

  var title: String {
    switch self {
    case .w1: "spiral training step"
    case .w2: "MLP field, RK4 x 100"
    case .w3: "MLP field, dopri5 at 1e-5"
    case .w4: "training step of a continuous normalizing flow"
    case .w5: "training steps of the MNIST networks"
    case .w6: "Hamiltonian network, training step and rollout"
    case .w7: "10,000 Lotka-Volterra systems"
    case .w8: "matrix products"
    }
  }

  func make() throws -> any Workload {
    switch self {
    case .w1: try W1()
    case .w2: try W2()
    case .w3: try W3()
    case .w4: try W4()
    case .w5: W5()
    case .w6: try W6()
    case .w7: try W7()
    case .w8: try W8()
    }
  }
}

/// Inputs from a seeded generator, and what is timed on them.
protocol Workload {
  /// Writes what the peers need to compute the same.
  func export(to folder: String) throws
  func variants() throws -> [WorkloadVariant]
}

struct WorkloadVariant {
  var name: String
  var subject: any Subject
  /// Of the arithmetic: whose peak makes the floor.
  var elementBytes = 4
  /// Operations that no implementation can avoid, given how many evaluations the solver takes: products of matrices,
  /// and in a gradient twice as many again; elementary functions only where they are most of the work.
  var necessaryFlops: (Evaluations) -> Double
  /// A number of the first run's result that the peers compute too.
  var check: () throws -> Double
}

extension Evaluations {
  /// What a solve and its gradient cannot do without, in evaluations of the field: a derivative for the state and one for
  /// the parameters are one each. An adjoint integrates the state again besides, in as many evaluations as it takes.
  /// - Parameter weighted: share of the stages that have a weight in the integral over the parameters; five of dopri5's six.
  func necessaryFields(_ sensitivity: SensitivityMethod, weighted: Double = 5.0 / 6) -> Double {
    let forward = Double(forward)
    return sensitivity == .backsolve ? forward + (2 + weighted) * Double(backward) : 3 * forward
  }
}

/// `body` as something to time.
final class CallSubject: Subject {
  private let program: () throws -> Program
  private let body: () throws -> Void
  private let profiled: (Int) throws -> Profile

  init(
    program: @escaping () throws -> Program, profiled: @escaping (Int) throws -> Profile,
    body: @escaping () throws -> Void
  ) {
    self.program = program
    self.body = body
    self.profiled = profiled
  }

  func compile() throws -> Program { try program() }
  func run() throws { try body() }
  func evaluations() throws -> Evaluations? { nil }
  func profile(runs: Int) throws -> Profile { try profiled(runs) }
}

/// Writes tensors as .npy files, `workload.name.npy`.
struct InputWriter {
  var folder: String
  var workload: String

  func write<S: TensorScalar>(_ name: String, _ tensor: Tensor<S>) throws {
    try NPY(tensor).write(to: "\(folder)/\(workload).\(name).npy")
  }

  /// Every parameter under its name, with a prefix.
  func write(_ prefix: String, parametersOf model: some Module) throws {
    let vector = model.parameterVector(Float.self).scalars
    for entry in model.parameterLayout.entries {
      try write(prefix + entry.name, Tensor(Array(vector[entry.range]), shape: entry.shape))
    }
  }
}
