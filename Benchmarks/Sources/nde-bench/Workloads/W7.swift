import NODECore
import PerformanceCheck

/// 10,000 Lotka-Volterra systems, each with its own parameters and start, double precision, dopri5 at 1e-6 to t = 10.
struct W7: Workload {
  private static let count = 10_000
  private let y0: Tensor<Double>, rates: Tensor<Double>

  init() throws {
    (y0, rates) = try evaluated(
      Tensor<Double>.uniform(shape: [Self.count, 2], in: 0.5..<2, key: RandomKey(seed: 8)),
      Tensor<Double>.uniform(shape: [Self.count, 4], in: 0.5..<1.5, key: RandomKey(seed: 9)))
  }

  func export(to folder: String) throws {
    let writer = InputWriter(folder: folder, workload: "w7")
    try writer.write("y0", y0)
    try writer.write("rates", rates)
  }

  func variants() throws -> [WorkloadVariant] {
    [ownSteps(), together()]
  }

  /// Of one step: six evaluations of seven operations; stages, error and next state as sums of products.
  private static let flopsPerEvaluation = (6.0 * 7 + 2 * (2 * 21 + 2 * 7 + 6)) / 6

  /// Every system with its own steps, status and statistics. Evaluations are summed over the systems.
  private func ownSteps() -> WorkloadVariant {
    let rates = rates
    let subject = SolveSubject(
      from: y0, times: (0, 10),
      compiled { (y0: Tensor<Double>, times: Tensor<Double>) in
        let solution = solve(from: y0, at: times, rtol: 1e-6, atol: 1e-6, controller: .perLane) { _, y in
          lotkaVolterraField(y, rates: rates)
        }
        return (solution.states, solution.statisticsTensor)
      })
    return WorkloadVariant(
      name: "own-steps", subject: subject, elementBytes: 8,
      necessaryFlops: { Double($0.forward) * Self.flopsPerEvaluation },
      check: { subject.states![1].mean().scalar })
  }

  /// One batch with one step size for all: what a library without lanes does, at the pace of the worst.
  private func together() -> WorkloadVariant {
    let rates = rates
    let subject = SolveSubject(
      from: y0, times: (0, 10),
      compiled { (y0: Tensor<Double>, times: Tensor<Double>) in
        let solution = solve(from: y0, at: times, rtol: 1e-6, atol: 1e-6) { _, y in
          lotkaVolterraField(y, rates: rates)
        }
        return (solution.states, solution.statisticsTensor)
      })
    return WorkloadVariant(
      name: "shared-steps", subject: subject, elementBytes: 8,
      necessaryFlops: { Double($0.forward) * Double(Self.count) * Self.flopsPerEvaluation },
      check: { subject.states![1].mean().scalar })
  }
}
