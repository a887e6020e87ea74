import ArgumentParser
import Foundation
import NODECore
import RunnerSupport

/// What variational integrator networks learn from.
enum VINTask: String, CaseIterable, ExpressibleByArgument {
  case pendulum, spring, pixels
}

/// Variational integrator networks against residual networks (Saemundsson et al. 2020).
struct VINCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "vin",
    abstract: "Variational integrator networks against residual networks, from noisy states and from pixels.",
    discussion: """
      States: one noisy trajectory of 150 steps of 0.1 (noise 0.33), windows of 20 steps, the authors' networks, loss \
      and Adam; then forecasts over 100 steps from --starts noiseless phases that were not seen, the energy over 1,000 \
      steps, and how symplectic a step is. Pixels: a film of 60 frames of 28 x 28, forecasts of 100 frames from the \
      first ten of it and of three other films. All figures are of the twin in double precision.

      The authors print plots only, so there is no published number to put beside.
      """)

  @Option(help: "pendulum, spring, pixels; all of them unless told.") var task: VINTask?
  @OptionGroup var seeds: SeedOptions
  @Option(help: "Steps of Adam on all windows of states; the authors take 3,000.") var epochs = 3000
  @Option(help: "Steps of Adam on all windows of pixels; the authors take 8,000.") var pixelEpochs = 2000
  @Option(help: "Seeds of the pixels; the first ones of --seeds.") var pixelSeeds = 1
  @Flag(help: "Also the authors' residual network of states: as many hidden units, 5,002 numbers for 3,000.")
  var wide = false
  @Option(help: "Phases that forecasts start from.") var starts = 20
  @Option(help: "Folder for physics-vin.json, physics-vin.md and the pictures.") var out =
    "Benchmarks/runs/vin"

  func validate() throws {
    try requireOption("--epochs", epochs, in: 1...1_000_000)
    try requireOption("--pixel-epochs", pixelEpochs, in: 1...1_000_000)
    try requireOption("--pixel-seeds", pixelSeeds, in: 1...1000)
    try requireOption("--starts", starts, in: 1...10_000)
  }

  func run() throws {
    Interrupt.install()
    try makeFolder(out)
    let begin = monotonicSeconds()
    var report = SeedReport()
    for task in task.map({ [$0] }) ?? VINTask.allCases where !Interrupt.isRequested {
      switch task {
      case .pendulum, .spring:
        let experiment = VINStates(
          system: task == .spring ? .spring : .pendulum, epochs: epochs, starts: starts, isWide: wide,
          folder: out)
        report.figures += figures(try seeds.forEachSeed { try experiment.run(seed: $0) })
      case .pixels:
        var own = seeds
        own.seeds = min(seeds.seeds, pixelSeeds)
        let experiment = VINPixels(epochs: pixelEpochs, folder: out)
        report.figures += figures(try own.forEachSeed { try experiment.run(seed: $0) })
      }
      report.seconds = monotonicSeconds() - begin
      try report.write(to: out, name: "physics-vin")
    }
    print("\n" + report.table.terminal)
    if Interrupt.isRequested { throw ExitCode(130) }
  }

  /// Figures of all seeds, each with a value a seed.
  private func figures(_ runs: [[SeedFigure]]) -> [SeedFigure] {
    guard var all = runs.first else { return [] }
    for run in runs.dropFirst() { for index in all.indices { all[index].values += run[index].values } }
    return all
  }
}

/// The models that are compared, in each with as many numbers as the paper's or as each other.
enum VINModel: String, CaseIterable {
  case velocityVerlet = "VIN-VV"
  case circle = "VIN-SO(2)"
  case residual = "ResNet"
  /// As many parameters as VIN-VV has, where the authors' has as many hidden units.
  case equalResidual = "ResNet, equal size"
}

/// A potential of one coordinate: a hidden layer of 1000 tanh and an output without bias, which would have no gradient.
func vinPotential<S: FloatingScalar>(_ inputs: Int, key: RandomKey) -> MLP<S> {
  var net = MLP<S>(inputs, 1000, 1, activation: .tanh, key: key)
  net.layers[1].bias = nil
  return net
}

/// A residual network of phases: one hidden layer of tanh.
func vinResidual<S: FloatingScalar>(hidden: Int, key: RandomKey) -> MLP<S> {
  MLP<S>(2, hidden, 2, activation: .tanh, key: key)
}
