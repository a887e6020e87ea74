// The lane proof for programs that a solver runs: one body over blocks of lanes, no region breaks. What the proof needs
// beyond `LaneAnalysis`: values that depend on t alone run once per block, and so does what follows a sum over a
// block's lanes, as long as it is linear in that sum: adding blocks up in the end is then the sum over all lanes.

struct SolverAnalysis {
  private(set) var lanes: LaneAnalysis
  /// Inputs that have a row for every lane.
  private(set) var laneInputs: Set<ValueID>
  /// Once per block, and linear in sums over the block's lanes.
  private(set) var partial: Set<ValueID> = []

  func execution(_ number: Int) -> Execution { lanes.execution[number]! }

  /// Proves the instructions of `order` to be a lane program, or answers nil. `state`: inputs with a row for every lane;
  /// `time`: the scalar input, nil where every lane has its own; `forced`: instructions whose results have to be rows.
  init?(_ ir: IR, _ order: [Int], lanes count: Int, state: Set<ValueID>, time: ValueID?, forced: Set<Int>) {
    var seeds = state
    // Captures that lanes read row by row have rows themselves; what is computed from those then runs on lanes too.
    while true {
      var analysis = LaneAnalysis(lanes: count, seeds: seeds)
      analysis.analyse(ir, order, forced: forced)
      let found = SolverAnalysis.rowInputs(ir, order, analysis, time)
      lanes = analysis
      if found.isSubset(of: seeds) { break }
      seeds.formUnion(found)
    }
    laneInputs = seeds
    guard classify(ir, order, time), forced.allSatisfy({ lanes.execution[$0] == .lanes }) else { return nil }
  }

  /// All of the body on whole tensors, which `laneToWhole` instructions made of the only lane.
  init(onlyLane ir: IR, _ order: [Int], state: Set<ValueID>, time: ValueID?) {
    lanes = LaneAnalysis(lanes: 1, seeds: [])
    laneInputs = state
    var dependent = state
    if let time { dependent.insert(time) }
    for number in order {
      let instruction = ir.instructions[number]
      let depends = instruction.operands.contains { ir.view($0).map { dependent.contains($0.base) } ?? false }
      switch instruction.opcode {
      case .laneToWhole: lanes.execution[number] = .accumulate
      case .wholeToLane: lanes.execution[number] = .lanes
      default: lanes.execution[number] = depends ? .once : .serial
      }
      if depends { dependent.formUnion(instruction.results) }
    }
  }

  /// Whether the value is computed lane by lane, row by row.
  func hasRows(_ id: ValueID, _ ir: IR) -> Bool {
    guard let view = ir.view(id), lanes.produced.contains(view.base) else { return false }
    return lanes.read(id, ir) == .rows
  }

  /// Makes one more instruction run on lanes.
  mutating func addRows(_ ir: IR, _ number: Int) {
    lanes.execution[number] = .lanes
    lanes.produced.formUnion(ir.instructions[number].results)
    lanes.laneValues.formUnion(ir.instructions[number].results)
  }

  private static func rowInputs(_ ir: IR, _ order: [Int], _ analysis: LaneAnalysis, _ time: ValueID?)
    -> Set<ValueID>
  {
    var found: Set<ValueID> = []
    for number in order where analysis.execution[number] != .serial {
      let instruction = ir.instructions[number]
      for (index, operand) in instruction.operands.enumerated() where !instruction.isShared(index, ir) {
        guard let view = ir.view(operand), case .input = ir[view.base].definition, view.base != time else {
          continue
        }
        if analysis.read(operand, ir) == .rows { found.insert(view.base) }
      }
    }
    return found
  }

  /// Finds what runs once per block; false where lanes would have to see each other.
  private mutating func classify(_ ir: IR, _ order: [Int], _ time: ValueID?) -> Bool {
    var once: Set<ValueID> = []
    if let time { once.insert(time) }
    for number in order {
      let instruction = ir.instructions[number]
      let bases = instruction.operands.map { ir.view($0)?.base }
      switch lanes.execution[number]! {
      case .serial:
        if bases.contains(where: { $0.map { lanes.laneValues.contains($0) } ?? false }) { return false }
        let operands = bases.map { $0.map { partial.contains($0) } ?? false }
        if operands.contains(true) {
          guard isLinear(ir, instruction, operands) else { return false }
          partial.formUnion(instruction.results)
        }
        if operands.contains(true) || bases.contains(where: { $0.map { once.contains($0) } ?? false }) {
          once.formUnion(instruction.results)
          lanes.execution[number] = .once
        }
      case .lanes, .accumulate:
        for (index, base) in bases.enumerated() {
          guard let base else { continue }
          if partial.contains(base) { return false }
          let isShared =
            instruction.isShared(index, ir) || lanes.read(instruction.operands[index], ir) == .whole
          // Rows of what has no rows, or the whole of what has.
          if isShared == lanes.laneValues.contains(base) {
            if isShared || once.contains(base) { return false }
          }
          if !isShared && !lanes.laneValues.contains(base) { return false }
        }
        if lanes.execution[number] == .accumulate {
          partial.formUnion(instruction.results)
          once.formUnion(instruction.results)
        }
      case .once:
        break
      }
    }
    return true
  }

  /// Whether the results are linear in the operands that are sums over lanes.
  private func isLinear(_ ir: IR, _ instruction: IRInstruction, _ isPartial: [Bool]) -> Bool {
    func isZero(_ index: Int) -> Bool {
      if case .splat(let x) = ir[instruction.operands[index]].definition { return x == 0 }
      return false
    }
    switch instruction.opcode {
    case .elementwise(.neg), .convert, .copy, .pad, .accumulate, .reduce(.sum, _), .pack,
      .rowwise(.cumulativeSum):
      return true
    case .elementwise(.add), .elementwise(.subtract):
      return isPartial.indices.allSatisfy { isPartial[$0] || isZero($0) }
    case .concatenate, .assemble:
      return isPartial.allSatisfy { $0 }
    case .elementwise(.multiply), .matmulOuter, .matmulBatched:
      return isPartial != [true, true]
    case .matrix(let operation):
      return operation.hasRightSide && !isPartial.dropLast().contains(true)
    case .matmul(_, _, let end):
      return !end.hasBias && end.activation == nil && (end.factor == nil || !isPartial.last!)
        && isPartial.prefix(2) != [true, true]
    case .elementwise(.divide):
      return !isPartial[1]
    case .elementwise(.select):
      return !isPartial[0] && [1, 2].allSatisfy { isPartial[$0] || isZero($0) }
    case .gather, .scatterAdd, .rowwise(.takeAlong), .rowwise(.addAlong):
      return !isPartial[1]
    default:
      return false
    }
  }
}
