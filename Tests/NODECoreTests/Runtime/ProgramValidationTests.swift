import Testing

@testable import NODECore

/// Every way in which a description can be wrong is refused before it becomes an image.
struct ProgramValidationTests {
  struct Mistake: Sendable, CustomTestStringConvertible {
    var message: String
    var make: @Sendable (inout ProgramDescription) -> Void
    var testDescription: String { message }
  }

  static let mistakes: [Mistake] = [
    Mistake(message: "there is no buffer 99") {
      $0.instructions[0].kernel = .fill(out: BufferID(99), value: 0, count: 1)
    },
    Mistake(message: "is argument 7 of 4") { $0.buffers[0].space = .argument(7) },
    Mistake(message: "writes to argument 1, which is an input") {
      $0.instructions[0].kernel = .fill(out: BufferID(1), value: 0, count: 1)
    },
    Mistake(message: "a buffer ends at") { $0.arenaBytes -= 1 },
    Mistake(message: "its buffer has 32") {
      $0.instructions[1].kernel = .matmul(
        a: BufferID(0), packed: BufferID(4), bias: nil, out: BufferID(2), rowsPerLane: 1, k: 9, n: 16,
        activation: nil)
    },
    Mistake(message: "is read as int32 but its buffer is float32") {
      $0.instructions[2].kernel = .gather(
        table: BufferID(1), indices: BufferID(1), out: BufferID(2), rowsPerLane: 1, width: 1, entries: 1)
    },
    Mistake(message: "must not be an accumulator") {
      $0.instructions[2].kernel = .fill(out: BufferID(5), value: 0, count: 1)
    },
    Mistake(message: "is written by every block") {
      $0.instructions[2].kernel = .reduceLanes(
        x: BufferID(2), out: BufferID(3), outer: 1, count: 1, inner: 16, scale: 1)
    },
    Mistake(message: "needs a row for every lane") { $0.buffers[0].hasLanes = false },
    Mistake(message: "is shared by all lanes but its buffer has lanes") { $0.buffers[4].hasLanes = true },
    Mistake(message: "ends at 4096 in argument(0), which has 2048 bytes") { $0.buffers[0].bytes *= 2 },
    Mistake(message: "has 9 groups of 8 blocks") {
      $0.regions[1].kind = .lanes(total: 64, block: 8, groups: 9)
    },
    Mistake(message: "in blocks of 0") { $0.regions[1].kind = .lanes(total: 64, block: 0, groups: 1) },
    Mistake(message: "has instructions 1..<4 of 3") { $0.regions[1].instructions = 1..<4 },
    Mistake(message: "has an accumulator that ends at 64 of 60 bytes") {
      $0.regions[1].accumulatorBytes = 60
    },
    Mistake(message: "is stored nowhere") { $0.regions[1].accumulators[0].destination = nil },
    Mistake(message: "origin 5 of 3") { $0.instructions[0].origin = 5 },
    Mistake(message: "its scratch ends at") { $0.instructions[0].scratchOffset = 64 },
    Mistake(message: "not a multiple of its element") { $0.buffers[0].offset = 2 },
    Mistake(message: "has lanes but the instruction runs once per block") { $0.instructions[1].once = true },
    Mistake(message: "3 setup regions of 2") { $0.setupRegions = 3 },
  ]

  @Test(arguments: mistakes) func aWrongProgramCannotBeBuilt(_ mistake: Mistake) throws {
    let types = HandWritten.layerTypes(lanes: 64, k: 8, n: 16)
    var description = HandWritten.layer(lanes: 64, k: 8, n: 16)
    _ = try Program(description, inputs: types.inputs, outputs: types.outputs)
    mistake.make(&description)
    let error = #expect(throws: InvalidProgram.self) {
      try Program(description, inputs: types.inputs, outputs: types.outputs)
    }
    #expect(error?.description.contains(mistake.message) == true, "\(error?.description ?? "no error")")
  }

  struct WrongCode: Sendable, CustomTestStringConvertible {
    var message: String
    var make: @Sendable (inout ElementwiseCode) -> Void
    var testDescription: String { message }
  }

  static let wrongCodes: [WrongCode] = [
    WrongCode(message: "writes register 1, temporaries are 2..<4") { $0.steps[0].destination = 1 },
    WrongCode(message: "writes register 4, temporaries are 2..<4") { $0.steps[1].destination = 4 },
    WrongCode(message: "reads a register of [3] that nothing wrote") { $0.steps[0].sources = [3] },
    WrongCode(message: "takes 2 operands, got [2]") { $0.steps[1].sources = [2] },
    WrongCode(message: "is an output but nothing wrote it") { $0.steps.removeLast() },
    WrongCode(message: "49 registers, at most 48") { $0.registerCount = 49 },
    WrongCode(message: "has no output") { $0.outputs = [] },
    WrongCode(message: "17 operands, at most 16") { code in
      code.operands = Array(repeating: code.operands[0], count: 17)
    },
    WrongCode(message: "elements 0...4 of a buffer of 12 bytes") { $0.operands[1].strides = [2] },
    WrongCode(message: "elements -2...0") { $0.operands[1].strides = [-1] },
    WrongCode(message: "lane stride 2, lanes are 12 bytes apart") { $0.operands[0].laneStride = 2 },
    WrongCode(message: "2 strides for 1 axes") { $0.operands[0].strides = [1, 1] },
  ]

  @Test(arguments: wrongCodes) func wrongElementwiseCodeCannotBeBuilt(_ wrong: WrongCode) throws {
    var description = HandWritten.scaledTanh(lanes: 20)
    guard case .elementwise(var code) = description.instructions[0].kernel else {
      Issue.record("the program is elementwise")
      return
    }
    try description.validate(inputs: 2)
    wrong.make(&code)
    description.instructions[0].kernel = .elementwise(code)
    let error = #expect(throws: InvalidProgram.self) { try description.validate(inputs: 2) }
    #expect(error?.description.contains(wrong.message) == true, "\(error?.description ?? "no error")")
  }
}
