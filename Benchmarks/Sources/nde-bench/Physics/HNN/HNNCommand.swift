import ArgumentParser
import Foundation
import NODECore
import RunnerSupport

struct HNNCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "hnn",
    abstract: "Hamiltonian networks and their baseline on the tasks of Greydanus et al. 2019.",
    discussion: """
      Tasks: \(HNNExperiment.all.map(\.name).joined(separator: ", ")); without --task all but the last. Networks, data, \
      optimizer and steps are the authors'. The energy MSE is that of the true energy along 15 motions from new starts (the \
      real pendulum: along the test film); the pendulum's published figure is of q² + p², as in the authors' notebook, and has \
      a row of its own.
      """)

  @Option(
    help: "A task; may be given several times.",
    completion: .list(HNNExperiment.all.map(\.name))) var task: [String] = []
  @Option(help: "Training steps of every task, to try things out; the authors' unless told.") var steps: Int?
  @Option(help: "real_pend_h_1.txt of Schmidt and Lipson; see `RealPendulumFile`.") var realPendulum: String?
  @Option(help: "Folder for table, JSON and pictures.") var out = "Benchmarks/runs/hnn"
  @OptionGroup var seeds: SeedOptions

  func validate() throws {
    try requireOption("--steps", steps, in: 1...10_000_000)
    let names = HNNExperiment.all.map(\.name)
    for name in task where !names.contains(name) {
      throw ValidationError("--task is one of \(names.joined(separator: ", ")); got \(name)")
    }
  }

  func run() throws {
    Interrupt.install()
    try makeFolder(out)
    var report = SeedReport()
    let start = monotonicSeconds()
    for experiment in HNNExperiment.named(task) where !Interrupt.isRequested {
      var pendulum: RealPendulum?
      if case .realPendulum = experiment.source {
        pendulum = try RealPendulumFile.read(option: realPendulum, isAsked: !task.isEmpty)
        if pendulum == nil { continue }
      }
      var pictured = false
      let rows = try seeds.forEachSeed { seed in
        let run = try experiment.run(seed: seed, steps: steps, pendulum: pendulum)
        let rows = try figures(of: experiment, run, pendulum, picture: !pictured)
        pictured = true
        say(
          "\(experiment.name), seed \(seed): energy MSE "
            + rows.filter { $0.figure == "energy MSE" }.map { "\($0.model) \(SeedReport.text($0.values[0]))" }
            .joined(separator: ", ") + String(format: "; %.0f s so far", monotonicSeconds() - start))
        return rows
      }
      guard var merged = rows.first else { continue }
      for other in rows.dropFirst() {
        for index in merged.indices { merged[index].values += other[index].values }
      }
      report.figures += merged
      report.seconds = monotonicSeconds() - start
      try report.write(to: out, name: "physics-hnn")
    }
    if !report.figures.isEmpty {
      say("\n\(report.table.terminal)\n\(out)/physics-hnn.md and .json, and pictures beside them")
    }
    if Interrupt.isRequested { throw ExitCode(130) }
  }

  /// Every figure of one seed, with one value each.
  private func figures(
    of experiment: HNNExperiment, _ run: HNNRun, _ pendulum: RealPendulum?, picture: Bool
  ) throws -> [SeedFigure] {
    var figures: [SeedFigure] = []
    func add(_ figure: String, _ network: Double, _ baseline: Double, published: (Double, Double)? = nil) {
      let source = published == nil ? nil : "greydanus/hamiltonian-nn, README"
      figures.append(
        SeedFigure(
          task: experiment.name, model: "HNN", figure: figure, values: [network], published: published?.0,
          source: source))
      figures.append(
        SeedFigure(
          task: experiment.name, model: "baseline", figure: figure, values: [baseline],
          published: published?.1,
          source: source))
    }
    add(
      "test loss", run.testLoss.network, run.testLoss.baseline,
      published: (experiment.network.testLoss, experiment.baseline.testLoss))
    func compare(
      _ motions: HNNEvaluation.Motions, _ name: String, _ function: (Tensor<Double>) -> Tensor<Double>,
      published: Bool
    ) throws {
      let network = try HNNEvaluation.meanSquare(motions.law, motions.network, of: function)
      let baseline = try HNNEvaluation.meanSquare(motions.law, motions.baseline, of: function)
      add(
        name, network, baseline,
        published: published ? (experiment.network.energy, experiment.baseline.energy) : nil)
      figures.append(
        SeedFigure(
          task: experiment.name, model: "baseline / HNN", figure: name, values: [baseline / network],
          published: published ? experiment.baseline.energy / experiment.network.energy : nil))
    }
    let energy: KnownEnergy<Double>, shown: HNNEvaluation.Motions
    switch experiment.source {
    case .realPendulum:
      energy = RealPendulum.energy
      shown = try HNNEvaluation.motions(run, pendulum!)
      try compare(shown, "energy MSE", energy.callAsFunction, published: true)
      try compareStates(shown, "", add)
    case .task(let task):
      energy = task.energy
      let squares: (Tensor<Double>) -> Tensor<Double> = { square($0).sum(axes: 1) }
      // Noise is what time is stretched for.
      let clocks: [HNNEvaluation.Clock] = task.noise > 0 ? [.true_, .stretched, .notebook] : [.true_]
      let all = try clocks.map { ($0, try HNNEvaluation.motions(run, task, clock: $0)) }
      shown = all[0].1
      for (clock, motions) in all {
        // The notebook of the pendulum does not stretch, and that of the spring piles stretches up.
        if clock == .notebook && task.name != "spring" { continue }
        try compare(
          motions, "energy MSE" + clock.suffix, energy.callAsFunction,
          published: task.name == "spring" || task.noise == 0)
        if task.name == "pendulum" {
          try compare(motions, "MSE of q² + p²" + clock.suffix, squares, published: clock == .true_)
        }
        if clock != .notebook { try compareStates(motions, clock.suffix, add) }
      }
    }
    if picture { try HNNPicture(experiment: experiment, motions: shown, energy: energy).write(to: out) }
    return figures
  }

  private func compareStates(
    _ motions: HNNEvaluation.Motions, _ suffix: String,
    _ add: (String, Double, Double, (Double, Double)?) -> Void
  ) throws {
    func error(_ path: Tensor<Double>) throws -> Double {
      try square(path - motions.law).mean().evaluated().scalar
    }
    add("state MSE" + suffix, try error(motions.network), try error(motions.baseline), nil)
  }
}
