/// A program description that contradicts itself: a mistake of the compiler, found before anything runs.
package struct InvalidProgram: Error, Hashable, CustomStringConvertible {
  package var description: String
  init(_ description: String) { self.description = description }
}

extension ProgramDescription {
  /// Throws where a run could touch memory that it does not own, or mean something else than the description says.
  ///
  /// Checked: identifiers in range, every operand's extent, element type and lanes against its buffer, every buffer
  /// against its space, scratch, the elementwise machine's registers, regions and accumulators, nested programs'
  /// arguments. `inputs`: the first so many arguments are read only.
  package func validate(inputs: Int) throws(InvalidProgram) {
    guard inputs <= arguments.count else {
      throw InvalidProgram("program: \(inputs) inputs but \(arguments.count) arguments")
    }
    for (index, buffer) in buffers.enumerated() { try checkStatically(buffer, index) }
    guard (0...regions.count).contains(setupRegions) else {
      throw InvalidProgram("program: \(setupRegions) setup regions of \(regions.count)")
    }
    for (index, region) in regions.enumerated() {
      try check(region, index)
      for instruction in region.instructions { try check(instruction, in: region, inputs: inputs) }
    }
  }

  private func checkStatically(_ buffer: Buffer, _ index: Int) throws(InvalidProgram) {
    func require(_ condition: Bool, _ problem: @autoclosure () -> String) throws(InvalidProgram) {
      if !condition { throw InvalidProgram("program: buffer \(index) \(problem())") }
    }
    try require(buffer.offset >= 0 && buffer.bytes >= 0, "has a negative offset or size")
    try require(
      buffer.offset % buffer.dtype.byteCount == 0, "starts at \(buffer.offset), not a multiple of its element"
    )
    switch buffer.space {
    case .argument(let slot):
      try require(arguments.indices.contains(slot), "is argument \(slot) of \(arguments.count)")
    case .constant, .accumulator:
      try require(!buffer.hasLanes, "is in a space without lanes (\(buffer.space)) but has lanes")
    case .arena, .block, .residual: break
    }
  }

  // MARK: Regions

  private func check(_ region: Region, _ index: Int) throws(InvalidProgram) {
    func require(_ condition: Bool, _ problem: @autoclosure () -> String) throws(InvalidProgram) {
      if !condition { throw InvalidProgram("program: region \(index) \(problem())") }
    }
    try require(
      region.instructions.lowerBound >= 0 && region.instructions.upperBound <= instructions.count,
      "has instructions \(region.instructions) of \(instructions.count)")
    if case .lanes(let total, let block, let groups) = region.kind {
      try require(total >= 0 && block >= 1, "has \(total) lanes in blocks of \(block)")
      let blocks = total == 0 ? groups : (total + block - 1) / block
      try require(groups >= 1 && groups <= max(blocks, 1), "has \(groups) groups of \(blocks) blocks")
    }
    for piece in region.accumulators {
      let end = piece.offset + piece.count * piece.dtype.byteCount
      try require(
        piece.offset >= 0 && end <= region.accumulatorBytes,
        "has an accumulator that ends at \(end) of \(region.accumulatorBytes) bytes")
      if let destination = piece.destination {
        let buffer = try self.buffer(destination, "region \(index)'s accumulator")
        try require(
          !buffer.hasLanes && buffer.bytes >= piece.count * piece.dtype.byteCount
            && buffer.dtype == piece.dtype,
          "stores \(piece.count) \(piece.dtype) to a buffer of \(buffer.bytes) bytes of \(buffer.dtype)")
        try checkExtent(buffer, in: region, "region \(index)'s accumulator", writes: true, inputs: 0)
      } else {
        // A solver's program leaves its body's pieces to the solver; such a program has arguments with lanes.
        let isBody = region.isSolverBody || (region.kind == .serial && arguments.contains(where: \.hasLanes))
        try require(isBody, "has an accumulator that is stored nowhere")
      }
    }
  }

  private func buffer(_ id: BufferID, _ what: @autoclosure () -> String) throws(InvalidProgram) -> Buffer {
    guard buffers.indices.contains(id.index) else {
      throw InvalidProgram("program: \(what()): there is no buffer \(id.index), only \(buffers.count)")
    }
    return buffers[id.index]
  }

  /// The buffer, over all lanes that a run of this region touches, is inside of its space.
  private func checkExtent(
    _ buffer: Buffer, in region: Region, _ what: @autoclosure () -> String, writes: Bool, inputs: Int
  ) throws(InvalidProgram) {
    var end = buffer.offset + buffer.bytes * (buffer.hasLanes ? region.blockLanes : 1)
    let space: Int
    switch buffer.space {
    case .argument(let slot):
      let argument = arguments[slot]
      space = argument.bytes
      if argument.hasLanes {
        // Lanes of the solver: the buffer has to be the argument, lane for lane. In a serial region there is one lane.
        let isWhole = buffer.hasLanes && buffer.offset == 0 && buffer.bytes == argument.bytes
        end = isWhole ? space : region.kind == .serial ? buffer.offset + buffer.bytes : Int.max
      } else {
        end = buffer.offset + buffer.bytes * (buffer.hasLanes ? region.totalLanes : 1)
      }
      if writes && slot < inputs {
        throw InvalidProgram("program: \(what()): writes to argument \(slot), which is an input")
      }
    case .arena:
      end = buffer.offset + buffer.bytes * (buffer.hasLanes ? region.totalLanes : 1)
      if buffer.hasLanes && region.isSolverBody { end = Int.max }
      space = arenaBytes
    case .constant:
      space = constants.count
      if writes { throw InvalidProgram("program: \(what()): writes to a constant") }
    case .block: space = blockBytes
    case .residual: space = residualBytes
    case .accumulator: space = region.accumulatorBytes
    }
    guard end <= space else {
      let reach = end == .max ? "does not end" : "ends at \(end)"
      throw InvalidProgram(
        "program: \(what()): a buffer \(reach) in \(buffer.space), which has \(space) bytes"
          + (buffer.hasLanes ? " (\(buffer.bytes) bytes for each lane)" : ""))
    }
  }

  // MARK: Instructions

  private func check(_ index: Int, in region: Region, inputs: Int) throws(InvalidProgram) {
    let instruction = instructions[index]
    let place = "instruction \(index) (\(instruction.kernel.name))"
    let isOncePerBlock = instruction.once && region.kind != .serial
    func require(_ condition: Bool, _ problem: @autoclosure () -> String) throws(InvalidProgram) {
      if !condition { throw InvalidProgram("program: \(place): \(problem())") }
    }
    try require(
      origins.indices.contains(instruction.origin), "origin \(instruction.origin) of \(origins.count)")
    for use in instruction.uses {
      let buffer = try self.buffer(use.buffer, "\(place): \(use.name)")
      let isAccumulator = buffer.space == .accumulator
      try require(
        use.dtype == nil || use.dtype == buffer.dtype,
        "\(use.name) is read as \(use.dtype ?? buffer.dtype) but its buffer is \(buffer.dtype)")
      try require(!isAccumulator || use.access == .accumulate, "\(use.name) must not be an accumulator")
      // Blocks run in any order and at the same time: what they share can be added to in order, never stored to.
      try require(
        use.access == .read || buffer.isBlockLocal || isAccumulator || region.kind == .serial
          || use.bytes == 0,
        "\(use.name) is written by every block but has no lanes and is no accumulator")
      if isOncePerBlock {
        try require(!buffer.hasLanes, "\(use.name) has lanes but the instruction runs once per block")
      } else if use.isPerLane, region.kind != .serial {
        try require(buffer.hasLanes, "\(use.name) needs a row for every lane but its buffer has none")
      }
      if !use.isPerLane, use.bytes > 0 {
        try require(!buffer.hasLanes, "\(use.name) is shared by all lanes but its buffer has lanes")
      }
      try require(
        use.bytes <= buffer.bytes, "\(use.name) needs \(use.bytes) bytes, its buffer has \(buffer.bytes)")
      try checkExtent(
        buffer, in: region, "\(place): \(use.name)", writes: use.access != .read, inputs: inputs)
    }
    switch instruction.kernel {
    case .elementwise(let code):
      try check(code, instruction.dtype, place)
    case .copy(let copy):
      try check(copy.source, dims: copy.dims, instruction.dtype, "\(place): source")
      try check(copy.destination, dims: copy.dims, instruction.dtype, "\(place): destination")
      let destination = buffers[copy.destination.buffer.index]
      try require(
        destination.isBlockLocal || region.kind == .serial,
        "destination is written by every block but has no lanes")
    case .convert(let x, let out, let count):
      for id in [x, out] {
        let buffer = buffers[id.index]
        try require(
          count * buffer.dtype.byteCount <= buffer.bytes,
          "\(count) elements, a buffer has \(buffer.bytes) bytes")
      }
    case .interleave(let columns, _, _):
      try require((2...4).contains(columns.count), "\(columns.count) columns, not two to four")
    case .scan(let scan):
      try require(region.kind == .serial, "loops stand in serial regions")
      try scan.validate(place)
    case .solve(let solve), .solveGradient(let solve):
      try require(region.kind == .serial, "solves stand in serial regions")
      try check(solve, place)
    default: break
    }
    if !instruction.kernel.isSolve {
      let needed = instruction.scratchBytes(blockLanes: isOncePerBlock ? 1 : region.blockLanes)
      try require(
        instruction.scratchBytes >= needed,
        "needs \(needed) bytes of scratch, has \(instruction.scratchBytes)")
      try require(
        instruction.scratchOffset >= 0 && instruction.scratchOffset + instruction.scratchBytes <= blockBytes,
        "its scratch ends at \(instruction.scratchOffset + instruction.scratchBytes) of \(blockBytes) bytes")
    }
  }

  private func check(_ code: ElementwiseCode, _ dtype: DType, _ place: String) throws(InvalidProgram) {
    func require(_ condition: Bool, _ problem: @autoclosure () -> String) throws(InvalidProgram) {
      if !condition { throw InvalidProgram("program: \(place): \(problem())") }
    }
    let firstTemporary = code.operands.count + code.constants.count
    try require(
      code.operands.count <= KernelSizes.maximumOperands,
      "\(code.operands.count) operands, at most \(KernelSizes.maximumOperands)")
    try require(
      code.registerCount <= KernelSizes.maximumRegisters && code.registerCount >= firstTemporary,
      "\(code.registerCount) registers, at most \(KernelSizes.maximumRegisters)")
    try require(!code.outputs.isEmpty, "has no output")
    try require(dtype != .int32, "integers have no arithmetic")
    for operand in code.operands { try check(operand, dims: code.dims, dtype, "\(place): operand") }
    var isWritten = (0..<max(code.registerCount, 0)).map { $0 < firstTemporary }
    for step in code.steps {
      let operation = step.operation
      try require(
        step.sources.count == operation.arity,
        "\(operation.name) takes \(operation.arity) operands, got \(step.sources)")
      try require(
        step.sources.allSatisfy { isWritten.indices.contains($0) && isWritten[$0] },
        "\(operation.name) reads a register of \(step.sources) that nothing wrote")
      // Operands and constants may be used where they are: a step must not overwrite them.
      try require(
        step.destination >= firstTemporary && step.destination < code.registerCount,
        "\(operation.name) writes register \(step.destination), temporaries are \(firstTemporary)..<\(code.registerCount)"
      )
      isWritten[step.destination] = true
    }
    for output in code.outputs {
      try require(
        isWritten.indices.contains(output.register) && isWritten[output.register],
        "register \(output.register) is an output but nothing wrote it")
    }
  }

  /// Every element of the view is inside of its buffer.
  private func check(_ view: View, dims: [Int], _ dtype: DType, _ what: String) throws(InvalidProgram) {
    func require(_ condition: Bool, _ problem: @autoclosure () -> String) throws(InvalidProgram) {
      if !condition { throw InvalidProgram("program: \(what): \(problem())") }
    }
    let buffer = buffers[view.buffer.index]
    try require(dims.count <= 8 && dims.allSatisfy { $0 >= 0 }, "extents \(dims)")
    try require(view.strides.count == dims.count, "\(view.strides.count) strides for \(dims.count) axes")
    guard !dims.contains(0) else { return }
    let reach = zip(dims, view.strides).map { ($0 - 1) * $1 }
    let first = view.offset + reach.filter { $0 < 0 }.reduce(0, +)
    let last = view.offset + reach.filter { $0 > 0 }.reduce(0, +)
    try require(
      first >= 0 && (last + 1) * dtype.byteCount <= buffer.bytes,
      "elements \(first)...\(last) of a buffer of \(buffer.bytes) bytes")
    let lane = buffer.hasLanes ? buffer.bytes : 0
    try require(
      view.laneStride * dtype.byteCount == lane,
      "lane stride \(view.laneStride), lanes are \(lane) bytes apart")
  }

  private func check(_ solve: NestedSolve, _ place: String) throws(InvalidProgram) {
    func require(_ condition: Bool, _ problem: @autoclosure () -> String) throws(InvalidProgram) {
      if !condition { throw InvalidProgram("program: \(place): \(problem())") }
    }
    try require(
      solve.lanes >= 1 && solve.dim >= 0 && solve.timeCount >= 2,
      "\(solve.lanes) lanes of \(solve.dim) components at \(solve.timeCount) times")
    let isExact = solve.sensitivity != .backsolve
    let isGradient = solve.cotangents != nil
    try require(
      !isGradient || !(isExact || solve.controller.isAdaptive) || solve.tape != nil,
      "an exact gradient and one of adaptive steps need the tape")
    try require(
      !isGradient
        || (isExact
          ? solve.fieldBackward != nil && solve.fieldForward != nil
          : solve.fieldVJP != nil && solve.fieldAdjoint != nil),
      "the programs of its gradient are missing")
    for capture in solve.captures {
      let buffer = buffers[capture.buffer.index]
      let bytes = capture.elements * (capture.hasLanes ? solve.lanes : 1) * buffer.dtype.byteCount
      try require(bytes <= buffer.bytes, "a capture needs \(bytes) bytes, its buffer has \(buffer.bytes)")
    }
    let laneCaptures = solve.captures.count { $0.hasLanes }
    let ofTime = solve.controller.isPerLane ? 1 : 0
    let programs: [(String, ProgramDescription?, takesCotangent: Bool, outputs: Int)] = [
      ("field", solve.field, false, 1), ("field forward", solve.fieldForward, false, 1),
      ("field backward", solve.fieldBackward, true, 1 + ofTime + laneCaptures),
      ("field vjp", solve.fieldVJP, true, 2 + ofTime + laneCaptures),
      ("field adjoint", solve.fieldAdjoint, true, 2 + ofTime),
    ]
    for (name, program, takesCotangent, outputs) in programs {
      guard let program else { continue }
      let inputs = 2 + solve.captures.count + (takesCotangent ? 1 : 0)
      try require(
        program.arguments.count == inputs + outputs,
        "\(name) has \(program.arguments.count) arguments, expected \(inputs) inputs and \(outputs) outputs")
      // A field that is one lane may run as a whole.
      let body = program.regions.last
      try require(
        program.regions.count == program.setupRegions + 1
          && (body?.isSolverBody == true || body?.kind == .serial && solve.lanes == 1),
        "\(name) has to be setup regions and one body over the solver's lanes")
      let state = Argument(bytes: solve.dim * solve.dtype.byteCount, hasLanes: true)
      try require(
        program.arguments[1] == state, "\(name) takes y as \(program.arguments[1]), expected \(state)")
      for (capture, argument) in zip(solve.captures, program.arguments.dropFirst(2)) {
        let bytes = capture.elements * buffers[capture.buffer.index].dtype.byteCount
        try require(
          argument == Argument(bytes: bytes, hasLanes: capture.hasLanes),
          "\(name) takes a capture as \(argument), it has \(bytes) bytes"
            + (capture.hasLanes ? " a lane" : ""))
      }
      do { try program.validate(inputs: inputs) } catch {
        throw InvalidProgram("program: \(place): \(name): \(error.description)")
      }
    }
  }
}

extension Buffer {
  /// No two blocks write the same byte of it.
  fileprivate var isBlockLocal: Bool { hasLanes || space == .block || space == .residual }
}

extension Region {
  var isSolverBody: Bool {
    if case .lanes(total: 0, _, _) = kind { return true }
    return false
  }
  /// Lanes of one block, and of the whole region.
  package var blockLanes: Int {
    if case .lanes(_, let block, _) = kind { return block }
    return 1
  }
  package var totalLanes: Int {
    if case .lanes(let total, _, _) = kind { return total }
    return 1
  }
}

extension Kernel {
  package var isSolve: Bool {
    switch self {
    case .solve, .solveGradient: true
    default: false
    }
  }
}
