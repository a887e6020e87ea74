// Solves: the programs that the solver calls, and the instruction that calls the solver.

/// A solve, ready to be an instruction.
struct LoweredSolve {
  var instruction: SolveInstruction
  var programs: SolverPrograms
  /// Of a gradient: which results anybody reads.
  var wanted: [Bool]
  var dtype: DType
  var timeCount: Int

  /// Without buffers: what the size of the tape depends on.
  func nested(buffer: (Int) -> BufferID, isRead: (Int) -> Bool, result: (Int) -> BufferID) -> NestedSolve {
    let count = instruction.field.parameters.count
    let captures = (2..<count).map { index in
      NestedSolve.Capture(
        buffer(index), hasLanes: programs.captureHasLanes[index - 2],
        elements: programs.captureElements[index - 2], dtype: instruction.field.parameters[index].dtype,
        cotangent: instruction.isGradient && wanted[index] ? result(index) : nil)
    }
    var solve = NestedSolve(
      tableau: instruction.tableau, controller: instruction.ownController, sensitivity: sensitivity,
      dtype: dtype,
      lanes: programs.lanes, dim: programs.dim, timeCount: timeCount, field: programs.field,
      fieldForward: programs.forward, fieldBackward: programs.backward, fieldVJP: programs.vjp,
      fieldAdjoint: programs.adjoint, y0: buffer(0),
      times: buffer(1), states: instruction.isGradient ? buffer(count) : result(0),
      statistics: nil, tape: nil, captures: captures)
    if instruction.isGradient {
      solve.tape = buffer(count + 1)
      solve.cotangents = NestedSolve.Cotangents(
        states: buffer(count + 2), y0: wanted[0] ? result(0) : nil, times: wanted[1] ? result(1) : nil,
        statistics: isRead(count) ? result(count) : nil)
    } else {
      solve.statistics = isRead(1) ? result(1) : nil
      solve.tape = isRead(2) ? result(2) : nil
    }
    return solve
  }

  private var sensitivity: NestedSolve.Sensitivity {
    switch instruction.sensitivity {
    case .exact(let checkpoints, let residuals): .exact(checkpoints: checkpoints, residuals: residuals)
    case .backsolve: .backsolve
    }
  }
}

/// The tapes in which the way forward leaves residuals, with a gradient that reads them: those whose gradients all want
/// the same cotangents, and so run the same programs.
private func tapesWithResiduals(_ ir: IR, _ order: [Int], wanted: [Int: [Bool]]) -> [ValueID: Int] {
  var written: Set<ValueID> = []
  var readers: [ValueID: [Int]] = [:]
  for number in order {
    guard let solve = ir.solve(number), case .exact(_, let residuals) = solve.sensitivity, residuals.bytes > 0
    else { continue }
    if solve.isGradient {
      readers[ir.tape(number), default: []].append(number)
    } else {
      written.insert(ir.tape(number))
    }
  }
  return readers.filter { tape, gradients in
    written.contains(tape)
      && gradients.allSatisfy { wanted[$0]!.dropLast() == wanted[gradients[0]]!.dropLast() }
  }.mapValues { $0[0] }
}

extension IR {
  fileprivate func solve(_ number: Int) -> SolveInstruction? {
    guard case .solve(let index) = instructions[number].opcode else { return nil }
    return solves[index]
  }

  /// Of the solve, or that the gradient reads.
  fileprivate func tape(_ number: Int) -> ValueID {
    let solve = solve(number)!, instruction = instructions[number]
    return solve.isGradient
      ? view(instruction.operands[solve.field.parameters.count + 1])!.base : instruction.results[2]
  }
}

/// Lowers the bodies of all solves among the live instructions, and gives their tapes a size.
func lowerSolves(_ ir: inout IR, _ order: [Int], kept: Set<ValueID>) throws {
  let read = Set(order.flatMap { ir.instructions[$0].operands }.compactMap { ir.view($0)?.base }).union(kept)
  let solves = order.filter { ir.solve($0) != nil }
  let wanted = solves.reduce(into: [:]) { wanted, number in
    wanted[number] = ir.instructions[number].results.map { read.contains($0) && ir[$0].type.dtype.isFloating }
  }
  let tapes = tapesWithResiduals(ir, solves, wanted: wanted)
  // Gradients first: a solve that leaves residuals runs the programs of the gradient that reads them.
  for number in solves.reversed() {
    let instruction = ir.instructions[number]
    guard case .solve(let index) = instruction.opcode else { continue }
    var solve = ir.solves[index]
    if let problem = solve.problem { throw CompileError(problem) }
    var programs: SolverPrograms?
    if case .exact(let checkpoints, _) = solve.sensitivity {
      let gradient = tapes[ir.tape(number)]
      if gradient == nil { solve.sensitivity = .exact(checkpoints: checkpoints, residuals: .none) }
      if let gradient, !solve.isGradient, case .solve(let reader) = ir.instructions[gradient].opcode {
        programs = ir.loweredSolves[reader]!.programs.keeping
      }
    }
    let lowered = LoweredSolve(
      instruction: solve, programs: try programs ?? SolverPrograms(solve, wanted: wanted[number]!),
      wanted: wanted[number]!, dtype: ir[instruction.operands[0]].type.dtype,
      timeCount: ir[instruction.operands[1]].shape.dimensions.last!)
    ir.loweredSolves[index] = lowered
    // A tape that nobody reads takes no memory.
    if !solve.isGradient, read.contains(instruction.results[2]) {
      let bytes = lowered.nested(
        buffer: { _ in BufferID(0) }, isRead: { _ in true }, result: { _ in BufferID(0) }
      ).tapeBytes()
      ir.setType(instruction.results[2], TensorType(.int32, [(bytes + 3) / 4]))
    }
  }
}

extension Emitter {
  mutating func emitSolve(_ solve: LoweredSolve, _ instruction: IRInstruction) {
    let operands = instruction.operands.map { whole($0) }
    let results = instruction.results.map { whole($0) }
    let nested = solve.nested(
      buffer: { operands[$0] }, isRead: { readResults.contains(instruction.results[$0]) },
      result: { results[$0] })
    append(solve.instruction.isGradient ? .solveGradient(nested) : .solve(nested), solve.dtype)
  }
}
