import CKernels
import Testing

/// Instructions that are one kernel call: what the executor passes, against the kernel called on all images at once.
@Suite struct InstructionTests {
  static let lanes = 5
  static var conv: nk_conv {
    nk_conv(h: 6, w: 5, cin: 3, kh: 3, kw: 3, stride: 1, pad_top: 1, pad_left: 1, oh: 6, ow: 5, cout: 4)
  }
  static let input = 6 * 5 * 3, output = 6 * 5 * 4, filter = 9 * 3 * 4

  /// Builds a LANES program over argument buffers (elements, per lane or not) and runs it on random numbers.
  static func run(
    _ arguments: [(elements: Int, lanes: Bool)], outputs: Int, dtype: nk_dtype = .NK_F64,
    _ body: (ProgramBuilder, [Int32]) -> [(Int32, Int32)]
  ) -> [Operand] {
    let p = ProgramBuilder(dtype)
    p.blockLanes = 2
    let ids = arguments.map { p.argument($0.elements, lanes: $0.lanes) }
    let pieces = body(p, ids)
    p.region(.NK_REGION_LANES, lanes: lanes, groups: 2, pieces: pieces.map { (piece: $0.0, to: $0.1) })
    var random = SeededGenerator(state: 11)
    let memory = arguments.enumerated().map { index, argument in
      let count = argument.elements * (argument.lanes ? lanes : 1)
      return index < arguments.count - outputs
        ? Operand(random: count, dtype, using: &random) : Operand(count, dtype)
    }
    #expect(ProgramBuilder.run(p.build(), memory, threads: 2).status == .NK_SUCCESS)
    return memory
  }

  static func packed(_ kind: nk_pack_kind, _ b: Operand, _ k: Int, _ n: Int) -> Operand {
    let kernels = nk_kernels_get(.NK_F64).pointee
    let result = Operand(bytes: kernels.packed_bytes(Int64(k), Int64(n)), .NK_F64)
    var geometry = conv
    kernels.pack(kind, b.raw, result.raw, Int64(k), Int64(n), &geometry)
    return result
  }

  static var scratch: Operand {
    var geometry = conv
    return Operand(bytes: nk_kernels_get(.NK_F64).pointee.conv_scratch(&geometry, Int64(lanes)), .NK_F64)
  }

  @Test func convolutionAndItsTransposes() {
    let kernels = nk_kernels_get(.NK_F64).pointee
    let (input, output, filter) = (Self.input, Self.output, Self.filter)
    let memory = Self.run(
      [
        (input, true), (output, true), (filter, false), (4, false), (output, true), (input, true),
        (filter, false),
      ], outputs: 3
    ) { p, id in
      let forward = p.packed(k: 27, n: 4), backward = p.packed(k: 36, n: 3)
      for (kind, to, k, n) in [
        (nk_pack_kind.NK_PACK_CONV, forward, 27, 4), (.NK_PACK_CONV_TRANSPOSED, backward, 36, 3),
      ] {
        p.emit(.NK_OP_PACK, [id[2]], [to]) {
          $0.u.pack.kind = kind
          $0.u.pack.k = Int64(k)
          $0.u.pack.n = Int64(n)
          $0.u.pack.conv = Self.conv
        }
      }
      p.region(.NK_REGION_SERIAL)
      let sum = p.accumulator(filter)
      func configure(_ instruction: inout nk_instr) {
        instruction.u.conv.geometry = Self.conv
        instruction.u.conv.images_per_lane = 1
        instruction.u.conv.act = Int32(Elementwise.relu.rawValue)
      }
      p.emit(.NK_OP_CONV, [id[0], forward, id[3]], [id[4]], configure)
      p.emit(.NK_OP_CONV_INPUT_GRADIENT, [id[1], backward], [id[5]], configure)
      p.emit(.NK_OP_CONV_FILTER_GRADIENT, [id[0], id[1]], [sum], configure)
      return [(sum, id[6])]
    }
    var geometry = Self.conv
    let images = Int64(Self.lanes)
    let y = Operand(memory[4].count, .NK_F64), dx = Operand(memory[5].count, .NK_F64),
      dw = Operand(filter, .NK_F64)
    let (forward, backward) = (
      Self.packed(.NK_PACK_CONV, memory[2], 27, 4), Self.packed(.NK_PACK_CONV_TRANSPOSED, memory[2], 36, 3)
    )
    let scratch = Self.scratch
    withExtendedLifetime((memory, forward, backward, scratch)) {
      kernels.conv(
        &geometry, memory[0].raw, forward.raw, memory[3].raw, y.raw, images,
        Int32(Elementwise.relu.rawValue), scratch.raw)
      kernels.conv_input_gradient(&geometry, memory[1].raw, backward.raw, dx.raw, images, scratch.raw)
      kernels.conv_filter_gradient(&geometry, memory[0].raw, memory[1].raw, dw.raw, images, 1, 0, scratch.raw)
    }
    #expect(memory[4].values == y.values && memory[5].values == dx.values)
    #expect(largestDifference(memory[6].values, dw.values) < 1e-12)
  }

  @Test func poolingNormalisationAndLoss() {
    let kernels = nk_kernels_get(.NK_F64).pointee
    let lanes = Self.lanes
    // x [4, 4, 6], dy of the pool [2, 2, 6], gy, outputs: pooled, dx of the pool, y, rstd, dx of the norm, loss, dx of it
    let memory = Self.run(
      [
        (96, true), (24, true), (96, true), (1, true), (24, true), (96, true), (96, true), (2, true),
        (96, true),
        (16, true), (96, true),
      ], outputs: 7
    ) { p, id in
      let geometry = nk_pool2d(h: 4, w: 4, channels: 6, kh: 2, kw: 2, stride: 2, oh: 2, ow: 2, max: 1)
      func pool(_ instruction: inout nk_instr) {
        instruction.u.pool.geometry = geometry
        instruction.u.pool.images_per_lane = 1
      }
      func norm(_ instruction: inout nk_instr) {
        instruction.u.norm.images_per_lane = 1
        instruction.u.norm.positions = 16
        instruction.u.norm.channels = 6
        instruction.u.norm.groups = 2
        instruction.u.norm.eps = 1e-5
      }
      func loss(_ instruction: inout nk_instr) {
        instruction.u.softmax.rows_per_lane = 16
        instruction.u.softmax.classes = 6
      }
      let labels = p.labels(16)
      p.emit(.NK_OP_FILL, [], [labels], dtype: .NK_I32) {
        $0.u.fill.value = 2; $0.u.fill.count = 16
      }
      p.emit(.NK_OP_POOL, [id[0]], [id[4]], pool)
      p.emit(.NK_OP_POOL_GRADIENT, [id[0], id[1]], [id[5]], pool)
      p.emit(.NK_OP_GROUP_NORM, [id[0]], [id[6], id[7]], norm)
      p.emit(.NK_OP_GROUP_NORM_GRADIENT, [id[6], id[7], id[2]], [id[8]], norm)
      p.emit(.NK_OP_SOFTMAX_XENT, [id[0], labels], [id[9]], loss)
      p.emit(.NK_OP_SOFTMAX_XENT_GRADIENT, [id[0], labels, id[9]], [id[10]], loss)
      return []
    }
    var geometry = nk_pool2d(h: 4, w: 4, channels: 6, kh: 2, kw: 2, stride: 2, oh: 2, ow: 2, max: 1)
    let expected = [24, 96, 96, 2, 96, 16, 96].map { Operand($0 * lanes, .NK_F64) }
    let images = Int64(lanes), labels = [Int32](repeating: 2, count: 16 * lanes)
    withExtendedLifetime((memory, expected)) {
      kernels.pool(&geometry, memory[0].raw, expected[0].raw, images)
      kernels.pool_gradient(&geometry, memory[0].raw, memory[1].raw, expected[1].raw, images)
      kernels.group_norm(memory[0].raw, expected[2].raw, expected[3].raw, images, 16, 6, 2, 1e-5)
      kernels.group_norm_gradient(
        expected[2].raw, expected[3].raw, memory[2].raw, expected[4].raw, images, 16, 6, 2)
      kernels.softmax_cross_entropy(memory[0].raw, labels, expected[5].raw, images * 16, 6)
      kernels.softmax_cross_entropy_gradient(
        memory[0].raw, labels, expected[5].raw, expected[6].raw, images * 16, 6)
    }
    for (index, operand) in expected.enumerated() {
      #expect(memory[4 + index].values == operand.values, "output \(index)")
    }
  }
}
