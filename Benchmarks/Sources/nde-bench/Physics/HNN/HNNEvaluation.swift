import Foundation
import NODECore
import RunnerSupport

/// Motions of the law and of the models from starts that none has seen, and how far their energies are apart.
struct HNNEvaluation {
  /// How model time and true time go together.
  enum Clock: CaseIterable {
    /// They are one.
    case true_
    /// The models run for 1 + 0.9 noise = 1.09 times as long, "to compensate for noise": the authors' appendix, for the spring.
    case stretched
    /// The authors' notebook stretches an array in place, so that stretches pile up from start to start: motion i of the law
    /// has the horizon 20 * 1.09^(i + 1), that of the models 1.09 times as much.
    case notebook

    /// What is added to the names of figures.
    var suffix: String {
      switch self {
      case .true_: ""
      case .stretched: ", time x 1.09"
      case .notebook: ", times of their notebook"
      }
    }

    /// Factors of the horizon, of the law and of the models.
    func factors(_ start: Int) -> (law: Double, model: Double) {
      switch self {
      case .true_: (1, 1)
      case .stretched: (1, 1.09)
      case .notebook: (Foundation.pow(1.09, Double(start + 1)), Foundation.pow(1.09, Double(start + 2)))
      }
    }
  }

  /// Motions [times, starts, 2n] at times [starts][times].
  struct Motions {
    var times: [[Double]]
    var law: Tensor<Double>, network: Tensor<Double>, baseline: Tensor<Double>
  }

  static let starts = 15

  /// Follows a task's law and both models.
  static func motions(_ run: HNNRun, _ task: HamiltonianTask, clock: Clock) throws -> Motions {
    let start = try task.testStarts(starts, key: run.keys[2]).evaluated()
    func times(_ factor: (Int) -> Double) -> [[Double]] {
      (0..<starts).map { lane in
        (0..<task.testPoints).map {
          factor(lane) * task.testDuration * Double($0) / Double(task.testPoints - 1)
        }
      }
    }
    let lawTimes = times { clock.factors($0).law }, modelTimes = times { clock.factors($0).model }
    let law = task.field
    return Motions(
      times: lawTimes, law: try path(law, start, lawTimes), network: try path(run.energy, start, modelTimes),
      baseline: try path(run.baseline, start, modelTimes))
  }

  /// The filmed motion of the test set from its first state.
  static func motions(_ run: HNNRun, _ pendulum: RealPendulum) throws -> Motions {
    let rows = pendulum.testRange
    let times = [rows.map { pendulum.times[$0] - pendulum.times[rows.lowerBound] }]
    let law = Tensor(rows.flatMap { pendulum.states[$0] }, shape: [rows.count, 1, 2])
    return Motions(
      times: times, law: law, network: try path(run.energy, law[0], times),
      baseline: try path(run.baseline, law[0], times))
  }

  /// [times, starts, 2n]; what a model that runs away does not reach is NaN. (The authors' solver has an absolute tolerance of
  /// 1e-6.)
  private static func path<Field: VectorField>(
    _ field: Field, _ start: Tensor<Double>, _ times: [[Double]]
  ) throws -> Tensor<Double> where Field.Scalar == Double {
    try solve(
      from: start, at: Tensor<Double>(times), rtol: 1e-7, atol: 1e-7, controller: .perLane
    ) { t, y in try field(t, y) }.states.evaluated()
  }

  /// The mean over times and starts of the squared difference of a function [rows, 2n] -> [rows].
  static func meanSquare(
    _ a: Tensor<Double>, _ b: Tensor<Double>, of function: (Tensor<Double>) -> Tensor<Double>
  ) throws -> Double {
    func values(_ path: Tensor<Double>) -> Tensor<Double> {
      function(path.reshaped(to: [path.shape[0] * path.shape[1], path.shape[2]]))
    }
    return try square(values(a) - values(b)).mean().evaluated().scalar
  }
}
