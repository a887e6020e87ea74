import NODECore
import RunnerSupport

/// How points move through depth, and what a solve costs while a model is trained; of the first seed.
struct DepthPictures {
  var experiment: MapExperiment
  var runs: [(kind: DepthModelKind, run: MapExperiment.Run)]

  /// "nested-spheres", from "nested spheres".
  private var name: String {
    String(experiment.task.map { $0 == " " ? "-" : $0 }.filter { $0 != "," && $0 != "=" })
  }

  func write(to folder: String) throws {
    guard !runs.isEmpty else { return }
    switch experiment.architecture.dimensions {
    case 1: try writeAtomically(try line().svg, to: "\(folder)/\(name)-flow.svg")
    case 2: try writeAtomically(try plane().svg, to: "\(folder)/\(name)-flow.svg")
    default: return
    }
    let series = runs.map { kind, run in
      SVGPlot.Series(kind.rawValue, run.evaluations.map { .init(Double($0.step), $0.count) })
    }
    let plot = SVGPlot(
      title: "Evaluations of the field in a solve, over training",
      note: "\(experiment.task), seed 1, "
        + "at the tolerance of training, which the check of reconstruction may not pass",
      x: Axis("step"), y: Axis("evaluations", startsAtZero: true), series: series)
    try writeAtomically(plot.svg, to: "\(folder)/\(name)-evaluations.svg")
  }

  private var checked: [(kind: DepthModelKind, flow: any DepthModel)] {
    runs.compactMap { kind, run in run.checked.map { (kind, $0.flow) } }
  }

  private func colour(_ label: Double) -> String { label < 0 ? PanelPicture.blue : PanelPicture.red }

  /// Positions over depth, one panel a model.
  private func line() throws -> PanelPicture {
    let data: InputTargets<Double> = experiment.dataset.sample(24, key: RandomKey(seed: 1).fold(in: 9))
    let times = (0...40).map { Double($0) / 40 }
    let panels = try checked.map { kind, flow in
      let states = try flow.depthPath(from: data.inputs, at: times).states.evaluated()
      let width = states.shape[2], rows = states.shape[1], numbers = states.scalars
      return PanelPicture.Panel(
        title: kind.rawValue,
        marks: data.targets.scalars.enumerated().map { row, target in
          .init(
            points: times.enumerated().map { ($1, numbers[($0 * rows + row) * width]) },
            colour: colour(target),
            isLine: true)
        })
    }
    let columns = 4
    let rows = stride(from: 0, to: panels.count, by: columns).map {
      Array(panels[$0..<min($0 + columns, panels.count)])
    }
    return PanelPicture(title: "\(experiment.task): x over depth", rows: rows, x: 0...1, y: -2...2)
  }

  /// The first two components at five depths, one row of panels a model.
  private func plane() throws -> PanelPicture {
    let data: InputTargets<Double> = experiment.dataset.sample(400, key: RandomKey(seed: 1).fold(in: 9))
    let times = [0, 0.25, 0.5, 0.75, 1], targets = data.targets.scalars
    let isClassified = experiment.dataset.isClassification
    let rows = try checked.map { kind, flow -> [PanelPicture.Panel] in
      let states = try flow.depthPath(from: data.inputs, at: times).states.evaluated()
      let width = states.shape[2], count = states.shape[1], numbers = states.scalars
      return times.enumerated().map { index, time in
        .init(
          title: "\(kind.rawValue), t = \(time)",
          marks: (0..<count).map { row in
            let at = (index * count + row) * width
            return .init(
              points: [(numbers[at], numbers[at + 1])],
              colour: colour(targets[isClassified ? row : 2 * row]), isLine: false)
          })
      }
    }
    return PanelPicture(
      title: "\(experiment.task): the first two components", rows: rows, x: -3...3, y: -3...3)
  }
}

/// Trajectories that were learned beside the true ones; of the first seed and the first trajectory.
struct TrajectoryPictures {
  var experiment: TrajectoryExperiment
  var runs: [(kind: DepthModelKind, run: TrajectoryExperiment.Run)]

  func write(to folder: String) throws {
    guard !runs.isEmpty else { return }
    let name = String(experiment.task.map { $0 == " " ? "-" : $0 }.filter { $0 != "," })
    for (component, quantity) in ["position", "velocity"].enumerated() {
      var series: [SVGPlot.Series] = []
      for (kind, run) in runs {
        guard let truth = run.truth, let learned = run.learned else { continue }
        if series.isEmpty { series.append(.init("truth", points(truth, component, run.times))) }
        guard component < learned.shape[2] else { continue }
        series.append(.init(kind.rawValue, points(learned, component, run.times)))
      }
      let plot = SVGPlot(
        title: "\(experiment.task): \(quantity)",
        note: component == 0 ? "one trajectory" : "the second component of the state, whatever it is",
        x: Axis("t"), y: Axis(quantity), series: series)
      try writeAtomically(plot.svg, to: "\(folder)/\(name)-\(quantity).svg")
    }
  }

  private func points(_ states: Tensor<Double>, _ component: Int, _ times: [Double]) -> [SVGPlot.Point] {
    let numbers = states.scalars, step = states.count / times.count
    return times.enumerated().map { .init($1, numbers[$0 * step + component]) }
  }
}
