import ArgumentParser
import Foundation
import NODECore
import PerformanceCheck
import RunnerSupport

/// How long one small solve takes, and how long the slowest of many: what control loops and interactive programs ask.
struct Latency: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "latency",
    abstract: "Times every call of a batch-1 solve and of its gradient: median, 99 %, 99.9 %, worst.",
    discussion: """
      The field is an MLP 4-32-32-4 (tanh, float), integrated from 0 to 1 by dopri5 at 1e-5; the gradient is the exact one \
      of mean(y1^2) for all weights. Everything runs in one process after tracing and compiling. The worst call is that of \
      the machine, too: give it nothing else to do.
      """)

  @Option(help: "Timed calls of each, after a hundredth as many that are not.") var calls = 20_000
  @Option(help: "Threads; one unless told.") var threads = 1
  @Flag(help: "One JSON object a line instead of a table.") var json = false

  func validate() throws {
    try requireOption("--calls", calls, in: 1...100_000_000)
    try requireOption("--threads", threads, in: 1...Runtime.maximumThreads)
  }

  func run() throws {
    Runtime.threads = threads
    var table = TextTable(LatencyResult.header)
    if !json { print(Machine.here.summary) }
    for (name, subject) in try Latency.subjects() {
      let result = try LatencyResult(name, subject, calls: calls, threads: threads)
      if json { try printJSONLine(result) } else { table.add(result.row) }
    }
    if !json { print("\n" + table.terminal) }
  }

  static func subjects() throws -> [(String, any Subject)] {
    let net = MLP<Float>(4, 32, 32, 4, activation: .tanh, key: RandomKey(seed: 20))
    let y0 = try Tensor<Float>.normal(shape: [1, 4], key: RandomKey(seed: 21)).evaluated()
    let forward = SolveSubject(
      from: y0, times: (0, 1),
      compiled { (y0: Tensor<Float>, times: Tensor<Double>) in
        let solution = try odeint(from: y0, at: times, method: .dopri5, rtol: 1e-5, atol: 1e-5) { _, y in
          net(y)
        }
        return (solution.states, solution.statisticsTensor)
      })
    let gradient = try TrainingSubject(
      net, optimizer: .sgd(learningRate: 0), batch: y0,
      fill: { _ = $0.scalars(0, of: Float.self).update(fromContentsOf: y0.scalars) }
    ) { net, y0 in
      square(
        try odeint(from: y0, t0: 0, t1: 1, method: .dopri5, rtol: 1e-5, atol: 1e-5) { _, y in net(y) }.final
      ).mean()
    }
    return [("forward solve", forward), ("exact gradient", gradient)]
  }
}

/// The distribution of one subject's calls, in microseconds.
struct LatencyResult: Codable {
  var name: String
  var version: String
  var threads: Int, calls: Int
  /// Tracing, differentiating and compiling, then the first call: once a process.
  var compileMs: Double, firstCallUs: Double
  var medianUs: Double, p99Us: Double, p999Us: Double, worstUs: Double
  /// Evaluations of the field in a call, forward.
  var evaluations: Int?

  init(_ name: String, _ subject: any Subject, calls: Int, threads: Int) throws {
    self.name = name
    version = Machine.here.summary
    (self.threads, self.calls) = (threads, calls)
    func microseconds(_ body: () throws -> Void) rethrows -> Double {
      let start = monotonicSeconds()
      try body()
      return 1e6 * (monotonicSeconds() - start)
    }
    compileMs = try 1e-3 * microseconds { _ = try subject.compile() }
    firstCallUs = try microseconds(subject.run)
    for _ in 0..<(calls + 99) / 100 { try subject.run() }
    var times: [Double] = []
    times.reserveCapacity(calls)
    for _ in 0..<calls { times.append(try microseconds(subject.run)) }
    times.sort()
    medianUs = quantile(0.5, ofSorted: times)
    p99Us = quantile(0.99, ofSorted: times)
    p999Us = quantile(0.999, ofSorted: times)
    worstUs = quantile(1, ofSorted: times)
    evaluations = try subject.evaluations()?.forward
  }

  static let header = [
    "batch 1", "calls", "NFE", "compile ms", "first µs", "median µs", "99 %", "99.9 %", "worst µs",
  ]

  var row: [String] {
    func us(_ x: Double) -> String { String(format: x < 10 ? "%.2f" : "%.1f", x) }
    return [
      name, "\(calls)", evaluations.map(String.init) ?? "-", String(format: "%.1f", compileMs),
      us(firstCallUs),
      us(medianUs), us(p99Us), us(p999Us), us(worstUs),
    ]
  }
}
