// From planned regions to the kernels' program.

struct Emitter {
  let ir: IR
  let schedule: RegionSchedule
  let plan: MemoryPlan
  let analysis: LaneAnalysis?
  var program = ProgramDescription()
  /// Programs of a solver leave their sums in these accumulators of the body.
  var prescribed: [Accumulator]?
  /// Results that somebody reads: a solve leaves out the others.
  var readResults: Set<ValueID> = []

  /// Of the region at hand: rows that each block's lanes divide values into (1: whole tensors).
  private(set) var lanes = 1
  private(set) var execution = Execution.serial
  private var region = 0
  private var elements: Int?
  private var accumulators: [Accumulator] = []
  private var accumulatorBytes = 0
  private var ids: [Buffer: BufferID] = [:]
  private var scratchBytes = 0
  private var origin = 0

  init(_ ir: IR, _ schedule: RegionSchedule, _ plan: MemoryPlan, _ analysis: LaneAnalysis?) {
    self.ir = ir
    self.schedule = schedule
    self.plan = plan
    self.analysis = analysis
    program.constants = plan.constants
    program.arenaBytes = plan.arenaBytes
  }

  mutating func emit(totalLanes: Int? = nil) {
    for index in schedule.regions.indices { emit(region: index, totalLanes: totalLanes) }
  }

  private mutating func emit(region index: Int, totalLanes: Int?) {
    let planned = schedule.regions[index]
    region = index
    accumulators = []
    accumulatorBytes = 0
    scratchBytes = 0
    elements = nil
    let first = program.instructions.count
    if case .elements(let count) = planned.kind { elements = count }
    if let prescribed, planned.kind != .serial {
      accumulators = prescribed
      accumulatorBytes =
        prescribed.map { $0.offset + Arena.aligned($0.count * $0.dtype.byteCount) }.max() ?? 0
    }
    for item in planned.items {
      execution = item.execution
      switch (planned.kind, item.execution) {
      case (.lanes(let count), .lanes), (.lanes(let count), .accumulate): lanes = count
      default: lanes = 1
      }
      emit(item)
    }
    let block = plan.blockLanes[index]
    var kind = Region.Kind.serial
    switch planned.kind {
    case .serial: break
    case .lanes(let count):
      let blocks = (count + block - 1) / block
      let groups =
        accumulators.isEmpty ? 1 : max(1, min(blocks, MemoryPlan.groups(accumulatorBytes, blocks: blocks)))
      kind = .lanes(total: totalLanes ?? count, block: block, groups: groups)
    case .elements(let count):
      kind = .lanes(total: count, block: block, groups: 1)
    }
    program.regions.append(
      Region(
        kind, instructions: first..<program.instructions.count, accumulators: accumulators,
        accumulatorBytes: accumulatorBytes))
    program.blockBytes = max(program.blockBytes, plan.regionBlockBytes[index] + scratchBytes)
  }

  private mutating func emit(_ item: Item) {
    let lead = ir.instructions[item.instructions[0]]
    let parts = item.instructions.map { number in
      let instruction = ir.instructions[number]
      return ProgramDescription.Origin(
        name: instruction.name, shape: ir[instruction.results[0]].shape.dimensions,
        operands: instruction.operands.map { ir[$0].shape.dimensions })
    }
    origin = program.origins.count
    program.origins.append(
      parts.count == 1
        ? parts[0]
        : ProgramDescription.Origin(
          name: parts.map(\.name).joined(separator: " "), shape: parts.last!.shape, parts: parts))
    if case .elementwise = lead.opcode {
      emitElementwise(item.instructions)
    } else {
      emitSingle(lead)
    }
  }

  mutating func append(_ kernel: Kernel, _ dtype: DType) {
    var instruction = Instruction(kernel, dtype, origin: origin)
    instruction.once = execution == .once
    if !kernel.isSolve {
      let blockLanes =
        execution == .once || execution == .serial && elements == nil ? 1 : plan.blockLanes[region]
      instruction.scratchBytes = instruction.scratchBytes(blockLanes: blockLanes)
      instruction.scratchOffset = plan.regionBlockBytes[region]
      scratchBytes = max(scratchBytes, Arena.aligned(instruction.scratchBytes))
    }
    program.instructions.append(instruction)
  }

  // MARK: Buffers

  mutating func buffer(_ buffer: Buffer) -> BufferID {
    if let id = ids[buffer] { return id }
    let id = program.add(buffer)
    ids[buffer] = id
    return id
  }

  /// A contiguous operand, row by row or whole.
  mutating func whole(_ id: ValueID) -> BufferID {
    let view = ir.view(id)!, dtype = ir[id].type.dtype
    let place = plan.placements[view.base]!
    return buffer(
      Buffer(
        place.space, dtype, hasLanes: false, offset: place.offset + view.offset * dtype.byteCount,
        bytes: ir[id].type.byteCount))
  }

  mutating func rows(_ id: ValueID) -> BufferID {
    if execution == .serial || execution == .once { return whole(id) }
    let view = ir.view(id)!, dtype = ir[id].type.dtype
    let place = plan.placements[view.base]!
    return buffer(
      Buffer(
        place.space, dtype, hasLanes: true, offset: place.offset + view.offset * dtype.byteCount,
        bytes: ir[id].type.byteCount / lanes))
  }

  /// Where a result goes: an accumulator where it is a sum over lanes.
  mutating func target(_ id: ValueID) -> BufferID {
    if execution == .once { return whole(id) }
    guard execution == .accumulate else { return rows(id) }
    switch plan.placements[id]!.space {
    case .accumulator, .block: return whole(id)
    default: return accumulator(id)
    }
  }

  /// A new accumulator whose sum is stored to the value's place when the region ends.
  private mutating func accumulator(_ id: ValueID) -> BufferID {
    let dtype = ir[id].type.dtype, bytes = ir[id].type.byteCount
    let offset = accumulatorBytes
    accumulators.append(
      Accumulator(offset: offset, count: ir[id].count, dtype: dtype, destination: whole(id)))
    accumulatorBytes += Arena.aligned(bytes)
    return buffer(Buffer(.accumulator, dtype, hasLanes: false, offset: offset, bytes: bytes))
  }

  /// How an operand is walked, with the extents of one lane in front of it where the instruction runs on lanes.
  mutating func view(_ id: ValueID) -> View {
    let view = ir.view(id)!, value = ir[id], base = ir[view.base]
    let size = value.type.dtype.byteCount
    let place = plan.placements[view.base]!
    let onRows = execution == .lanes || execution == .accumulate
    let laneStride = onRows ? value.shape[0] / lanes * view.strides[0] : 0
    guard laneStride != 0 else {
      let id = buffer(
        Buffer(
          place.space, value.type.dtype, hasLanes: false, offset: place.offset, bytes: base.type.byteCount))
      return View(id, offset: view.offset, laneStride: 0, strides: view.strides)
    }
    var low = view.offset
    for (axis, step) in view.strides.enumerated() where step < 0 { low += (value.shape[axis] - 1) * step }
    let isOwn = laneStride * lanes == base.count
    let shift = isOwn ? 0 : low / laneStride * laneStride
    let id = buffer(
      Buffer(
        place.space, value.type.dtype, hasLanes: true, offset: place.offset + shift * size,
        bytes: laneStride * size))
    return View(id, offset: view.offset - shift, laneStride: laneStride, strides: view.strides)
  }

  /// Extents of one lane of a value.
  func dims(_ shape: Shape) -> [Int] {
    guard lanes > 1 || execution == .lanes || execution == .accumulate else { return shape.dimensions }
    return [shape[0] / lanes] + shape.dimensions.dropFirst()
  }

  // MARK: Elementwise

  private mutating func emitElementwise(_ instructions: [Int]) {
    let code = ElementwiseProgram(ir, instructions)
    let results = instructions.map { ir.instructions[$0].results[0] }
    let outputs = results.filter { plan.placements[$0] != nil }
    let (steps, registers, count) = code.code(outputs: outputs)
    let type = ir[results[0]].type
    guard type.shape.count > 0 else { return }
    if let elements {
      emitElements(code, steps, outputs, registers, count, type.dtype, elements)
      return
    }
    let views = code.operands.map { view($0) }
    let merged = MergedAxes(dims(type.shape), views.map(\.strides))
    let operands = zip(views, merged.strides).map { view, strides in
      View(view.buffer, offset: view.offset, laneStride: view.laneStride, strides: strides)
    }
    append(
      .elementwise(
        ElementwiseCode(
          dims: merged.dims, operands: operands, constants: code.constants, steps: steps,
          outputs: zip(outputs, registers).map { ElementwiseCode.Output(rows($0), register: $1) },
          registerCount: count)), type.dtype)
  }

  /// Every element is a lane.
  private mutating func emitElements(
    _ code: ElementwiseProgram, _ steps: [ElementwiseCode.Step], _ outputs: [ValueID], _ registers: [Int],
    _ count: Int, _ dtype: DType, _ elements: Int
  ) {
    let size = dtype.byteCount
    let operands = code.operands.map { operand in
      let view = ir.view(operand)!
      let place = plan.placements[view.base]!
      let isUniform = !ir.isContiguous(operand)
      let id = buffer(
        Buffer(
          place.space, dtype, hasLanes: !isUniform, offset: place.offset + view.offset * size, bytes: size))
      return View(id, laneStride: isUniform ? 0 : 1, strides: [])
    }
    let targets = zip(outputs, registers).map { output, register in
      let place = plan.placements[output]!
      let id = buffer(Buffer(place.space, dtype, hasLanes: true, offset: place.offset, bytes: size))
      return ElementwiseCode.Output(id, register: register)
    }
    append(
      .elementwise(
        ElementwiseCode(
          dims: [], operands: operands, constants: code.constants, steps: steps, outputs: targets,
          registerCount: count)), dtype)
  }
}

/// Extents without axes of extent 1, neighbours merged where all operands walk them as one.
struct MergedAxes {
  var dims: [Int] = []
  var strides: [[Int]]

  init(_ extents: [Int], _ operands: [[Int]]) {
    strides = operands.map { _ in [] }
    for axis in extents.indices where extents[axis] != 1 {
      let last = dims.count - 1
      let merges =
        last >= 0
        && operands.indices.allSatisfy {
          strides[$0][last] == operands[$0][axis] * extents[axis]
        }
      if merges {
        dims[last] *= extents[axis]
        for operand in operands.indices { strides[operand][last] = operands[operand][axis] }
      } else {
        dims.append(extents[axis])
        for operand in operands.indices { strides[operand].append(operands[operand][axis]) }
      }
    }
  }
}

extension MemoryPlan {
  /// Copies of a region's accumulators: enough for threads, few where they are large. From sizes alone, so that sums do
  /// not depend on threads.
  ///
  /// A group adds its blocks in order and groups are added pairwise: where there are many blocks, small sums get more
  /// groups, so that their rounding errors stay those of some dozens of additions.
  static func groups(_ accumulatorBytes: Int, blocks: Int) -> Int {
    let usual = accumulatorBytes > 1 << 20 ? 4 : 8
    return max(usual, min(blocks / 32, (1 << 20) / max(accumulatorBytes, 1)))
  }
}
