import ArgumentParser
import Foundation
import NODECore
import PerformanceCheck
import RunnerSupport

/// What a divergence costs against the number of dimensions.
struct DensityCost: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cost",
    abstract: "Time of one divergence of a field d-d-d-d with tanh against d: exact, and with a probe.",
    discussion: """
      The exact divergence in its closed form and by a Jacobian-vector product for each column, and Hutchinson's estimate \
      with one probe, for --rows rows; microseconds, and the exponents of their growth over the largest sizes.
      """)

  @Option(help: "The largest number of dimensions.") var dimensions = 512
  @Option(help: "Rows.") var rows = 64
  @Option(help: "Threads; one unless told.") var threads = 1

  func validate() throws {
    try requireOption("--dimensions", dimensions, in: 8...4096)
    try requireOption("--rows", rows, in: 1...100_000)
    try requireOption("--threads", threads, in: 1...Runtime.maximumThreads)
  }

  func run() throws {
    Runtime.threads = threads
    var table = TextTable(["d", "one probe, us", "exact, closed form, us", "exact by columns, us"])
    var points: [[(x: Double, y: Double)]] = [[], [], []]
    var d = 2
    while d <= dimensions {
      let net = MLP<Float>(d, d, d, d, activation: .tanh, key: RandomKey(seed: 1))
      let y = try Tensor<Float>.normal(shape: [rows, d], key: RandomKey(seed: 2)).evaluated()
      let columns = try microseconds(y) { [rows, d] y in
        // All basis vectors at once: [rows, d, d] times the transposed Jacobian, whose diagonal is the trace.
        let basis = Tensor<Float>(
          (0..<d * d).map { $0 / d == $0 % d ? 1 : 0 }, shape: [1, d, d]
        ).broadcast(to: [rows, d, d])
        let divergence = Divergence(probes: basis)
        return divergence(at: y) { net($0) }.divergence * Double(d)
      }
      let found = [
        try microseconds(y) { y in
          Divergence<Float>(.hutchinson(), shape: y.shape)(at: y) { net($0) }.divergence
        },
        try microseconds(y) { y in Divergence<Float>(.exact, shape: y.shape)(at: y) { net($0) }.divergence },
        columns,
      ]
      for index in found.indices { points[index].append((Double(d), found[index])) }
      table.add(["\(d)"] + found.map { String(format: "%.1f", $0) })
      d *= 2
    }
    table.add(["exponent"] + points.map { String(format: "%.2f", growthExponent(Array($0.suffix(3)))) })
    print(Machine.here.summary + "\n" + table.terminal)
  }

  private func microseconds(
    _ y: Tensor<Float>, _ body: @escaping @Sendable (Tensor<Float>) -> Tensor<Float>
  ) throws -> Double {
    let function = compiled(body)
    _ = try function(y).evaluated()
    var times: [Double] = []
    let start = monotonicSeconds()
    while times.count < 5 || monotonicSeconds() - start < 0.2 && times.count < 1000 {
      let begin = monotonicSeconds()
      _ = try function(y).evaluated()
      times.append(1e6 * (monotonicSeconds() - begin))
    }
    return median(times)
  }
}
