import ArgumentParser
import Foundation
import NODECore
import RunnerSupport

/// Lagrangian networks against networks of accelerations (Cranmer et al. 2020).
struct LagrangianCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lnn",
    abstract: "Compares a Lagrangian network with a network of accelerations of the same size.",
    discussion: """
      Both see the same fresh states with their exact accelerations in every step. The network of accelerations is trained \
      on their mean absolute error, the Lagrangian one on that of its equations of motion over its mean mass, which needs \
      no solution with a mass matrix. Both have silu and the same units of time. Then motions are followed from fixed starts, and the true energy at their end is compared with that at \
      their start; a motion that diverged, or is off by more than the scale of the energy, counts as 1.

      The paper's networks are 600 wide with three hidden layers, its states have speeds up to 10, and its training ends \
      with 600,000 steps of 512 states that start from a trained network. Here a network 128 wide with two is trained \
      from scratch.
      """)

  @OptionGroup var seedOptions: SeedOptions
  @Option(help: "double-pendulum or relativistic-particle.") var task = "double-pendulum"
  @Option(help: "Steps of training.") var steps = 5000
  @Option(help: "Width of the two hidden layers.") var width = 128
  @Option(help: "States of a step.") var batch = 256
  @Option(help: "Largest learning rate, after 300 steps; it falls along a cosine.") var learningRate = 1e-2
  @Option(help: "Largest speed among the states to learn from; the task's unless told.") var speed: Double?
  @Option(help: "plain, wrapped or circle: how both networks are told angles; the task's unless told.")
  var angles: String?
  @Option(help: "Motions that are followed.") var starts = 40
  @Option(help: "Folder for physics-lnn.json, physics-lnn.md and pictures.") var out =
    "Benchmarks/runs/physics-lnn"

  func validate() throws {
    try seedOptions.validate()
    guard LagrangianTask(rawValue: task) != nil else {
      throw ValidationError(
        "--task must be one of \(LagrangianTask.allCases.map(\.rawValue).joined(separator: ", ")), got \(task)"
      )
    }
    if let angles, encoding(angles) == nil {
      throw ValidationError("--angles must be plain, wrapped or circle, got \(angles)")
    }
    try requireOption("--steps", steps, in: 1...10_000_000)
    try requireOption("--width", width, in: 1...4096)
    try requireOption("--batch", batch, in: 1...1_000_000)
    try requireOption("--starts", starts, in: 1...10_000)
    guard learningRate > 0, learningRate.isFinite else {
      throw ValidationError("--learning-rate must be positive, got \(learningRate)")
    }
    if let speed, !(speed > 0 && speed.isFinite) {
      throw ValidationError("--speed must be positive, got \(speed)")
    }
  }

  private func encoding(_ name: String) -> CoordinateEncoding? {
    ["plain": .plain, "wrapped": .wrappedAngles, "circle": .circle][name]
  }

  func run() throws {
    Interrupt.install()
    let start = monotonicSeconds(), task = LagrangianTask(rawValue: task)!
    let settings = LagrangianRun.Settings(
      task: task, steps: steps, width: width, batch: batch, learningRate: learningRate,
      speed: speed ?? task.speed,
      encoding: angles.flatMap(encoding) ?? task.system(Float.self).encoding, starts: starts)
    let exact = try LagrangianRun(settings: settings, seed: 0).exactMotion()
    say("the exact field: \(exact)")
    let outcomes = try seedOptions.forEachSeed { seed in
      let run = LagrangianRun(settings: settings, seed: seed)
      let pair = try (lagrangian: run.lagrangian(), baseline: run.baseline())
      if !Interrupt.isRequested {
        say("seed \(seed)\n  LNN: \(pair.lagrangian)\n  baseline: \(pair.baseline)")
      }
      return pair
    }
    guard let first = outcomes.first else { throw ExitCode(130) }
    var report = SeedReport()
    report.seconds = monotonicSeconds() - start
    report.figures = figures(outcomes, exact)
    try report.write(to: out, name: "physics-lnn")
    let picture = LagrangianPicture(
      task: task, note: report.command, exact: exact,
      models: [("Lagrangian network", first.lagrangian), ("network of accelerations", first.baseline)])
    try writeAtomically(picture.energies.svg, to: "\(out)/energy.svg")
    try writeAtomically(picture.phaseSpace.svg, to: "\(out)/phase-space.svg")
    print(report.table.terminal)
    if Interrupt.isRequested { throw ExitCode(130) }
  }

  private func figures(
    _ outcomes: [(lagrangian: LagrangianOutcome, baseline: LagrangianOutcome)], _ exact: LagrangianOutcome
  ) -> [SeedFigure] {
    let isPaper = task == LagrangianTask.doublePendulum.rawValue
    let source = "notebooks of MilesCranmer/lagrangian_nns, at their size and speeds"
    func rows(
      _ figure: String, _ value: (LagrangianOutcome) -> Double,
      published: (lagrangian: Double, baseline: Double)?
    ) -> [SeedFigure] {
      let published = isPaper ? published : nil
      return [
        SeedFigure(
          task: task, model: "LNN", figure: figure, values: outcomes.map { value($0.lagrangian) },
          published: published?.lagrangian, source: published.map { _ in source }),
        SeedFigure(
          task: task, model: "baseline", figure: figure, values: outcomes.map { value($0.baseline) },
          published: published?.baseline, source: published.map { _ in source }),
      ]
    }
    return rows("energy error at the end", \.energyError, published: (0.00426, 0.0736)) + [
      SeedFigure(
        task: task, model: "baseline / LNN", figure: "ratio of energy errors",
        values: outcomes.map { $0.baseline.energyError / $0.lagrangian.energyError },
        published: isPaper ? 0.0736 / 0.00426 : nil, source: isPaper ? source : nil),
      SeedFigure(
        task: task, model: "exact field", figure: "energy error at the end", values: [exact.energyError]),
    ] + rows("motions diverged", { Double($0.diverged) }, published: nil)
      + rows("acceleration error, states as in training", \.trainingError, published: (0.0689, 0.0739))
      + rows("acceleration error, states of the motions", \.motionError, published: nil)
      + rows("seconds of training", \.seconds, published: nil)
  }
}
