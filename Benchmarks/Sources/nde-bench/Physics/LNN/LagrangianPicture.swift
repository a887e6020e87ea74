import NODECore
import RunnerSupport

/// The motions of one seed's models, as pictures.
struct LagrangianPicture {
  var task: LagrangianTask
  /// What was run.
  var note: String
  var exact: LagrangianOutcome
  var models: [(name: String, outcome: LagrangianOutcome)]

  private func time(_ frame: Int, _ count: Int) -> Double {
    task.duration * Double(frame) / Double(count - 1)
  }

  /// Mean error of the true energy over time.
  var energies: SVGPlot {
    let all = models + [("exact field", exact)]
    return SVGPlot(
      title: "\(task.rawValue): the energy's mean error", note: note, x: Axis("time in s"),
      y: Axis("|E - E(0)| over its scale", .log),
      series: all.map { name, outcome in
        let errors = outcome.energyErrors
        return SVGPlot.Series(name, errors.indices.map { SVGPlot.Point(time($0, errors.count), errors[$0]) })
      })
  }

  /// The last coordinate and its velocity from the first start, for the first quarter of the time.
  var phaseSpace: SVGPlot {
    SVGPlot(
      title: "\(task.rawValue): the first motion's last coordinate", note: note, x: Axis("q"),
      y: Axis("dq/dt"),
      series: ([("exact field", exact)] + models).map { name, outcome in
        let n = outcome.motion[0].count / 2
        // More than 200 points have no dots.
        return SVGPlot.Series(
          name,
          outcome.motion.prefix(outcome.motion.count / 4).map { SVGPlot.Point($0[n - 1], $0[2 * n - 1]) })
      })
  }
}
