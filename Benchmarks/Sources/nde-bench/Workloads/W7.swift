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
    [oneByOne(), together()]
  }

  /// Of one step: six evaluations of seven operations; stages, error and next state as sums of products.
  private static let flopsPerEvaluation = (6.0 * 7 + 2 * (2 * 21 + 2 * 7 + 6)) / 6

  /// A solve for every system, so each takes its own steps.
  private func oneByOne() -> WorkloadVariant {
    let function = compiled { (y0: Tensor<Double>, rates: Tensor<Double>) in
      let solution = solve(from: y0, at: [0, 10], rtol: 1e-6, atol: 1e-6) { _, y in
        lotkaVolterraField(y, rates: rates)
      }
      return (solution.final, solution.statisticsTensor)
    }
    let starts = y0.scalars, rates = rates.scalars
    let systems = (0..<Self.count).map { i in
      (
        Tensor(Array(starts[(2 * i)..<(2 * i + 2)]), shape: [1, 2]),
        Tensor(Array(rates[(4 * i)..<(4 * i + 4)]), shape: [1, 4])
      )
    }
    var evaluations = 0, sum = 0.0
    let subject = CallSubject(
      program: { try function.program(for: systems[0].0, systems[0].1) },
      spent: { Evaluations(forward: evaluations) }
    ) {
      evaluations = 0
      sum = 0
      for system in systems {
        let (state, statistics) = try function(system.0, system.1)
        evaluations += Int(statistics.scalars[1])
        sum += state.scalars.reduce(0, +)
      }
    }
    return WorkloadVariant(
      name: "own-steps", subject: subject, elementBytes: 8,
      necessaryFlops: { Double($0.forward) * Self.flopsPerEvaluation },
      check: { sum / Double(2 * Self.count) })
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
