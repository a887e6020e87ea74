import CKernels

/// Programs written by hand: buffers, instructions and regions, in memory that lives as long as the builder.
final class ProgramBuilder {
  let dtype: nk_dtype
  private(set) var buffers: [nk_buffer] = []
  private(set) var instructions: [nk_instr] = []
  private var regions: [nk_region] = []
  private var owned: [UnsafeMutableRawPointer] = []
  private var constantValues: [Double] = []
  private var arena: Int64 = 0, block: Int64 = 0, residual: Int64 = 0, accumulators: Int64 = 0
  private var arguments: Int32 = 0
  private var regionStart = 0
  var setupRegions: Int32 = 0
  /// Lanes that block scratch is reserved for; set before block buffers are made.
  var blockLanes: Int64 = 1

  var size: Int64 { nk_dtype_bytes(dtype) }

  init(_ dtype: nk_dtype = .NK_F64) { self.dtype = dtype }
  deinit { for pointer in owned { pointer.deallocate() } }

  func keep<T>(_ values: [T]) -> UnsafeMutablePointer<T> {
    let memory = UnsafeMutablePointer<T>.allocate(capacity: max(values.count, 1))
    memory.initialize(from: values, count: values.count)
    owned.append(UnsafeMutableRawPointer(memory))
    return memory
  }

  // MARK: Buffers

  private func append(
    _ space: nk_space, _ offset: Int64, _ elements: Int, lanes: Bool, slot: Int32 = 0, dtype: nk_dtype? = nil
  ) -> Int32 {
    let type = dtype ?? self.dtype
    buffers.append(
      nk_buffer(
        space: space, dtype: type, slot: slot, has_lanes: lanes ? 1 : 0, offset: offset,
        bytes: Int64(elements) * nk_dtype_bytes(type)))
    return Int32(buffers.count - 1)
  }

  private func reserve(_ total: inout Int64, _ bytes: Int64) -> Int64 {
    defer { total += (bytes + 63) & ~63 }
    return total
  }

  /// The next argument; `elements` of one lane where it has lanes.
  func argument(_ elements: Int, lanes: Bool = false, dtype: nk_dtype? = nil) -> Int32 {
    arguments += 1
    return append(.NK_SPACE_ARG, 0, elements, lanes: lanes, slot: arguments - 1, dtype: dtype)
  }

  func scratch(_ elements: Int, lanes: Bool = true) -> Int32 {
    let count = lanes ? blockLanes : 1
    return append(
      .NK_SPACE_BLOCK, reserve(&block, Int64(elements) * size * count), elements, lanes: lanes)
  }

  /// Scratch of a block for int32.
  func labels(_ elements: Int) -> Int32 {
    append(
      .NK_SPACE_BLOCK, reserve(&block, Int64(elements) * 4 * blockLanes), elements, lanes: true,
      dtype: .NK_I32)
  }

  func kept(_ elements: Int) -> Int32 {
    append(.NK_SPACE_RESIDUAL, reserve(&residual, Int64(elements) * size * blockLanes), elements, lanes: true)
  }

  /// `elements` are of all lanes where the buffer has none.
  func stored(bytes: Int64) -> Int32 {
    let offset = reserve(&arena, bytes)
    buffers.append(
      nk_buffer(
        space: .NK_SPACE_ARENA, dtype: dtype, slot: 0, has_lanes: 0, offset: offset, bytes: bytes))
    return Int32(buffers.count - 1)
  }

  func constant(_ values: [Double]) -> Int32 {
    precondition(dtype == .NK_F64, "constants are for programs in double")
    defer { constantValues += values }
    return append(.NK_SPACE_CONST, Int64(constantValues.count) * 8, values.count, lanes: false)
  }

  /// Pieces of the accumulator space, in order from its start.
  func accumulator(_ elements: Int) -> Int32 {
    append(.NK_SPACE_ACC, reserve(&accumulators, Int64(elements) * size), elements, lanes: false)
  }

  // MARK: Instructions

  @discardableResult
  func emit(
    _ op: nk_opcode, _ inputs: [Int32] = [], _ outputs: [Int32] = [], dtype: nk_dtype? = nil,
    _ configure: (inout nk_instr) -> Void = { _ in }
  ) -> Int {
    var instruction = nk_instr()
    instruction.op = op
    instruction.dtype = dtype ?? self.dtype
    instruction.in = (-1, -1, -1, -1)
    instruction.out = (-1, -1, -1, -1)
    set(&instruction.in, inputs)
    set(&instruction.out, outputs)
    configure(&instruction)
    instruction.scratch_bytes = nk_instr_scratch_bytes(&instruction, blockLanes)
    instruction.scratch = reserve(&block, instruction.scratch_bytes)
    instructions.append(instruction)
    return instructions.count - 1
  }

  /// One register per operand, constant and operation, in that order; `code` names registers.
  func elementwise(
    dims: [Int], operands: [nk_view], constants: [Double] = [],
    code: [(Elementwise, UInt8, UInt8, UInt8)], outputs: [(buffer: Int32, register: Int)]
  ) {
    let first = operands.count + constants.count
    let ops = code.enumerated().map { index, op in
      nk_vm_op(op: UInt8(op.0.rawValue), dst: UInt8(first + index), a: op.1, b: op.2, c: op.3)
    }
    emit(.NK_OP_EWISE) { instruction in
      var ewise = nk_ewise_code()
      ewise.rank = Int32(dims.count)
      set(&ewise.dims, dims.map(Int64.init))
      ewise.operand_count = Int32(operands.count)
      ewise.operands = UnsafePointer(keep(operands))
      ewise.constant_count = Int32(constants.count)
      ewise.constants = UnsafePointer(keep(constants))
      ewise.op_count = Int32(ops.count)
      ewise.ops = UnsafePointer(keep(ops))
      ewise.output_count = Int32(outputs.count)
      ewise.outputs = UnsafePointer(
        keep(outputs.map { nk_vm_output(buffer: $0.buffer, reg: UInt8($0.register)) }))
      ewise.register_count = Int32(first + ops.count)
      instruction.u.ewise = ewise
    }
  }

  func copy(_ dims: [Int], from source: nk_view, to target: nk_view, dtype: nk_dtype? = nil) {
    emit(.NK_OP_COPY, dtype: dtype) { instruction in
      var copy = nk_copy()
      copy.rank = Int32(dims.count)
      set(&copy.dims, dims.map(Int64.init))
      copy.src = source
      copy.dst = target
      instruction.u.copy = copy
    }
  }

  func matmul(_ a: Int32, _ packed: Int32, to c: Int32, rows: Int, k: Int, n: Int, bias: Int32 = -1) {
    emit(.NK_OP_MATMUL, [a, packed, bias], [c]) {
      $0.u.matmul.rows_per_lane = Int64(rows)
      $0.u.matmul.k = Int64(k)
      $0.u.matmul.n = Int64(n)
      $0.u.matmul.act = -1
    }
  }

  func pack(_ b: Int32, to packed: Int32, _ kind: nk_pack_kind, k: Int, n: Int) {
    emit(.NK_OP_PACK, [b], [packed]) {
      $0.u.pack.kind = kind
      $0.u.pack.k = Int64(k)
      $0.u.pack.n = Int64(n)
    }
  }

  func packed(k: Int, n: Int) -> Int32 {
    stored(bytes: nk_kernels_get(dtype).pointee.packed_bytes(Int64(k), Int64(n)))
  }

  func reduceLanes(_ x: Int32, to out: Int32, count: Int, inner: Int, scale: Double = 1) {
    emit(.NK_OP_REDUCE_LANES, [x], [out]) {
      $0.u.reduce.kind = .sum
      $0.u.reduce.outer = 1
      $0.u.reduce.count = Int64(count)
      $0.u.reduce.inner = Int64(inner)
      $0.u.reduce.scale = scale
    }
  }

  // MARK: Regions

  /// Closes a region over the instructions since the last one. `pieces`: accumulator buffers and their destinations.
  func region(
    _ kind: nk_region_kind, lanes: Int = 1, groups: Int = 1, pieces: [(piece: Int32, to: Int32)] = []
  ) {
    let list = pieces.map { piece, target in
      let buffer = buffers[Int(piece)]
      return nk_accumulator(
        offset: buffer.offset, count: buffer.bytes / nk_dtype_bytes(buffer.dtype), dtype: buffer.dtype,
        buffer: target)
    }
    regions.append(
      nk_region(
        kind: kind, first: Int32(regionStart), count: Int32(instructions.count - regionStart),
        lanes: Int64(lanes), block_lanes: blockLanes, groups: Int32(groups), acc_bytes: accumulators,
        acc_overwritten: 0, acc_count: Int32(list.count), acc: UnsafePointer(keep(list))))
    regionStart = instructions.count
  }

  func build() -> UnsafePointer<nk_program> {
    UnsafePointer(
      keep([
        nk_program(
          buffer_count: Int32(buffers.count), buffers: UnsafePointer(keep(buffers)),
          instr_count: Int32(instructions.count), instrs: UnsafePointer(keep(instructions)),
          region_count: Int32(regions.count), regions: UnsafePointer(keep(regions)),
          setup_regions: setupRegions, arg_count: arguments, number: 0,
          constants: UnsafeRawPointer(keep(constantValues)), constant_bytes: Int64(constantValues.count * 8),
          arena_bytes: arena, block_bytes: block, residual_bytes: residual, acc_bytes: accumulators)
      ]))
  }

  /// Runs the program with `threads` workers on a workspace with guard bytes behind it.
  static func run(
    _ program: UnsafePointer<nk_program>, _ arguments: [Operand], threads: Int = 1
  ) -> (status: nk_status, diagnosis: nk_diagnosis) {
    let bytes = Int(nk_program_workspace_bytes(program, Int32(threads)))
    let workspace = Operand((bytes + 7) / 8, .NK_F64)
    let pool = threads > 1 ? nk_pool_create(Int32(threads)) : nil
    defer { nk_pool_destroy(pool) }
    var diagnosis = nk_diagnosis()
    let pointers: [UnsafeMutableRawPointer?] = arguments.map { $0.raw }
    let status = withExtendedLifetime((workspace, arguments)) {
      nk_program_run(program, pointers, workspace.raw, pool, &diagnosis)
    }
    precondition(
      workspace.guardIsIntact && arguments.allSatisfy(\.guardIsIntact), "a run wrote out of bounds")
    return (status, diagnosis)
  }
}

/// Writes the leading elements of a C array, which Swift sees as a tuple.
func set<Tuple, Element>(_ tuple: inout Tuple, _ values: [Element]) {
  withUnsafeMutableBytes(of: &tuple) { bytes in
    let elements = bytes.bindMemory(to: Element.self)
    for (index, value) in values.enumerated() { elements[index] = value }
  }
}

func view(_ buffer: Int32, offset: Int = 0, lane: Int = 0, _ strides: [Int]) -> nk_view {
  var view = nk_view()
  view.buffer = buffer
  view.offset = Int64(offset)
  view.lane_stride = Int64(lane)
  set(&view.stride, strides.map(Int64.init))
  return view
}
