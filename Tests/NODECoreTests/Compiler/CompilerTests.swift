import NODECore
import Testing

/// Runs a description on elements given in Double, with all of its memory poisoned first.
struct ProgramRun {
  let description: ProgramDescription
  let outputs: [[Double]]
  let bytes: [[UInt8]]

  init(
    _ inputs: [Value], _ outputs: [Value], _ elements: [[Double]], options: CompileOptions = CompileOptions(),
    threads: Int = 1
  ) throws {
    description = try lower(inputs: inputs, outputs: outputs, options: options)
    let image = try ProgramImage(description, inputs: inputs.count)
    let pool = threads > 1 ? ThreadPool(threads: threads) : nil
    let workspaceBytes = image.workspaceBytes(threads: threads)
    let workspace = UnsafeMutableRawPointer.allocate(byteCount: max(workspaceBytes, 64), alignment: 64)
    defer { workspace.deallocate() }
    // All ones are a NaN in every floating-point type.
    workspace.initializeMemory(as: UInt8.self, repeating: 0xFF, count: workspaceBytes)
    let storages = zip(inputs, elements).map { ProgramRun.storage($1, $0.dtype) }
    let results = outputs.map { value in
      Storage(byteCount: value.type.byteCount) {
        $0.initializeMemory(as: UInt8.self, repeating: 0xFF, count: value.type.byteCount)
      }
    }
    let arguments: [UnsafeMutableRawPointer?] = (storages + results).map(\.pointer)
    try withExtendedLifetime((storages, results)) {
      try arguments.withUnsafeBufferPointer {
        try image.run(arguments: $0.baseAddress!, workspace: workspace, pool: pool)
      }
    }
    self.outputs = zip(results, outputs).map { ProgramRun.elements($0, $1.type) }
    bytes = zip(results, outputs).map {
      Array(UnsafeRawBufferPointer(start: $0.pointer, count: $1.type.byteCount))
    }
  }

  static func storage(_ elements: [Double], _ dtype: DType) -> Storage {
    switch dtype {
    case .float32: Storage(elements.map { Float($0) })
    case .float64: Storage(elements)
    case .int32: Storage(elements.map { Int32($0) })
    }
  }

  static func elements(_ storage: Storage, _ type: TensorType) -> [Double] {
    switch type.dtype {
    case .float32: storage.array(of: Float.self, count: type.shape.count).map(Double.init)
    case .float64: storage.array(of: Double.self, count: type.shape.count)
    case .int32: storage.array(of: Int32.self, count: type.shape.count).map(Double.init)
    }
  }
}

/// The largest difference, relative to 1 where values are small.
func difference(_ a: [Double], _ b: [Double]) -> Double {
  zip(a, b).map { x, y in
    x == y || x.isNaN && y.isNaN ? 0 : abs(x - y) / max(1, abs(y))
  }.reduce(0) { $1.isNaN ? .infinity : max($0, $1) }
}

@Suite struct CompilerTests {
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
