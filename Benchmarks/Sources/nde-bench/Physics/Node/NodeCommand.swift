import ArgumentParser
import NODECore
import RunnerSupport

struct NodeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "node",
    abstract: "Continuous-depth models on maps that the flow of a plain neural ODE cannot be.",
    discussion: """
      Neural ODEs, augmented and second-order ones, and on the crossing map those whose field varies with depth or is told \
      the input. Settings are the papers'. Errors and evaluations (NFE) are those at the loosest tolerance of 1e-3, 1e-4, \
      ... at which integrating there and back recovers the input with a relative error below 1e-2, which is told, too.
      """)

  @Option(
    parsing: .upToNextOption, help: "parity, crossing, spheres, oscillators, vanderpol; all unless told.")
  var task: [NodeTask] = []
  @OptionGroup var seeds: SeedOptions
  @Option(help: "The papers' iterations are divided by this.") var cut = 1
  @Option(help: "Folder for physics-node.json, physics-node.md and pictures.") var out =
    "Benchmarks/runs/physics-node"

  func validate() throws { try requireOption("--cut", cut, in: 1...1000) }

  func run() throws {
    Interrupt.install()
    try makeFolder(out)
    let tasks = task.isEmpty ? NodeTask.allCases : NodeTask.allCases.filter(task.contains)
    var report = SeedReport()
    let start = monotonicSeconds()
    for task in tasks where !Interrupt.isRequested {
      report.figures += try task.run(.init(seeds: seeds, cut: cut, folder: out))
      report.seconds = monotonicSeconds() - start
      // After each, so that what is done is kept.
      try report.write(to: out, name: "physics-node")
    }
    print("\n" + report.table.terminal)
    say("physics-node.json, physics-node.md and pictures are in \(out)")
    if Interrupt.isRequested { throw ExitCode(130) }
  }
}
