import Testing

@testable import NODECore
@testable import ProgramFuzzing

/// What the compiler makes of a graph: how much is fused, where it runs, what memory it plans.
@Suite(.smallBlocks) struct PlanTests {
  private func input(_ dimensions: Int..., dtype: DType = .float64) -> Value {
    Graph.input("x", TensorType(dtype, Shape(dimensions)))
  }

  private func elements(_ inputs: [Value]) -> [[Double]] {
    var generator = SplitMix(seed: 3)
    return inputs.map { value in
      (0..<value.shape.count).map { _ in Double.random(in: -1...1, using: &generator) }
    }
  }

  private func check(_ inputs: [Value], _ outputs: [Value]) throws -> ProgramDescription {
    let elements = elements(inputs)
    var interpreter = Interpreter(Dictionary(uniqueKeysWithValues: zip(inputs, elements)))
    let expected = interpreter.evaluate(outputs)
    let run = try ProgramRun(inputs, outputs, elements)
    for (found, expected) in zip(run.outputs, expected) { #expect(difference(found, expected) < 1e-12) }
    return run.description
  }

  /// A group adds its blocks one after the other, so their number is bounded where the sum is small.
  @Test func manyBlocksOfSmallSumsHaveManyGroups() throws {
    for (rows, columns, least) in [(100, 8, 1), (20_000, 2048, 16), (200_000, 2048, 128)] {
      let x = input(rows, columns, dtype: .float32)
      let program = try lower(inputs: [x], outputs: [(x * 2).sum(axes: [0])], options: CompileOptions())
      let sums = try #require(program.regions.first { !$0.accumulators.isEmpty })
      guard case .lanes(let total, let block, let groups) = sums.kind else {
        Issue.record("sums over lanes are not in a region of lanes")
        return
      }
      #expect(total == rows && groups >= least && groups * columns * 4 <= 1 << 20)
      #expect(groups >= min((total + block - 1) / block / 32, (1 << 20) / (columns * 4)))
    }
  }

  @Test func aChainWithSeveralResultsIsOnePass() throws {
    let x = input(7, 5), bias = input(5), scale = input()
    let shifted = x + bias.broadcast(to: [7, 5], axes: [1])
    let y = (shifted * scale.broadcast(to: [7, 5], axes: [])).map(.tanh)
    let z = Value.select(.elementwise(.greater, x, shifted), y, shifted) * 2
    let program = try check([x, bias, scale], [y, z])
    #expect(program.instructions.count == 1)
  }

  @Test func groupsThatEndInOneSumAreOnePass() throws {
    let x = input(7, 5), y = input(7, 5)
    // The second group cannot begin before its sum of rows is known; the first has nothing to do with it.
    func ends(_ more: (Value, Value) -> [Value] = { _, _ in [] }) -> [Value] {
      let left = (x * x).map(.tanh)
      let right = (y.sum(axes: [1]).broadcast(to: [7, 5], axes: [0]) * 2).map(.exp)
      return [left + right] + more(left, right)
    }
    func passes(_ outputs: [Value]) throws -> Int {
      try check([x, y], outputs).instructions.count { $0.kernel.name == "elementwise" }
    }
    #expect(try passes(ends()) == 1)
    // As an output the left group's result is stored by the same pass.
    #expect(try passes(ends { left, _ in [left] }) == 1)
    // Somebody who is no part of a pass reads it before: it stays a pass of its own.
    let left = (x * x).map(.tanh)
    let right = (left.sum(axes: [1]).broadcast(to: [7, 5], axes: [0]) * 2).map(.exp)
    #expect(try passes([left + right]) == 2)
    // Read directly and in another order: what it is computed from is a pass of its own. (Nothing here has lanes.)
    let square = input(1, 6, 6), z = input(1, 6, 6)
    let turned = (square * 3).map(.tanh), row = z.sum(axes: [2]).broadcast(to: [1, 6, 6], axes: [0, 1])
    let both = turned * turned.permuted(to: [0, 2, 1]) + row
    let program = try check([square, z], [both])
    #expect(program.instructions.count { $0.kernel.name == "elementwise" } == 2)
  }

  @Test func theGradientOfAWeightThatIsUsedTwiceIsOneProduct() throws {
    let a = input(9, 4), b = input(9, 6), c = input(9, 4), d = input(9, 6), short = input(5, 4)
    func outer(_ a: Value, _ b: Value) -> Value { Value.matmul(a, b, transposeA: true) }
    func kernels(_ inputs: [Value], _ outputs: [Value]) throws -> [String] {
      try check(inputs, outputs).instructions.map(\.kernel.name).sorted()
    }
    let two = outer(a, b) + outer(c, d)
    #expect(try kernels([a, b, c, d], [two]) == ["matmulOuter"])
    // Of three terms two are one product.
    let third = outer(a * 2, d)
    #expect(try kernels([a, b, c, d], [two + third]).filter { $0 == "matmulOuter" }.count == 2)
    // A term that is an output itself, and other numbers of rows, stay apart.
    #expect(try kernels([a, b, c, d], [two, outer(a, b)]).filter { $0 == "matmulOuter" }.count == 2)
    let fewer = input(5, 6)
    let uneven = outer(a, b) + outer(short, fewer)
    #expect(try kernels([a, b, short, fewer], [uneven]).filter { $0 == "matmulOuter" }.count == 2)
    // The same product twice is computed once.
    let doubled = outer(a, b) + outer(a, b)
    #expect(try kernels([a, b], [doubled]).filter { $0 == "matmulOuter" }.count == 1)
  }

  @Test func biasAndActivationAreTheProductsEpilogue() throws {
    let x = input(9, 4), w = input(4, 6), b = input(6)
    let y = (Value.matmul(x, w) + b.broadcast(to: [9, 6], axes: [1])).map(.tanh)
    let program = try check([x, w, b], [y])
    #expect(program.instructions.map(\.kernel.name) == ["pack", "matmul"])
    // Somebody else reads the value before the activation: it has to exist.
    let before = Value.matmul(x, w) + b.broadcast(to: [9, 6], axes: [1])
    let both = try check([x, w, b], [before.map(.tanh), before])
    #expect(both.instructions.map(\.kernel.name) == ["pack", "matmul", "elementwise"])
  }

  @Test func derivativesOfALayerAreTheirProductsEpilogue() throws {
    let x = input(9, 4), w = input(4, 6), t = input(9, 4)
    let y = Value.matmul(x, w).map(.tanh)
    // Forward mode: the layer, and the tangent's product times the derivative.
    let forward = try check([x, w, t], [y, Value.matmul(t, w) * y.map(.dtanh)])
    #expect(forward.instructions.map(\.kernel.name) == ["pack", "matmul", "matmul"])
    // Backward through two layers, for the inputs alone: three products after the forward ones' two.
    let v = input(6, 4), z = Value.matmul(y, v)
    let gradient = pullback(of: [z.map(.tanh)], cotangents: [t], to: [x])[0]!
    let program = try check([x, w, v, t], [gradient])
    #expect(program.instructions.filter { $0.kernel.name == "matmul" }.count == 4)
    // tanh'(z) * t has no product before it; tanh'(y) has.
    #expect(program.instructions.filter { $0.kernel.name == "elementwise" }.count == 1)
    // A factor that somebody else reads is read as it is, a broadcast one is no epilogue.
    let d = y.map(.dtanh)
    let both = try check([x, w, t], [Value.matmul(t, w) * d, d])
    #expect(both.instructions.map(\.kernel.name).filter { $0 == "elementwise" }.count == 1)
    let row = input(6)
    let scaled = try check([x, w, row], [Value.matmul(x, w) * row.broadcast(to: [9, 6], axes: [1])])
    #expect(scaled.instructions.map(\.kernel.name) == ["pack", "matmul", "elementwise"])
  }

  @Test func transposesOfWeightsAreNotCopied() throws {
    let x = input(9, 4), w = input(6, 4)
    let program = try check([x, w], [Value.matmul(x, w.permuted(to: [1, 0]))])
    #expect(program.instructions.map(\.kernel.name) == ["pack", "matmul"])
  }

  /// Forward and backward pass of a network on samples: one pass over lanes, weights' gradients as its sums.
  @Test func aTrainingStepIsOneLoopOverLanes() throws {
    let x = input(40, 6), w = input(6, 8), v = input(8, 3)
    let loss = Value.matmul(Value.matmul(x, w).map(.tanh), v).map(.square).sum(axes: [0, 1])
    let gradients = pullback(of: [loss], cotangents: [loss.splat(1)], to: [w, v]).map { $0! }
    let program = try check([x, w, v], [loss] + gradients)
    let loops = program.regions.filter {
      if case .lanes(total: 40, _, _) = $0.kind { return true }
      return false
    }
    #expect(loops.count == 1)
    #expect(loops[0].accumulators.count == 3)
    #expect(program.regions.count == 2, "weights are packed before")
  }

  @Test func gradientsOfSlicesAreAssembledOnce() throws {
    let p = input(30)
    let pieces = (0..<5).map { p.sliced(start: [6 * $0], limit: [6 * $0 + 6], step: [1]).map(.sin) }
    let total = pieces.dropFirst().reduce(pieces[0], +).sum(axes: [0])
    let program = try check([p], pullback(of: [total], cotangents: [total.splat(1)], to: [p]).map { $0! })
    #expect(program.instructions.allSatisfy { $0.kernel.name != "fill" }, "the pieces cover the whole")
  }

  /// The components of a small system, and their gradients: two to four columns are put together at once.
  @Test(arguments: [2, 3, 4, 5], [1, 7, 40, 100])
  func columnsGoTogether(columns: Int, rows: Int) throws {
    let y = input(rows, columns)
    let parts = (0..<columns).map { j in
      y.sliced(start: [0, j], limit: [rows, j + 1], step: [1, 1]).map(.sin)
    }
    let whole = Graph.one(.concatenate(axis: 1), parts.reversed())
    let gradient = pullback(of: [whole], cotangents: [y], to: [y])[0]!
    let program = try check([y], [whole, gradient])
    let together = program.instructions.count { $0.kernel.name == "interleave" }
    #expect(together == (columns <= 4 ? 2 : 0))
  }

  /// A long chain of products needs two buffers, however long it is.
  @Test func intermediatesShareMemory() throws {
    let w = input(16, 16)
    func chain(_ length: Int) throws -> ProgramDescription {
      var x = w
      for _ in 0..<length { x = Value.matmul(w, x).map(.tanh) }
      return try lower(inputs: [w], outputs: [x], options: CompileOptions(lanes: [.shared]))
    }
    let short = try chain(6), long = try chain(24)
    #expect(long.arenaBytes == short.arenaBytes)
    #expect(long.arenaBytes < 24 * 16 * 16 * 8)
  }

  @Test(arguments: [1, 2, 11, 12, 13, 95, 96, 97, 200])
  func everyRemainderOfBlocks(lanes: Int) throws {
    let x = input(lanes, 5), w = input(5, 5)
    let y = Value.matmul(x, w).map(.relu)
    let sum = Value.matmul(x, y, transposeA: true)
    _ = try check([x, w], [y, sum])
  }

  @Test func aSymbolOfAnotherTraceIsAnError() {
    let x = input(3), stranger = Graph.input("stranger", TensorType(.float64, [3]))
    #expect(throws: CompileError.self) { try lower(inputs: [x], outputs: [x + stranger]) }
  }

  /// Unrolled loops make graphs of this size: no pass may be quadratic in it, nor recursive.
  @Test func largeGraphsCompile() throws {
    let x = input(8, 4), w = input(4, 4)
    var y = x
    for _ in 0..<4000 { y = (Value.matmul(y, w) * 0.5 + x).map(.sin) }
    let program = try lower(inputs: [x, w], outputs: [y])
    #expect(program.instructions.count > 4000)
    #expect(program.arenaBytes + program.blockBytes < 1 << 16)
  }
}
