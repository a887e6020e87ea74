import CKernels

/// Writes a description's C structures one after another into one block of memory.
///
/// Sizes do not depend on addresses, so the same code first measures (no memory: every pointer is nil) and then writes.
struct ImageWriter {
  private let base: UnsafeMutableRawPointer?
  private(set) var bytes = 0
  /// Of the programs so far.
  private var instructions = 0

  init(into base: UnsafeMutableRawPointer?) { self.base = base }

  private mutating func array<T>(_ elements: [T], alignment: Int = MemoryLayout<T>.alignment)
    -> UnsafePointer<T>?
  {
    guard !elements.isEmpty else { return nil }
    let start = (bytes + alignment - 1) / alignment * alignment
    bytes = start + elements.count * MemoryLayout<T>.stride
    guard let base else { return nil }
    let target = (base + start).bindMemory(to: T.self, capacity: elements.count)
    target.initialize(from: elements, count: elements.count)
    return UnsafePointer(target)
  }

  mutating func pointer<T>(to element: T) -> UnsafePointer<T>? { array([element]) }

  mutating func program(_ description: ProgramDescription) -> nk_program {
    var program = nk_program()
    program.number = Int32(instructions)
    instructions += description.instructions.count
    program.buffer_count = Int32(description.buffers.count)
    program.buffers = array(description.buffers.map(\.kernel))
    program.instr_count = Int32(description.instructions.count)
    program.instrs = array(description.instructions.map { instruction($0) })
    program.region_count = Int32(description.regions.count)
    program.regions = array(
      description.regions.map { region($0, overwrites: description.overwritesAccumulators(of: $0)) })
    program.setup_regions = Int32(description.setupRegions)
    program.arg_count = Int32(description.arguments.count)
    program.constants = array(description.constants, alignment: KernelSizes.alignment).map(
      UnsafeRawPointer.init)
    program.constant_bytes = Int64(description.constants.count)
    program.arena_bytes = Int64(description.arenaBytes)
    program.block_bytes = Int64(description.blockBytes)
    program.residual_bytes = Int64(description.residualBytes)
    program.acc_bytes = Int64(description.regions.map(\.accumulatorBytes).max() ?? 0)
    return program
  }

  private mutating func region(_ region: Region, overwrites: Bool) -> nk_region {
    var result = nk_region()
    result.first = Int32(region.instructions.lowerBound)
    result.count = Int32(region.instructions.count)
    switch region.kind {
    case .serial:
      (result.kind, result.lanes, result.block_lanes, result.groups) = (.NK_REGION_SERIAL, 1, 1, 1)
    case .lanes(let total, let block, let groups):
      (result.kind, result.lanes, result.block_lanes, result.groups) =
        (.NK_REGION_LANES, Int64(total), Int64(block), Int32(groups))
    }
    result.acc_overwritten = overwrites ? 1 : 0
    result.acc_bytes = Int64(region.accumulatorBytes)
    result.acc_count = Int32(region.accumulators.count)
    result.acc = array(
      region.accumulators.map {
        nk_accumulator(
          offset: Int64($0.offset), count: Int64($0.count), dtype: $0.dtype.kernel, buffer: id($0.destination)
        )
      })
    return result
  }

  mutating func instruction(_ instruction: Instruction) -> nk_instr {
    var result = nk_instr()
    result.op = instruction.kernel.opcode
    result.dtype = instruction.dtype.kernel
    result.in = (-1, -1, -1, -1)
    result.out = (-1, -1, -1, -1)
    result.scratch = Int64(instruction.scratchOffset)
    result.scratch_bytes = Int64(instruction.scratchBytes)
    result.origin = Int32(instruction.origin)
    result.once = instruction.once ? 1 : 0
    write(instruction.kernel, to: &result)
    return result
  }

  private mutating func write(_ kernel: Kernel, to i: inout nk_instr) {
    switch kernel {
    case .elementwise(let code):
      i.u.ewise = elementwise(code)
    case .copy(let copy):
      i.u.copy = nk_copy(
        rank: Int32(copy.dims.count), dims: fixed(copy.dims), src: view(copy.source),
        dst: view(copy.destination))
    case .fill(let out, let value, let count):
      i.out.0 = id(out)
      i.u.fill = .init(value: value, count: Int64(count))
    case .reduce(let kind, let x, let out, let outer, let count, let inner, let scale):
      (i.in.0, i.out.0) = (id(x), id(out))
      i.u.reduce = .init(
        kind: kind, outer: Int64(outer), count: Int64(count), inner: Int64(inner), scale: scale)
    case .reduceLanes(let x, let out, let outer, let count, let inner, let scale):
      (i.in.0, i.out.0) = (id(x), id(out))
      i.u.reduce = .init(
        kind: .sum, outer: Int64(outer), count: Int64(count), inner: Int64(inner), scale: scale)
    case .pack(let layout, let x, let out, let k, let n):
      (i.in.0, i.out.0) = (id(x), id(out))
      i.u.pack = .init(
        kind: layout.kernel, k: Int64(k), n: Int64(n), conv: layout.geometry?.kernel ?? nk_conv())
    case .matmul(
      let a, let packed, let bias, let times, let out, let rows, let k, let n, let activation, let factor):
      (i.in.0, i.in.1, i.in.2, i.in.3, i.out.0) = (id(a), id(packed), id(bias), id(times), id(out))
      var function: Elementwise?
      if case .of(let operation) = factor { function = operation }
      i.u.matmul = .init(
        rows_per_lane: Int64(rows), k: Int64(k), n: Int64(n), act: code(activation), factor: code(function))
    case .matmulOuter(let terms, let out, let rows, let k, let n):
      precondition(
        (1...Int(NK_OUTER_TERMS)).contains(terms.count), "\(terms.count) terms of a sum of products")
      i.in = slots(terms.flatMap { [$0.a, $0.b] })
      i.out.0 = id(out)
      i.u.matmul = .init(rows_per_lane: Int64(rows), k: Int64(k), n: Int64(n), act: -1, factor: -1)
    case .matmulBatched(let m):
      (i.in.0, i.in.1, i.out.0) = (id(m.a), id(m.b), id(m.out))
      i.u.batched = nk_batched(
        batch: Int64(m.batch), m: Int64(m.m), k: Int64(m.k), n: Int64(m.n), transpose_a: m.transposeA ? 1 : 0,
        transpose_b: m.transposeB ? 1 : 0, a_lane: Int64(m.aLane), a_batch: Int64(m.aBatch),
        b_lane: Int64(m.bLane), b_batch: Int64(m.bBatch))
    case .matrix(let call):
      i.in = slots(call.inputs)
      i.out = slots(call.outputs)
      i.u.matrix = call.kernel
    case .conv(let geometry, let x, let packed, let bias, let out, let images, let activation):
      (i.in.0, i.in.1, i.in.2, i.out.0) = (id(x), id(packed), id(bias), id(out))
      i.u.conv = .init(geometry: geometry.kernel, images_per_lane: Int64(images), act: code(activation))
    case .convInputGradient(let geometry, let dy, let packed, let out, let images):
      (i.in.0, i.in.1, i.out.0) = (id(dy), id(packed), id(out))
      i.u.conv = .init(geometry: geometry.kernel, images_per_lane: Int64(images), act: -1)
    case .convFilterGradient(let geometry, let x, let dy, let out, let images):
      (i.in.0, i.in.1, i.out.0) = (id(x), id(dy), id(out))
      i.u.conv = .init(geometry: geometry.kernel, images_per_lane: Int64(images), act: -1)
    case .pool(let geometry, let x, let out, let images):
      (i.in.0, i.out.0) = (id(x), id(out))
      i.u.pool = .init(geometry: geometry.kernel, images_per_lane: Int64(images))
    case .poolGradient(let geometry, let x, let dy, let out, let images):
      (i.in.0, i.in.1, i.out.0) = (id(x), id(dy), id(out))
      i.u.pool = .init(geometry: geometry.kernel, images_per_lane: Int64(images))
    case .groupNorm(let x, let y, let rstd, let images, let positions, let channels, let groups, let epsilon):
      (i.in.0, i.out.0, i.out.1) = (id(x), id(y), id(rstd))
      i.u.norm = .init(
        images_per_lane: Int64(images), positions: Int64(positions), channels: Int64(channels),
        groups: Int64(groups), eps: epsilon)
    case .groupNormGradient(
      let y, let rstd, let dy, let out, let images, let positions, let channels, let groups):
      (i.in.0, i.in.1, i.in.2, i.out.0) = (id(y), id(rstd), id(dy), id(out))
      i.u.norm = .init(
        images_per_lane: Int64(images), positions: Int64(positions), channels: Int64(channels),
        groups: Int64(groups), eps: 0)
    case .softmaxCrossEntropy(let x, let labels, let out, let rows, let classes):
      (i.in.0, i.in.1, i.out.0) = (id(x), id(labels), id(out))
      i.u.softmax = .init(rows_per_lane: Int64(rows), classes: Int64(classes))
    case .softmaxCrossEntropyGradient(let x, let labels, let dy, let out, let rows, let classes):
      (i.in.0, i.in.1, i.in.2, i.out.0) = (id(x), id(labels), id(dy), id(out))
      i.u.softmax = .init(rows_per_lane: Int64(rows), classes: Int64(classes))
    case .gather(let table, let indices, let out, let rows, let width, let entries):
      (i.in.0, i.in.1, i.out.0) = (id(table), id(indices), id(out))
      i.u.gather = .init(rows_per_lane: Int64(rows), width: Int64(width), entries: Int64(entries))
    case .scatterAdd(let x, let indices, let out, let rows, let width, let entries):
      (i.in.0, i.in.1, i.out.0) = (id(x), id(indices), id(out))
      i.u.gather = .init(rows_per_lane: Int64(rows), width: Int64(width), entries: Int64(entries))
    case .rowwise(let operation, let x, let indices, let out, let rows, let n, let entries):
      (i.in.0, i.in.1, i.out.0) = (id(x), id(indices), id(out))
      let backward =
        switch operation {
        case .cumulativeSum(let backward): backward
        case .argsort(let descending): descending
        case .takeAlong, .addAlong: false
        }
      i.u.rowwise = .init(
        rows_per_lane: Int64(rows), n: Int64(n), entries: Int64(entries), backward: backward ? 1 : 0)
    case .random(let key, let out, let normal, let count):
      (i.in.0, i.out.0) = (id(key), id(out))
      i.u.random = .init(normal: normal ? 1 : 0, count: Int64(count))
    case .convert(let x, let out, let count):
      (i.in.0, i.out.0) = (id(x), id(out))
      i.u.convert = .init(count: Int64(count))
    case .interleave(let columns, let out, let count):
      let ids = columns.map { id($0) } + [-1, -1]
      (i.in.0, i.in.1, i.in.2, i.in.3, i.out.0) = (ids[0], ids[1], ids[2], ids[3], id(out))
      i.u.interleave = .init(columns: Int32(columns.count), count: Int64(count))
    case .scan(let scan):
      i.u.scan = pointer(to: self.scan(scan))
    case .solve(let solve), .solveGradient(let solve):
      i.u.ode = pointer(to: ode(solve))
    }
  }

  private mutating func elementwise(_ elementwise: ElementwiseCode) -> nk_ewise_code {
    var result = nk_ewise_code()
    result.rank = Int32(elementwise.dims.count)
    result.dims = fixed(elementwise.dims)
    result.operand_count = Int32(elementwise.operands.count)
    result.operands = array(elementwise.operands.map { view($0) })
    result.constant_count = Int32(elementwise.constants.count)
    result.constants = array(elementwise.constants)
    result.op_count = Int32(elementwise.steps.count)
    result.ops = array(
      elementwise.steps.map { step in
        func source(_ n: Int) -> UInt8 { n < step.sources.count ? UInt8(step.sources[n]) : 0 }
        return nk_vm_op(
          op: UInt8(step.operation.rawValue), dst: UInt8(step.destination), a: source(0), b: source(1),
          c: source(2))
      })
    result.output_count = Int32(elementwise.outputs.count)
    result.outputs = array(
      elementwise.outputs.map { nk_vm_output(buffer: id($0.buffer), reg: UInt8($0.register)) })
    result.register_count = Int32(elementwise.registerCount)
    return result
  }

  mutating func ode(_ solve: NestedSolve) -> nk_ode {
    var result = nk_ode()
    result.tableau = pointer(to: solve.tableau.kernel)
    result.controller = solve.controller.kernel
    result.dtype = solve.dtype.kernel
    result.lanes = Int64(solve.lanes)
    result.dim = Int64(solve.dim)
    result.time_count = Int32(solve.timeCount)
    switch solve.sensitivity {
    case .exact(let checkpoints, let residuals):
      result.sensitivity = .NK_SENSITIVITY_EXACT
      result.checkpoints = Int64(checkpoints)
      result.residual_budget = Int64(residuals.bytes)
      result.residual_least = Int64(residuals.steps.lowerBound)
      result.residual_most = Int64(residuals.steps.upperBound)
    case .backsolve:
      result.sensitivity = .NK_SENSITIVITY_BACKSOLVE
    }
    result.capture_count = Int32(solve.captures.count)
    result.capture_has_lanes = array(solve.captures.map { $0.hasLanes ? 1 : 0 })
    result.capture_elements = array(solve.captures.map { Int64($0.elements) })
    result.captures = array(solve.captures.map { id($0.buffer) })
    result.ct_captures = array(solve.captures.map { id($0.cotangent) })
    result.field = nested(solve.field)
    result.field_forward = nested(solve.fieldForward)
    result.field_backward = nested(solve.fieldBackward)
    result.field_vjp = nested(solve.fieldVJP)
    result.field_adjoint = nested(solve.fieldAdjoint)
    (result.y0, result.times, result.states) = (id(solve.y0), id(solve.times), id(solve.states))
    (result.statistics, result.tape) = (id(solve.statistics), id(solve.tape))
    result.ct_states = id(solve.cotangents?.states)
    result.ct_y0 = id(solve.cotangents?.y0)
    result.ct_times = id(solve.cotangents?.times)
    result.gradient_statistics = id(solve.cotangents?.statistics)
    return result
  }

  private mutating func scan(_ scan: NestedScan) -> nk_scan {
    var result = nk_scan()
    result.body = nested(scan.body)
    result.steps = Int64(scan.steps)
    result.reversed = scan.isReversed ? 1 : 0
    result.carry_count = Int32(scan.first.count)
    result.sequence_count = Int32(scan.sequences.count)
    result.capture_count = Int32(scan.captures.count)
    result.output_count = Int32(scan.outputs.count)
    result.first = array(scan.first.map { id($0) })
    result.sequences = array(scan.sequences.map { id($0) })
    result.captures = array(scan.captures.map { id($0) })
    result.last = array(scan.last.map { id($0) })
    result.outputs = array(scan.outputs.map { id($0) })
    result.history = array(scan.history.map { id($0) })
    result.carry_bytes = array(scan.carryBytes.map { Int64($0) })
    result.sequence_bytes = array(scan.sequenceBytes.map { Int64($0) })
    result.output_bytes = array(scan.outputBytes.map { Int64($0) })
    return result
  }

  private mutating func nested(_ description: ProgramDescription?) -> UnsafePointer<nk_program>? {
    guard let description else { return nil }
    return pointer(to: program(description))
  }
}

private func id(_ buffer: BufferID?) -> Int32 { buffer.map { Int32($0.index) } ?? -1 }

private func slots(_ buffers: [BufferID]) -> (Int32, Int32, Int32, Int32) {
  func at(_ n: Int) -> Int32 { n < buffers.count ? id(buffers[n]) : -1 }
  return (at(0), at(1), at(2), at(3))
}

private func code(_ activation: Elementwise?) -> Int32 { activation.map { Int32($0.rawValue) } ?? -1 }

private func view(_ view: View) -> nk_view {
  nk_view(
    buffer: id(view.buffer), offset: Int64(view.offset), lane_stride: Int64(view.laneStride),
    stride: fixed(view.strides))
}

private typealias Fixed = (Int64, Int64, Int64, Int64, Int64, Int64, Int64, Int64)

private func fixed(_ x: [Int]) -> Fixed {
  func at(_ n: Int) -> Int64 { n < x.count ? Int64(x[n]) : 0 }
  return (at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7))
}
