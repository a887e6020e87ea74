import NODECore
import Testing

@testable import ProgramFuzzing

@Suite(.smallBlocks) struct CompilerTests {
  /// Random graphs: lanes of every remainder, both types, with and without the optimisations.
  @Test(arguments: 0..<60)
  func randomGraphs(seed: Int) throws {
    let dtype: DType = seed % 3 == 0 ? .float32 : .float64
    let graph = RandomGraph(seed: seed, lanes: 6 + seed % 23, dtype: dtype, operations: 12 + seed)
    var interpreter = Interpreter(Dictionary(uniqueKeysWithValues: zip(graph.inputs, graph.elements)))
    let expected = interpreter.evaluate(graph.outputs)
    let bound = dtype == .float32 ? 2e-2 : 1e-9
    for optimizes in [false, true] {
      let run = try ProgramRun(
        graph.inputs, graph.outputs, graph.elements, options: CompileOptions(optimizes: optimizes))
      for (index, pair) in zip(run.outputs, expected).enumerated() {
        let error = difference(pair.0, pair.1)
        #expect(
          error < bound,
          "seed \(seed), optimizes \(optimizes), output \(index) \(graph.outputs[index].type) of \(graph.outputs[index].node.operation.name)"
        )
      }
      let threaded = try ProgramRun(
        graph.inputs, graph.outputs, graph.elements, options: CompileOptions(optimizes: optimizes), threads: 2
      )
      #expect(threaded.bytes == run.bytes, "seed \(seed): bits depend on the number of threads")
    }
  }

  /// The generator reaches every primitive, or the test above proves less than it says.
  @Test func randomGraphsUseEveryPrimitive() {
    var used: Set<String> = []
    for seed in 0..<60 {
      used.formUnion(
        RandomGraph(seed: seed, lanes: 6 + seed % 23, dtype: .float64, operations: 12 + seed).used)
    }
    let structure = [
      "broadcast", "reshape", "permute", "slice", "pad", "reverse", "concatenate", "reduce", "gather",
      "scatterAdd", "cumulativeSum", "argsort", "takeAlong", "addAlong",
      "matmul", "conv2d", "conv2dInputGradient", "conv2dFilterGradient", "groupNorm", "groupNormGradient",
      "softmaxCrossEntropy", "softmaxCrossEntropyGradient", "pool2d", "pool2dGradient", "random", "convert",
      "solve", "determinant", "cholesky", "triangularSolve", "qr", "symmetricEigen",
    ]
    let expected = Set(structure + Elementwise.all.map(\.name))
    #expect(used.isSuperset(of: expected), "missing: \(expected.subtracting(used).sorted())")
  }
}
