import ArgumentParser
import Foundation
import NODECore
import PerformanceCheck
import RunnerSupport

/// What a lane costs as there are more of them, what a step costs as there are more of them, and what a process costs
/// before its first gradient.
struct Growth: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "growth",
    abstract:
      "Cost of a lane against the number of lanes, of a step against the number of steps, and of starting.",
    discussion: """
      Lanes: a solve of 20 rk4 steps, and its exact gradient, of a network 8-32-8 with tanh, from 1 lane to 65,536; \
      nanoseconds for one lane and one step. Steps: the same network and 16 lanes, from 10 steps to a million. \
      Start: the time to trace, differentiate and compile the ODE-Net's training step, and the time from the start of \
      a process to its first gradient.
      """)

  @Option(help: "Lanes of the largest solve.") var lanes = 65_536
  @Option(help: "Steps of the longest solve.") var steps = 1_000_000
  @Option(help: "Threads; one unless told.") var threads = 1
  @Flag(help: .hidden) var firstGradient = false

  func validate() throws {
    try requireOption("--lanes", lanes, in: 1...10_000_000)
    try requireOption("--steps", steps, in: 10...100_000_000)
    try requireOption("--threads", threads, in: 1...Runtime.maximumThreads)
  }

  func run() throws {
    Runtime.threads = threads
    if firstGradient {
      let gradient = try SmallProblem(lanes: 16, steps: 10).gradient
      try gradient.run()
      return print(gradient.loss)
    }
    print(Machine.here.summary)
    var table = TextTable([
      "", "lanes", "steps", "forward ms", "ns/lane/step", "gradient ms", "ns/lane/step", "planned",
    ])
    let counts = Self.powers(of: 4, from: 1, through: lanes).map { ($0, 20) }
    let lengths = Self.powers(of: 10, from: 10, through: steps).map { (16, $0) }
    for (name, cases) in [("lanes", counts), ("steps", lengths)] {
      for (lanes, steps) in cases {
        let problem = try SmallProblem(lanes: lanes, steps: steps)
        let forward = try time(problem.forward), gradient = try time(problem.gradient)
        let each = 1e6 / Double(lanes * steps)
        table.add([
          name, "\(lanes)", "\(steps)", String(format: "%.3f", forward),
          String(format: "%.1f", forward * each),
          String(format: "%.3f", gradient), String(format: "%.1f", gradient * each),
          bytesText(try problem.gradient.compile().plannedBytes),
        ])
      }
    }
    print("\n" + table.terminal + "\n")
    print(try start().terminal)
  }

  private static func powers(of base: Int, from first: Int, through last: Int) -> [Int] {
    var powers = [first]
    while powers.last! * base <= last { powers.append(powers.last! * base) }
    return powers
  }

  /// Milliseconds, the median of repeats that take about a third of a second together, at least three.
  private func time(_ subject: any Subject) throws -> Double {
    try subject.run()
    var times: [Double] = []
    let begin = monotonicSeconds()
    while times.count < 3 || (monotonicSeconds() - begin < 0.3 && times.count < 1000) {
      let start = monotonicSeconds()
      try subject.run()
      times.append(1e3 * (monotonicSeconds() - start))
    }
    return median(times)
  }

  private func start() throws -> TextTable {
    var table = TextTable(["start", "median ms", "min", "max"])
    func row(_ name: String, _ times: [Double]) {
      let numbers = times.isEmpty ? [] : [median(times), times.min()!, times.max()!]
      table.add([name] + (numbers.isEmpty ? ["-", "-", "-"] : numbers.map { String(format: "%.1f", $0) }))
    }
    // A subject compiles once and keeps its program: a new one every time.
    let compiling = try (0..<5).map { _ in
      let subjects = try W5().variants()
      let begin = monotonicSeconds()
      _ = try subjects.first { $0.name == "exact" }!.subject.compile()
      return 1e3 * (monotonicSeconds() - begin)
    }
    row("ODE-Net training step: traced, differentiated, compiled", compiling)
    guard let runner = Bundle.main.executableURL else { return table }
    row(
      "process of this runner: start, first gradient, end",
      try Self.lifetimes(runner, ["growth", "--first-gradient"]))
    let script = runner.deletingLastPathComponent().appendingPathComponent("first-gradient")
    if FileManager.default.isExecutableFile(atPath: script.path) {
      row("process of a small script: the same", try Self.lifetimes(script, []))
    } else {
      row("process of a small script: not built (swift build --package-path Benchmarks -c release)", [])
    }
    return table
  }

  /// Milliseconds from the start of a process to its end.
  private static func lifetimes(_ executable: URL, _ arguments: [String]) throws -> [Double] {
    try (0..<15).map { _ in
      guard let seconds = lifetime(of: executable, arguments: arguments) else {
        throw RunnerError("\(executable.path) cannot be started, or ended with an error")
      }
      return 1e3 * seconds
    }
  }
}

/// A network 8-32-8 integrated by fixed steps of rk4; the gradient of the mean square of the last state for the weights.
private struct SmallProblem {
  let forward: SolveSubject<Float>
  let gradient: TrainingSubject<MLP<Float>, Tensor<Float>>

  init(lanes: Int, steps: Int) throws {
    let net = MLP<Float>(8, 32, 8, activation: .tanh, key: RandomKey(seed: 31))
    let y0 = try Tensor<Float>.normal(shape: [lanes, 8], key: RandomKey(seed: 32)).evaluated()
    forward = SolveSubject(
      from: y0, times: (0, 1),
      compiled { (y0: Tensor<Float>, times: Tensor<Double>) in
        let solution = solve(
          from: y0, at: times, method: .rk4, controller: .fixed(stepsPerInterval: steps)
        ) { _, y in net(y) }
        return (solution.states, solution.statisticsTensor)
      })
    gradient = try TrainingSubject(
      net, optimizer: .sgd(learningRate: 0), batch: y0,
      fill: { _ = $0.scalars(0, of: Float.self).update(fromContentsOf: y0.scalars) }
    ) { net, y0 in
      let solution = try odeint(
        from: y0, at: [0, 1], method: .rk4, controller: .fixed(stepsPerInterval: steps)
      ) { _, y in net(y) }
      return square(solution.final).mean()
    }
  }
}
