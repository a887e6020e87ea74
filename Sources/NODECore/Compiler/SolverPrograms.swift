// The programs of a solve's field, in the forms that nk_ode.h asks for. All come from one joint graph of the field and its
// pullback, so that they agree on lanes, on blocks and on what is kept between them.

package struct SolverPrograms {
  package private(set) var lanes: Int, dim: Int
  package private(set) var captureHasLanes: [Bool]
  /// Per lane where it has lanes.
  package private(set) var captureElements: [Int]
  package private(set) var field = ProgramDescription()
  package private(set) var forward: ProgramDescription?
  package private(set) var backward: ProgramDescription?
  package private(set) var vjp: ProgramDescription?
  package private(set) var adjoint: ProgramDescription?

  /// `wanted`: of a gradient, which of y0, times and captures anybody asks the cotangent of.
  package init(_ solve: SolveInstruction, wanted: [Bool]) throws {
    let joint = try JointField(solve, wanted: wanted)
    lanes = joint.lanes
    dim = solve.field.parameters[1].shape.count / joint.lanes
    captureHasLanes = joint.captureHasLanes
    captureElements = zip(solve.field.parameters.dropFirst(2), joint.captureHasLanes).map {
      $0.shape.count / ($1 ? joint.lanes : 1)
    }
    field = joint.program(.field)
    guard solve.isGradient else { return }
    switch solve.sensitivity {
    case .exact:
      forward = joint.program(.forward)
      backward = joint.program(.backward)
    case .backsolve:
      vjp = joint.program(.vjp)
      adjoint = joint.program(.adjoint)
    }
  }

  /// Those of the way forward that leaves residuals for this gradient.
  package var keeping: SolverPrograms {
    var programs = self
    programs.backward = nil
    return programs
  }
}

/// The joint graph of a field and its pullback, its lane proof, and the values that the one keeps for the other.
struct JointField {
  enum Form { case field, forward, backward, vjp, adjoint }

  private var ir: IR
  private var analysis: SolverAnalysis
  private let parameters: [Value]
  let lanes: Int
  /// Every lane is at a time of its own: t has lanes, and its cotangent is an output.
  private let isPerLane: Bool
  let captureHasLanes: [Bool]
  /// Results that the programs' outputs are; of the captures, those that have lanes, in order, nil where not wanted.
  private let dy: ValueID
  private var dyBesideResiduals: ValueID
  private var cotangents: [ValueID?] = []
  private var accumulators: [Accumulator] = []
  /// What adds itself to the accumulators, and at which offset.
  private var sums: [ValueID: Int] = [:]
  private var residuals: [ValueID: Int] = [:]
  private var residualBytes = 0
  private var blockLanes: Int?
  /// Bytes of a lane that the solver itself keeps in cache: stages and states.
  private let solverBytes: Int

  init(_ solve: SolveInstruction, wanted: [Bool]) throws {
    let y = solve.field.parameters[1]
    let rows = y.shape.rank > 0 ? y.shape[0] : 1
    if rows > 1, let joint = try JointField(solve, wanted: wanted, lanes: rows) {
      self = joint
    } else if rows > 1, solve.isPerLane {
      throw CompileError(
        "odeint: steps per lane need a field that computes each row of the state \(y.shape) from that row alone; "
          + "this one mixes its \(rows) rows (or gathers along another axis, which is not seen to keep them apart: "
          + "use `takenAlong`)")
    } else {
      self = try JointField(solve, wanted: wanted, lanes: 1)!
    }
  }

  /// nil where the lanes of the field see each other. With `lanes` 1 the whole state is one lane.
  private init?(_ solve: SolveInstruction, wanted: [Bool], lanes: Int) throws {
    self.lanes = lanes
    isPerLane = solve.isPerLane
    parameters = solve.field.parameters
    let isOnly = lanes == 1, count = parameters.count
    let y = parameters[1].type
    solverBytes = (solve.tableau.stages + 3) * y.byteCount / lanes
    let gradient = solve.isGradient ? FieldGradient(solve, wanted) : nil
    var (ir, inputIDs, outputIDs) = try Collector.collect(
      inputs: parameters + (gradient.map { [$0.seed] } ?? []),
      outputs: solve.field.outputs + (gradient?.cotangents.compactMap { $0 } ?? []),
      onlyLane: isOnly ? Set([1] + (gradient == nil ? [] : [count]) + (isPerLane ? [0] : [])) : [])
    for instruction in ir.instructions {
      switch instruction.opcode {
      case .solve:
        throw CompileError(
          "odeint: a field that solves another equation at every evaluation is not supported")
      case .scan:
        throw CompileError("odeint: a field that loops (scan) at every evaluation is not supported")
      default: break
      }
    }
    var state = Set([inputIDs[1]] + inputIDs.dropFirst(count) + (isPerLane ? [inputIDs[0]] : []))
    let time = isPerLane ? nil : inputIDs[0]
    Assemble.run(&ir, outputs: outputIDs)
    Peephole.run(&ir, outputs: outputIDs)
    var rest = outputIDs[1...]
    var cotangentIDs: [ValueID?] = gradient?.cotangents.map { $0 == nil ? nil : rest.removeFirst() } ?? []
    if gradient != nil {
      cotangentIDs[1] = cotangentIDs[1] ?? ir.splat(0, y)
    }

    // A first proof, on the results as they are: which captures have lanes decides how their cotangents leave.
    var hasLanes = parameters.dropFirst(2).map { _ in false }
    if !isOnly {
      var trial = ir
      let rows = trial.rowResults([outputIDs[0]] + (gradient == nil ? [] : [cotangentIDs[1]!]))
      let order = trial.live(from: outputIDs + rows.values)
      guard
        let proof = SolverAnalysis(
          trial, order, lanes: lanes, state: state, time: time, forced: rows.instructions)
      else { return nil }
      // What only derivatives know (a matrix whose factors the field reads) has lanes where its cotangent has.
      let read = Set(order.flatMap { trial.instructions[$0].operands }.compactMap { trial.view($0)?.base })
      for index in 2..<count where !cotangentIDs.isEmpty && !read.contains(inputIDs[index]) {
        let shape = parameters[index].shape
        guard let ct = cotangentIDs[index], shape.rank > 0, shape[0] % lanes == 0, proof.hasRows(ct, trial)
        else {
          continue
        }
        state.insert(inputIDs[index])
      }
      hasLanes = inputIDs[2..<count].map { proof.laneInputs.contains($0) || state.contains($0) }
    }
    captureHasLanes = hasLanes

    // Then with results that rows of arguments and accumulators can be.
    var stored = [outputIDs[0]]
    let laneCaptures = (2..<count).filter { hasLanes[$0 - 2] }
    let isTimeWanted = isPerLane && wanted[1]
    if gradient != nil {
      stored.append(cotangentIDs[1]!)
      if isTimeWanted { stored.append(cotangentIDs[0] ?? ir.splat(0, parameters[0].type)) }
      for capture in laneCaptures where wanted[capture] {
        stored.append(cotangentIDs[capture] ?? ir.splat(0, solve.field.parameters[capture].type))
      }
    }
    let rows = ir.rowResults(stored, onlyLane: isOnly)
    dy = rows.values[0]
    dyBesideResiduals = dy
    if gradient != nil {
      var laneValues = rows.values[2...]
      cotangents = [rows.values[1]]
      if isPerLane { cotangents.append(isTimeWanted ? laneValues.removeFirst() : nil) }
      cotangents += laneCaptures.map { wanted[$0] ? laneValues.removeFirst() : nil }
      let (pieces, terms) = JointField.accumulators(
        parameters, hasLanes, wanted, cotangentIDs, isTimeShared: !isPerLane)
      accumulators = pieces
      sums = ir.addSums(terms, outputs: rows.values).mapValues { pieces[$0].offset }
    }
    var order = ir.live(from: rows.values + Array(sums.keys))
    if isOnly {
      analysis = SolverAnalysis(onlyLane: ir, order, state: state, time: time)
    } else {
      guard
        let proof = SolverAnalysis(
          ir, order, lanes: lanes, state: state, time: time, forced: rows.instructions),
        inputIDs[2..<count].map({ proof.laneInputs.contains($0) }) == hasLanes
      else { return nil }
      analysis = proof
    }
    let lanes = analysis.lanes
    sums = ir.sumOuterProducts(sums) { lanes.execution[$0] == lanes.execution[$1] }
    order = ir.live(from: rows.values + Array(sums.keys))
    self.ir = ir
    if gradient != nil { chooseResiduals(order, seed: inputIDs[count]) }
  }

  private mutating func chooseResiduals(_ order: [Int], seed: ValueID) {
    let kept = JointField.kept(ir, analysis, order, seed: seed)
    blockLanes = plan(.vjp).plan.blockLanes.last
    for id in kept {
      let isRows = analysis.lanes.produced.contains(id)
      residuals[id] = residualBytes
      residualBytes += Arena.aligned(
        ir[id].type.byteCount / (isRows ? lanes : 1) * (isRows ? blockLanes! : 1))
    }
    guard residuals[dy] != nil else { return }
    // One result in two places: the output is a copy.
    dyBesideResiduals = ir.emit(.copy, [dy], [ir[dy].type], name: "copy", fresh: true)[0]
    analysis.addRows(ir, ir.producer(dyBesideResiduals)!)
  }

  private func plan(_ form: Form) -> (ir: IR, schedule: RegionSchedule, plan: MemoryPlan) {
    var ir = ir
    var body = SolverBody(blockLanes: blockLanes, solverBytes: solverBytes)
    var needed = outputs(form).compactMap { $0 }
    switch form {
    case .field: break
    case .forward:
      needed += residuals.keys
      body.residuals = residuals
    case .backward:
      for (id, offset) in residuals { ir.setResidual(id, offset: offset) }
      needed += sums.keys
      body.accumulators = sums
    case .vjp:
      needed += sums.keys
      body.accumulators = sums
    case .adjoint: break
    }
    let order = ir.live(from: needed)
    let schedule = RegionSchedule(
      ir, setup: order.filter { analysis.execution($0) == .serial },
      body: order.filter { analysis.execution($0) != .serial }, lanes: lanes
    ) { analysis.execution($0) }
    var slots: [ValueID: Int] = [:]
    for (index, output) in outputs(form).enumerated() {
      if let output { slots[output] = inputTypes(form).count + index }
    }
    return (ir, schedule, MemoryPlan(ir, schedule, outputs: slots, solverBody: body))
  }

  private func outputs(_ form: Form) -> [ValueID?] {
    switch form {
    case .field: [dy]
    case .forward: [dyBesideResiduals]
    case .backward: cotangents
    // With steps of its own a lane's parameters are integrated apart from its state.
    case .vjp: isPerLane ? [nil, nil, nil] + cotangents.dropFirst(2) : [dy] + cotangents
    case .adjoint: [dy, cotangents[0], nil]
    }
  }

  private func inputTypes(_ form: Form) -> [TensorType] {
    let types = parameters.map(\.type)
    return form == .field || form == .forward ? types : types + [parameters[1].type]
  }

  func program(_ form: Form) -> ProgramDescription {
    let (ir, schedule, plan) = plan(form)
    var emitter = Emitter(ir, schedule, plan, nil)
    emitter.prescribed = form == .backward || form == .vjp ? accumulators : []
    let state = ProgramDescription.Argument(bytes: parameters[1].type.byteCount / lanes, hasLanes: true)
    let captures = zip(parameters.dropFirst(2), captureHasLanes).map { parameter, hasLanes in
      ProgramDescription.Argument(
        bytes: parameter.type.byteCount / (hasLanes ? lanes : 1), hasLanes: hasLanes)
    }
    let laneCaptures = captures.filter(\.hasLanes)
    let scalar = ProgramDescription.Argument(bytes: parameters[0].dtype.byteCount, hasLanes: isPerLane)
    let ofTime = isPerLane ? [scalar] : []
    var arguments = [scalar, state] + captures
    switch form {
    case .field, .forward: arguments += [state]
    case .backward: arguments += [state, state] + ofTime + laneCaptures
    case .vjp: arguments += [state, state, state] + ofTime + laneCaptures
    case .adjoint: arguments += [state, state, state] + ofTime
    }
    emitter.program.arguments = arguments
    emitter.emit(totalLanes: 0)
    emitter.program.setupRegions = emitter.program.regions.count - 1
    emitter.program.residualBytes = form == .forward || form == .backward ? residualBytes : 0
    return emitter.program
  }
}

/// The pullback of a field, as values.
struct FieldGradient {
  /// The cotangent of dy.
  let seed: Value
  /// Of t, y and every capture; nil: zero or not wanted.
  let cotangents: [Value?]

  /// `wanted`: of y0, times, captures. The state's cotangent is always needed, the time's where those of times are.
  init(_ solve: SolveInstruction, _ wanted: [Bool]) {
    let parameters = solve.field.parameters
    seed = Graph.input("cotangent", solve.field.outputs[0].type)
    let isSource = parameters.indices.map { $0 == 1 || ($0 == 0 ? wanted[1] : wanted[$0]) }
    let found = pullback(
      of: solve.field.outputs, cotangents: [seed],
      to: parameters.indices.filter { isSource[$0] }.map { parameters[$0] })
    var rest = found[...]
    cotangents = isSource.map { $0 ? rest.removeFirst() : nil }
  }
}
