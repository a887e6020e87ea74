import NODECore

/// One case each seed: a random program, and everything that has to hold for every program. What breaks it is a finding; a
/// crash ends the process, and the seed makes it again.
package enum ProgramFuzzer {
  package struct Case: Sendable {
    /// What kind of program it was.
    package var kind: String
    /// Names of the operations in it.
    package var operations: Set<String> = []
    /// Comparisons that came out equal, and those that rounding alone could have made different.
    package var agreed = 0
    package var inconclusive = 0
    package var findings: [String] = []

    mutating func expect(_ condition: Bool, _ finding: @autoclosure () -> String) {
      if condition { agreed += 1 } else { findings.append(finding()) }
    }
  }

  /// The primitives that random programs have to reach, by name.
  package static let registry: Set<String> = Set(Elementwise.all.map(\.name)).union([
    "constant", "splat", "convert", "stopGradient", "identity", "broadcast", "reshape", "permute", "slice",
    "pad", "reverse",
    "concatenate", "sum", "max", "gather", "scatterAdd", "cumulativeSum", "argsort", "takeAlong", "addAlong",
    "matmul",
    "luFactors", "solve", "determinant", "cholesky", "triangularSolve", "qr", "symmetricEigen", "conv2d",
    "conv2dInputGradient", "conv2dFilterGradient", "groupNorm", "groupNormGradient", "softmaxCrossEntropy",
    "softmaxCrossEntropyGradient", "maxPool2d", "averagePool2d", "maxPool2dGradient", "averagePool2dGradient",
    "uniform",
    "normal", "odeint", "odeintGradient", "scan",
  ])

  /// - Parameter switchesInstructionSets: also runs the reference kernels, which the whole process then does for a moment.
  package static func run(seed: Int, switchesInstructionSets: Bool = false) -> Case {
    var generator = SplitMix(seed: seed)
    var result: Case
    do {
      switch Int.random(in: 0..<10, using: &generator) {
      case 0...6: result = try graph(seed, &generator, switchesInstructionSets)
      case 7: result = try RandomLoop.scan(&generator)
      default: result = try RandomLoop.solve(&generator)
      }
    } catch {
      result = Case(kind: "error", findings: ["threw \(type(of: error)): \(error)"])
    }
    return result
  }

  /// The operations of a graph and of the bodies inside of it.
  static func names(_ values: [Value]) -> Set<String> {
    Set(Graph.order(of: values).map(\.operation.name))
  }

  // MARK: - Graphs

  private static func graph(
    _ seed: Int, _ generator: inout SplitMix, _ switchesInstructionSets: Bool
  ) throws -> Case {
    let dtype: DType = Int.random(in: 0..<4, using: &generator) == 0 ? .float32 : .float64
    let sizes = GraphSizes(using: &generator)
    let graph = RandomGraph(
      seed: seed, sizes: sizes, dtype: dtype, operations: Int.random(in: 4..<40, using: &generator))
    var result = Case(kind: "graph \(dtype)")
    let values = Program(inputs: graph.inputs, outputs: graph.outputs, elements: graph.elements)
    try values.check(dtype, "values", switchesInstructionSets, &result)
    guard dtype == .float64 else { return result }
    let derivatives = Derivatives(graph, &generator)
    try derivatives.program.check(dtype, "derivatives", false, &result)
    try derivatives.checkDuality(&result)
    try derivatives.checkDifferences(&result)
    return result
  }

  /// Outputs as functions of inputs, with their elements.
  struct Program {
    var inputs: [Value]
    var outputs: [Value]
    var elements: [[Double]]

    func run(optimizes: Bool = true, threads: Int = 1) throws -> ProgramRun {
      try ProgramRun(
        inputs, outputs, elements, options: CompileOptions(optimizes: optimizes), threads: threads)
    }

    func interpreted(noise: Double = 0) -> [[Double]] { interpretation(noise: noise).outputs }

    private func interpretation(noise: Double) -> (
      outputs: [[Double]], largest: Double, hasUnboundedFilters: Bool
    ) {
      var interpreter = Interpreter(Dictionary(uniqueKeysWithValues: zip(inputs, elements)))
      interpreter.noise = noise
      let outputs = interpreter.evaluate(outputs)
      let finite = interpreter.known.values.lazy.flatMap { $0 }.filter(\.isFinite)
      return (outputs, finite.reduce(0) { Swift.max($0, $1.magnitude) }, interpreter.hasUnboundedFilters)
    }

    /// Optimised and not, with any number of threads, by the reference kernels: all agree with the plain definitions.
    func check(_ dtype: DType, _ what: String, _ switchesInstructionSets: Bool, _ result: inout Case) throws {
      result.operations.formUnion(names(outputs))
      let (expected, largest, hasUnboundedFilters) = interpretation(noise: 0)
      // The interpreter is in Double: what Float cannot hold it goes on with.
      let overflows =
        dtype == .float32 && largest > Double(Float.greatestFiniteMagnitude) || hasUnboundedFilters
      var runs = [("optimised", try run()), ("not optimised", try run(optimizes: false))]
      for threads in [2, 3] {
        let threaded = try run(threads: threads)
        result.expect(threaded.bytes == runs[0].1.bytes, "\(what): other bits with \(threads) threads")
      }
      if switchesInstructionSets {
        let native = InstructionSet.current
        try InstructionSet.force(.reference)
        runs.append(("reference kernels", try run(threads: 2)))
        try InstructionSet.force(native)
      }
      // Where a result is sensitive to rounding, noise of a few units in the last place shows how much.
      var spread: [[Double]]?
      let unit = dtype == .float32 ? 0x1p-23 : 0x1p-50
      for (name, run) in runs {
        for (index, (found, oracle)) in zip(run.outputs, expected).enumerated() {
          let bound = dtype == .float32 ? 1e-3 : 1e-9
          if difference(found, oracle) <= bound {
            result.agreed += 1
            continue
          }
          let widths = spread ?? sensitivity(expected, unit)
          spread = widths
          let worst = worstExcess(found, oracle, widths[index], bound)
          if worst == nil || overflows {
            result.inconclusive += 1
          } else {
            let operation = outputs[index].node.operation.name
            result.findings.append(
              "\(what), \(name): output \(index), \(outputs[index].type) of \(operation), \(worst!)")
          }
        }
      }
    }

    /// How far noise moves each element, not a number where it can make it one.
    private func sensitivity(_ expected: [[Double]], _ unit: Double) -> [[Double]] {
      var widths = expected.map { $0.map { _ in 0.0 } }
      for factor in [1.0, 3, 20] {
        for (index, noisy) in interpreted(noise: unit * factor).enumerated() {
          for (i, (a, b)) in zip(noisy, expected[index]).enumerated() where a != b && !(a.isNaN && b.isNaN) {
            widths[index][i] = Swift.max(
              widths[index][i], (a - b).magnitude.isNaN ? .infinity : (a - b).magnitude)
          }
        }
      }
      return widths
    }

    private func worstExcess(_ found: [Double], _ oracle: [Double], _ widths: [Double], _ bound: Double)
      -> String?
    {
      // Elements of one output share intermediates that noise may move in one run and not in another.
      let common = widths.max() ?? 0
      for (i, (a, b)) in zip(found, oracle).enumerated() where a != b && !(a.isNaN && b.isNaN) {
        let error = (a - b).magnitude
        let tolerated = bound * Swift.max(1, b.magnitude) + 300 * Swift.max(widths[i], 0.01 * common)
        if !(error <= tolerated) { return "element \(i): \(a) instead of \(b)" }
      }
      return nil
    }
  }

  // MARK: - Derivatives

  /// J v and w^T J of a graph's outputs with respect to its floating inputs.
  struct Derivatives {
    let graph: RandomGraph
    let smooth: [Value]
    var directions: [[Double]]
    var cotangents: [[Double]]
    var program: Program
    let tangentCount: Int

    init(_ graph: RandomGraph, _ generator: inout SplitMix) {
      self.graph = graph
      let inputs = graph.inputs.filter { $0.dtype.isFloating }
      smooth = inputs
      func draw(_ values: [Value]) -> [[Double]] {
        values.map { value in
          (0..<value.shape.count).map { _ in Double.random(in: -1...1, using: &generator) }
        }
      }
      directions = draw(inputs)
      cotangents = draw(graph.outputs)
      let v = inputs.enumerated().map { Graph.input("v\($0)", $1.type) }
      let w = graph.outputs.enumerated().map { Graph.input("w\($0)", $1.type) }
      let tangents = pushforward(of: graph.outputs, inputs: inputs, tangents: v)
      let gradients = pullback(of: graph.outputs, cotangents: w, to: inputs)
      let outputs =
        zip(graph.outputs, tangents).map { $1 ?? $0.splat(0) }
        + zip(inputs, gradients).map { $1 ?? $0.splat(0) }
      tangentCount = graph.outputs.count
      program = Program(
        inputs: graph.inputs + v + w, outputs: outputs, elements: graph.elements + directions + cotangents)
    }

    /// w^T (J v) is (w^T J) v, to rounding of the terms.
    func checkDuality(_ result: inout Case) throws {
      let outputs = try program.run().outputs
      let forward = products(outputs[..<tangentCount], cotangents[...])
      let reverse = products(outputs[tangentCount...], directions[...])
      guard forward.magnitude.isFinite, reverse.magnitude.isFinite else {
        result.inconclusive += 1
        return
      }
      let error = (forward.sum - reverse.sum).magnitude
      if error <= 1e-9 * (1 + forward.magnitude + reverse.magnitude) {
        result.agreed += 1
        return
      }
      // Is it rounding of the derivatives themselves?
      let noisy = program.interpreted(noise: 0x1p-48)
      let a = products(noisy[..<tangentCount], cotangents[...]),
        b = products(noisy[tangentCount...], directions[...])
      let drift = (a.sum - forward.sum).magnitude + (b.sum - reverse.sum).magnitude
      if error <= 100 * drift || !drift.isFinite {
        result.inconclusive += 1
      } else {
        result.findings.append("duality: \(forward.sum) forward, \(reverse.sum) in reverse")
      }
    }

    /// J v against central differences, where those converge: near a kink or a jump they do not.
    func checkDifferences(_ result: inout Case) throws {
      let exact = try program.run().outputs[..<tangentCount]
      func values(_ h: Double) throws -> [[Double]] {
        var elements = graph.elements
        for (value, direction) in zip(smooth, directions) {
          let index = graph.inputs.firstIndex(of: value)!
          elements[index] = zip(elements[index], direction).map { $0 + h * $1 }
        }
        return try Program(inputs: graph.inputs, outputs: graph.outputs, elements: elements).run().outputs
      }
      func difference(_ h: Double) throws -> [[Double]] {
        zip(try values(h), try values(-h)).map { zip($0, $1).map { ($0 - $1) / (2 * h) } }
      }
      let h = 1e-4
      let coarse = try difference(h), fine = try difference(h / 2), finest = try difference(h / 4)
      // Constants to the derivative, but not to the difference.
      if !names(graph.outputs).isDisjoint(with: ["stopGradient"]) {
        result.inconclusive += 1
        return
      }
      for output in 0..<tangentCount {
        for i in exact[output].indices {
          let (a, b, c) = (coarse[output][i], fine[output][i], finest[output][i])
          let (first, second) = ((4 * b - a) / 3, (4 * c - b) / 3)
          let scale = 1 + second.magnitude
          let gap = (first - second).magnitude
          guard second.isFinite, gap <= 1e-6 * scale, (b - c).magnitude <= 1e-4 * scale else {
            result.inconclusive += 1
            continue
          }
          if (exact[output][i] - second).magnitude > 1e-5 * scale + 100 * gap {
            result.findings.append(
              "differences: output \(output), element \(i): \(exact[output][i]), but the difference is \(second)"
            )
            break
          }
          result.agreed += 1
        }
      }
    }

    private func products(_ a: ArraySlice<[Double]>, _ b: ArraySlice<[Double]>) -> (
      sum: Double, magnitude: Double
    ) {
      var sum = 0.0, magnitude = 0.0
      for (x, y) in zip(a, b) {
        for (p, q) in zip(x, y) {
          sum += p * q
          magnitude += (p * q).magnitude
        }
      }
      return (sum, magnitude)
    }
  }
}
