import AllocationCounter
import Testing

@testable import NODECore

#if canImport(Glibc)
  import Glibc
#endif

@Suite(.smallBlocks) struct ProgramTests {
  @Test(arguments: [1, 15, 16, 17, 100])
  func elementwiseProgramGivesItsFormula(lanes: Int) throws {
    let x = HandWritten.numbers(lanes * 3, seed: 1), w = HandWritten.numbers(3, seed: 2)
    let type = TensorType(.float32, [lanes, 3])
    let program = try Program(
      HandWritten.scaledTanh(lanes: lanes), inputs: [type, TensorType(.float32, [3])], outputs: [type])
    let y = try program.run([Storage(x), Storage(w)])[0].array(of: Float.self, count: lanes * 3)
    for i in y.indices {
      let expected = tanh(Double(x[i])) * Double(w[i % 3])
      #expect(abs(Double(y[i]) - expected) <= 4 * Double(Float.ulpOfOne) * abs(expected))
    }
  }

  @Test func layerWithSumsGivesItsFormulaAndTheSameBitsOnAnyNumberOfThreads() throws {
    let (lanes, k, n) = (77, 19, 37)
    let x = HandWritten.numbers(lanes * k, seed: 3), w = HandWritten.numbers(k * n, seed: 4)
    let program = try HandWritten.layerProgram(lanes: lanes, k: k, n: n)
    let serial = try withThreads(1) { try program.run([Storage(x), Storage(w)]) }
    let y = serial[0].array(of: Float.self, count: lanes * n)
    let sums = serial[1].array(of: Float.self, count: n)
    for column in 0..<n {
      var sum = 0.0
      for lane in 0..<lanes {
        let exact = (0..<k).reduce(0.0) { $0 + Double(x[lane * k + $1]) * Double(w[$1 * n + column]) }
        #expect(abs(Double(y[lane * n + column]) - max(exact, 0)) < 1e-5)
        sum += Double(y[lane * n + column])
      }
      #expect(abs(Double(sums[column]) - sum) < 1e-4)
    }
    for threads in 2...4 {
      let parallel = try withThreads(threads) { try program.run([Storage(x), Storage(w)]) }
      #expect(parallel[0].array(of: Float.self, count: lanes * n) == y)
      #expect(parallel[1].array(of: Float.self, count: n) == sums)
    }
  }

  /// A sum with one writer is overwritten by the first block of a group; one with two starts from zero.
  @Test func twoWritersOfOneSumAdd() throws {
    let (lanes, k, n) = (77, 8, 16)
    let types = HandWritten.layerTypes(lanes: lanes, k: k, n: n)
    var description = HandWritten.layer(lanes: lanes, k: k, n: n)
    let inputs = [
      Storage(HandWritten.numbers(lanes * k, seed: 3)), Storage(HandWritten.numbers(k * n, seed: 4)),
    ]
    func sums() throws -> [Float] {
      let program = try Program(description, inputs: types.inputs, outputs: types.outputs)
      _ = try program.run(inputs)  // leaves its sums in the workspace
      return try program.run(inputs)[1].array(of: Float.self, count: n)
    }
    let once = try sums()
    #expect(description.overwritesAccumulators(of: description.regions[1]))
    description.instructions.append(description.instructions[2])
    description.regions[1].instructions = 1..<4
    #expect(!description.overwritesAccumulators(of: description.regions[1]))
    for (twice, once) in zip(try sums(), once) { #expect(abs(twice - 2 * once) < 1e-4 * abs(once)) }
  }

  /// Run this one under the thread sanitizer too.
  @Test func runsOfOneProgramAtTheSameTimeDoNotMix() async throws {
    let (lanes, k, n) = (40, 8, 16)
    let program = try HandWritten.layerProgram(lanes: lanes, k: k, n: n)
    let w = Storage(HandWritten.numbers(k * n, seed: 5))
    let inputs = (0..<8).map { Storage(HandWritten.numbers(lanes * k, seed: 10 + $0)) }
    let expected = try withThreads(1) {
      try inputs.map { try program.run([$0, w])[1].array(of: Float.self, count: n) }
    }
    try await withThrowingTaskGroup(of: (Int, [Float]).self) { group in
      for task in 0..<64 {
        group.addTask {
          try withThreads(1 + task % 3) {
            (task % 8, try program.run([inputs[task % 8], w])[1].array(of: Float.self, count: n))
          }
        }
      }
      for try await (index, sums) in group { #expect(sums == expected[index]) }
    }
  }

  @Test(
    .enabled(if: allocation_count() >= 0, "allocations are not counted here"),
    .disabled(
      if: isUnoptimised, "without optimisation closures and generic code keep their variables on the heap"),
    arguments: [1, 2])
  func aRunAllocatesNothingAfterTheFirst(threads: Int) throws {
    let (lanes, k, n) = (64, 8, 16)
    let program = try HandWritten.layerProgram(lanes: lanes, k: k, n: n)
    let x = Storage(HandWritten.numbers(lanes * k, seed: 6)), w = Storage(HandWritten.numbers(k * n, seed: 7))
    let y = Storage(byteCount: lanes * n * 4) { _ in }, sums = Storage(byteCount: n * 4) { _ in }
    let inputs = [UnsafeRawPointer(x.pointer), UnsafeRawPointer(w.pointer)]
    let outputs = [y.pointer, sums.pointer]
    let before = allocation_count()
    let probe = UnsafeMutableRawPointer.allocate(byteCount: 1000, alignment: 16)
    #expect(allocation_count() == before + 1, "the counter counts")
    probe.deallocate()
    try withThreads(threads) {
      try program.run(inputs: inputs, outputs: outputs)
      let first = allocation_count()
      for _ in 0..<100 { try program.run(inputs: inputs, outputs: outputs) }
      #expect(allocation_count() == first)
    }
  }

  @Test func plannedMemoryIsTheMemoryThatRunsKeep() throws {
    let program = try HandWritten.layerProgram(lanes: 64, k: 8, n: 16)
    #expect(program.idleWorkspaceBytes == 0)
    for threads in [1, 3] {
      _ = try withThreads(threads) {
        try program.run([
          Storage([Float](repeating: 1, count: 512)), Storage([Float](repeating: 1, count: 128)),
        ])
      }
      #expect(program.idleWorkspaceBytes == program.plannedBytes(threads: threads))
    }
    // One arena, packed weights, and accumulators of four groups of 16 columns at least.
    #expect(program.plannedBytes(threads: 1) >= program.program.arenaBytes + 4 * 64)
    program.releaseWorkspaces()
    #expect(program.idleWorkspaceBytes == 0)
  }

  @Test func costIsCountedFromExtents() throws {
    let (lanes, k, n) = (64, 8, 16)
    let program = try HandWritten.layerProgram(lanes: lanes, k: k, n: n)
    #expect(program.operationCount == 3)
    #expect(program.flops == lanes * n * (2 * k + Elementwise.relu.flops) + lanes * n)
    let packed = KernelSizes.packedBytes(.float32, k: k, n: n)
    let pack = 4 * k * n + packed
    let matmul = 4 * lanes * k + packed + 4 * lanes * n
    let sums = 4 * lanes * n + 4 * n
    #expect(program.traffic == pack + matmul + sums)
  }

  @Test func descriptionIsATable() throws {
    let program = try HandWritten.layerProgram(lanes: 64, k: 8, n: 16)
    let text = withThreads(1) { program.description }
    let lines = text.split(separator: "\n").map(String.init)
    #expect(lines[0] == "program: (float32[64, 8], float32[8, 16]) -> (float32[64, 16], float32[16])")
    #expect(lines[1] == "serial")
    #expect(lines[2].hasPrefix("  1  pack  [8, 16]  0 flop"))
    #expect(lines[3] == "64 lanes in blocks of 8, sums in 4 groups")
    #expect(lines[4].hasPrefix("  1  matmul + relu  [64, 16]  17.4 kflop"))
    #expect(lines[5].hasPrefix("  1  sum            [16]      1.02 kflop"))
    #expect(lines[6].hasPrefix("total: 3 operations, 18.4 kflop"))
    #expect(lines[7].hasPrefix("memory: "))
    #expect(lines[7].contains("planned for 1 thread (arena"))
  }
}

var isUnoptimised: Bool {
  var result = false
  assert(
    {
      result = true
      return true
    }())
  return result
}
