import Testing

@testable import NODECore
@testable import ProgramFuzzing

struct EvaluationTests {
  @Test func scalarsAreComputedWhenTheyAreRead() {
    let x = Tensor<Double>([[1, 2], [3, 4]])
    #expect((x + 1).scalars == [2, 3, 4, 5])
    #expect((x * x).sum().scalar == 30)
    #expect(matmul(x, x).scalars == [7, 10, 15, 22])
    #expect([Double](x.transposed()) == [1, 3, 2, 4])
    #expect(Tensor<Float>.zeros([3]).scalars == [0, 0, 0])
    #expect(Tensor<Int32>(5).scalar == 5)
    #expect(Tensor<Float>.zeros([0]).scalars == [])
  }

  /// Structured operations have their own tests: the example here has no lowering.
  @Test(arguments: Primitive.allCases.filter { $0 != .structured })
  func everyPrimitiveGivesWhatItsDefinitionSays(_ primitive: Primitive) throws {
    for example in primitive.cases {
      let outputs = example.function(example.arguments)
      var interpreter = Interpreter()
      let expected = interpreter.evaluate(outputs)
      // The interpreter computes in Double also where the example rounds to Float on the way.
      let tolerance = primitive == .convert ? 1e-6 : 1e-12
      for ((output, storage), reference) in zip(zip(outputs, try evaluate(outputs)), expected) {
        let scale = max(reference.map { abs($0) }.max() ?? 0, 1)
        for (a, b) in zip(storage.doubles(output.type), reference) {
          #expect(abs(a - b) <= tolerance * scale)
        }
      }
    }
  }

  @Test func resultsAreKeptOnTheirNodes() throws {
    let x = Tensor<Float>([1, 2, 3]) * 2
    #expect(x.value.node.evaluated(0) == nil)
    _ = x.scalars
    let kept = try #require(x.value.node.evaluated(0))
    #expect(try evaluate([x.value])[0] === kept)
    // What is built on it starts from there.
    let request = Request([exp(x).value])
    #expect(request.leaves == [x.value] && request.nodes.count == 1)
  }

  @Test func severalRootsShareOneProgram() throws {
    let x = Tensor<Double>([1, 2, 3])
    let y = exp(x)
    let (sum, maximum) = try evaluated(y.sum(), y.max())
    #expect(sum.scalar == y.scalars.reduce(0, +) && maximum.scalar == y.scalars.max())
    let all = try evaluated([y, y + 1, x])
    #expect(all[1].scalars == y.scalars.map { $0 + 1 } && all[2].scalars == [1, 2, 3])
  }

  @Test func evaluatedTensorsHaveNoHistory() throws {
    var x = Tensor<Double>(1)
    for _ in 0..<100 { x = try (x * 0.5 + 1).evaluated() }
    #expect(x.scalar == (0..<100).reduce(1.0) { y, _ in y * 0.5 + 1 })
    #expect(x.value.node.operands.isEmpty)
  }

  @Test func aScriptsLoopCompilesOnce() throws {
    let cache = ProgramCache(capacity: 2)
    var programs: [Program] = []  // kept alive, so that identities are not used twice
    func step(_ x: Tensor<Float>) -> Tensor<Float> { tanh(x * 3) + x.sum() }
    for turn in 0..<5 {
      let x = Tensor<Float>([Float(turn), 1, 2])
      let program = try cache.program(for: Request([step(x).value]))
      programs.append(program)
    }
    #expect(programs.allSatisfy { $0 === programs[0] })
    // Another operation, shape or number in the graph is another program.
    let x = Tensor<Float>([1, 2, 3])
    for other in [tanh(x * 4) + x.sum(), exp(x * 3) + x.sum(), step(Tensor<Float>([1, 2]))] {
      let program = try cache.program(for: Request([other.value]))
      #expect(!programs.contains { $0 === program })
      programs.append(program)
    }
  }

  @Test func equalStructureNeedsEqualConnections() {
    let x = Tensor<Float>([1, 2]), y = Tensor<Float>([3, 4])
    func key(_ z: Tensor<Float>) -> StructureKey? { StructureKey(Request([z.value])) }
    #expect(key(x - y) == key(y - x), "leaves are numbered in the order they are met")
    #expect(key((x - y) * x) != key((x - y) * y))
    #expect(key(x * 2) != key(x * 3))
    #expect(key(x * 2) == key(y * 2))
  }

  @Test func longGraphsAreEvaluatedWithoutRecursion() {
    var x = Tensor<Double>(1)
    for _ in 0..<2000 { x = x * 0.999 + 0.001 }
    #expect(abs(x.scalar - 1) < 1e-12)
  }

  @Test func evaluationIsSafeFromManyTasks() async {
    let x = Tensor<Double>((0..<100).map(Double.init))
    let shared = (x * x).sum()
    await withTaskGroup(of: Double.self) { group in
      for _ in 0..<16 { group.addTask { shared.scalar } }
      for await sum in group { #expect(sum == 328_350) }
    }
  }

  @Test func readingASymbolSaysWhatToDo() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = Tensor<Float>(Graph.input("x", TensorType(.float32, [2]))).scalars
    }
    let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(text.contains("'x', float32[2], is a symbol"))
    #expect(text.contains("Return the tensor from the closure"))
  }
}

extension Storage {
  fileprivate func doubles(_ type: TensorType) -> [Double] {
    switch type.dtype {
    case .float32: array(of: Float.self, count: type.shape.count).map(Double.init)
    case .float64: array(of: Double.self, count: type.shape.count)
    case .int32: array(of: Int32.self, count: type.shape.count).map(Double.init)
    }
  }
}
