import NODECore
import RunnerSupport

/// What one model came to with every seed.
private struct SeedRuns<Run> {
  var task: String
  var kind: DepthModelKind
  var runs: [Run]

  func figure(
    _ name: String, published: SeedFigureSource? = nil, _ value: (Run) -> Double
  ) -> SeedFigure {
    SeedFigure(
      task: task, model: kind.rawValue, figure: name, values: runs.map(value), published: published?.value,
      source: published?.source)
  }
}

extension NodeTask.Setting {
  /// Trains every model with every seed, draws what they learned, and tells the figures.
  func figures(
    of experiment: MapExperiment, published: [DepthModelKind: SeedFigureSource] = [:]
  ) throws -> [SeedFigure] {
    let all = try runs(experiment.task, experiment.kinds, error: \.testError) {
      try experiment.run($0, seed: $1, progress: $2)
    }
    try DepthPictures(experiment: experiment, runs: all.map { ($0.kind, $0.runs[0]) }).write(to: folder)
    return all.flatMap { model in
      [model.figure("test MSE", published: published[model.kind]) { $0.testError }]
        + (experiment.dataset.isClassification ? [model.figure("accuracy") { $0.accuracy }] : [])
        + [
          model.figure("NFE") { $0.checked.map { Double($0.evaluations) } ?? .infinity },
          model.figure("tolerance") { $0.checked?.tolerance ?? .nan },
        ]
    }
  }

  /// The same for trajectories.
  func figures(
    of experiment: TrajectoryExperiment, published: [DepthModelKind: SeedFigureSource] = [:]
  ) throws -> [SeedFigure] {
    let all = try runs(experiment.task, TrajectoryExperiment.kinds, error: \.positionError) {
      try experiment.run($0, seed: $1, progress: $2)
    }
    try TrajectoryPictures(experiment: experiment, runs: all.map { ($0.kind, $0.runs[0]) }).write(to: folder)
    return all.flatMap { model in
      let hasVelocity = model.runs.contains { $0.velocityError != nil }
      return [
        model.figure("train MSE") { $0.trainError },
        model.figure("test MSE of x", published: published[model.kind]) { $0.positionError },
      ]
        + (hasVelocity ? [model.figure("test MSE of v") { $0.velocityError ?? .infinity }] : [])
        + (experiment.fit == .driven ? [] : [model.figure("NFE") { $0.evaluations }])
    }
  }

  /// Every model with every seed, until an interrupt: models without a whole run are left out.
  private func runs<Run>(
    _ task: String, _ kinds: [DepthModelKind], error: (Run) -> Double,
    _ run: (_ kind: DepthModelKind, _ seed: UInt64, _ progress: String) throws -> Run
  ) throws -> [SeedRuns<Run>] {
    var all: [SeedRuns<Run>] = []
    for kind in kinds where !Interrupt.isRequested {
      let model = SeedRuns(
        task: task, kind: kind,
        runs: try seeds.forEachSeed { seed in
          try run(kind, seed, "\(task), \(kind.rawValue), seed \(seed)/\(seeds.seeds)")
        })
      guard !model.runs.isEmpty else { break }
      say("\(task), \(kind.rawValue): test MSE \(SeedReport.text(model.figure("", error).median))")
      all.append(model)
    }
    return all
  }
}
