import Foundation
import NODECore
import RunnerSupport

/// The first motion of a seed: where it goes, and its energy over time, for the law (or the film) and both models.
struct HNNPicture {
  let experiment: HNNExperiment
  let motions: HNNEvaluation.Motions
  let energy: KnownEnergy<Double>

  private var paths: [(String, Tensor<Double>)] {
    [("truth", motions.law), ("HNN", motions.network), ("baseline", motions.baseline)]
  }

  func write(to folder: String) throws {
    let columns = motions.law.shape[2]
    // One degree of freedom is shown in phase space, of bodies the first one's orbit.
    let second = columns == 2 ? 1 : columns / 4
    let bodies = columns > 2
    let truth = numbers(motions.law, 0) + numbers(motions.law, second)
    let limit = 2 * (truth.map(abs).max() ?? 1)
    let path = SVGPlot(
      title: "\(experiment.name): \(bodies ? "orbit of one body" : "phase space")",
      note: "one motion of the test from one start; models that leave twice its extent end there",
      x: Axis(bodies ? "x" : "q"), y: Axis(bodies ? "y" : "p"),
      series: paths.map { name, states in
        let points = zip(numbers(states, 0), numbers(states, second))
          .prefix { abs($0) <= limit && abs($1) <= limit }
        return SVGPlot.Series(name, points.map { SVGPlot.Point($0, $1) })
      })
    try writeAtomically(path.svg, to: "\(folder)/\(experiment.name)-path.svg")
    let energies = try paths.map { name, states in
      (name, try energy(states.sliced(0..<1, axis: 1).squeezed(axes: 1)).evaluated().scalars)
    }
    let scale = 5 * max(1e-12, abs(energies[0].1[0]))
    let plot = SVGPlot(
      title: "\(experiment.name): energy",
      note: "of the same motion; lines end where a model's energy is far off",
      x: Axis("time"), y: Axis("energy"),
      series: energies.map { name, values in
        let shown = zip(motions.times[0], values).prefix { abs($1 - energies[0].1[0]) <= scale }
        return SVGPlot.Series(name, shown.map { SVGPlot.Point($0, $1) })
      })
    try writeAtomically(plot.svg, to: "\(folder)/\(experiment.name)-energy.svg")
  }

  private func numbers(_ states: Tensor<Double>, _ column: Int) -> [Double] {
    states.sliced(0..<1, axis: 1).sliced(column..<column + 1, axis: 2).scalars
  }
}
