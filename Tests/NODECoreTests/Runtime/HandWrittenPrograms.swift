@testable import NODECore

/// Programs written by hand, as the compiler would emit them.
enum HandWritten {
  /// y = tanh(x) * w: x [lanes, 3], w [3] -> y [lanes, 3], in blocks of 16 lanes.
  static func scaledTanh(lanes: Int) -> ProgramDescription {
    var program = ProgramDescription()
    program.arguments = [.init(bytes: lanes * 12), .init(bytes: 12), .init(bytes: lanes * 12)]
    let x = program.add(Buffer(.argument(0), .float32, hasLanes: true, bytes: 12))
    let w = program.add(Buffer(.argument(1), .float32, hasLanes: false, bytes: 12))
    let y = program.add(Buffer(.argument(2), .float32, hasLanes: true, bytes: 12))
    program.origins = [.init(name: "tanh * w", shape: [lanes, 3])]
    let code = ElementwiseCode(
      dims: [3],
      operands: [View(x, laneStride: 3, strides: [1]), View(w, laneStride: 0, strides: [1])],
      constants: [], steps: [.init(.tanh, 2, [0]), .init(.multiply, 3, [2, 1])],
      outputs: [.init(y, register: 3)],
      registerCount: 4)
    var instruction = Instruction(.elementwise(code), .float32, origin: 0)
    instruction.scratchBytes = instruction.scratchBytes(blockLanes: 16)
    program.instructions = [instruction]
    program.blockBytes = instruction.scratchBytes
    program.regions = [Region(.lanes(total: lanes, block: 16, groups: 1), instructions: 0..<1)]
    return program
  }

  /// x [lanes, k], w [k, n] -> y = relu(x w) [lanes, n], sums of y's columns [n]. The weights are packed once.
  static func layer(lanes: Int, k: Int, n: Int, block: Int = 8, groups: Int = 4) -> ProgramDescription {
    var program = ProgramDescription()
    let size = 4
    program.arguments = [
      .init(bytes: lanes * k * size), .init(bytes: k * n * size), .init(bytes: lanes * n * size),
      .init(bytes: n * size),
    ]
    let x = program.add(Buffer(.argument(0), .float32, hasLanes: true, bytes: k * size))
    let w = program.add(Buffer(.argument(1), .float32, hasLanes: false, bytes: k * n * size))
    let y = program.add(Buffer(.argument(2), .float32, hasLanes: true, bytes: n * size))
    let sums = program.add(Buffer(.argument(3), .float32, hasLanes: false, bytes: n * size))
    let packedBytes = KernelSizes.packedBytes(.float32, k: k, n: n)
    let packed = program.add(Buffer(.arena, .float32, hasLanes: false, bytes: packedBytes))
    let sum = program.add(Buffer(.accumulator, .float32, hasLanes: false, bytes: n * size))
    program.arenaBytes = packedBytes
    program.origins = [
      .init(name: "pack", shape: [k, n]), .init(name: "matmul + relu", shape: [lanes, n]),
      .init(name: "sum", shape: [n]),
    ]
    program.instructions = [
      Instruction(.pack(.matrix, x: w, out: packed, k: k, n: n), .float32, origin: 0),
      Instruction(
        .matmul(a: x, packed: packed, bias: nil, out: y, rowsPerLane: 1, k: k, n: n, activation: .relu),
        .float32,
        origin: 1),
      Instruction(.reduceLanes(x: y, out: sum, outer: 1, count: 1, inner: n, scale: 1), .float32, origin: 2),
    ]
    program.regions = [
      Region(.serial, instructions: 0..<1),
      Region(
        .lanes(total: lanes, block: block, groups: groups), instructions: 1..<3,
        accumulators: [Accumulator(offset: 0, count: n, dtype: .float32, destination: sums)],
        accumulatorBytes: n * size),
    ]
    return program
  }

  static func layerTypes(lanes: Int, k: Int, n: Int) -> (inputs: [TensorType], outputs: [TensorType]) {
    (
      [.init(.float32, [lanes, k]), .init(.float32, [k, n])],
      [.init(.float32, [lanes, n]), .init(.float32, [n])]
    )
  }

  static func layerProgram(lanes: Int, k: Int, n: Int) throws -> Program {
    let types = layerTypes(lanes: lanes, k: k, n: n)
    return try Program(layer(lanes: lanes, k: k, n: n), inputs: types.inputs, outputs: types.outputs)
  }

  /// Numbers on (-1, 1) from a fixed stream.
  static func numbers(_ count: Int, seed: UInt64) -> [Float] {
    var state = seed
    return (0..<count).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Float(Int32(truncatingIfNeeded: state >> 33)) / Float(1 << 30) - 1
    }
  }
}
