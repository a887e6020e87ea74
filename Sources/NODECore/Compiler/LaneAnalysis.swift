// Which instructions run row by row: the lane proof. The rows of a value are its leading axis, `lanes` rows or a multiple
// (then each lane has several adjacent rows: a batch of matrices seen as one tall matrix).

/// How an instruction runs.
enum Execution: Hashable {
  /// On whole tensors.
  case serial
  /// On the rows of one block of lanes.
  case lanes
  /// Reads rows of a block and adds to a sum over all lanes.
  case accumulate
  /// Inside of a block, on values that all lanes share.
  case once
}

/// How an operand is read where the instruction runs on lanes.
enum LaneRead {
  /// The same number everywhere.
  case uniform
  /// Row by row.
  case rows
  /// The same elements for every lane.
  case whole
  /// Lanes read each other's elements.
  case mixed
}

/// Proves instructions to be lane programs, in order.
struct LaneAnalysis {
  let lanes: Int
  var execution: [Int: Execution] = [:]
  /// Values with storage whose rows are the lanes: produced lane by lane, or inputs that are samples.
  var laneValues: Set<ValueID>
  /// Values that instructions produced lane by lane: they cannot be read in another arrangement in the same region.
  var produced: Set<ValueID> = []

  /// `seeds`: inputs whose rows are lanes.
  init(lanes: Int, seeds: Set<ValueID>) {
    self.lanes = lanes
    laneValues = seeds
  }

  /// `forced`: instructions that run on lanes if they can, whether an operand asks for it or not.
  mutating func analyse(_ ir: IR, _ order: [Int], forced: Set<Int> = []) {
    for number in order {
      let instruction = ir.instructions[number]
      let form = execution(instruction, ir, isForced: forced.contains(number)) ?? .serial
      execution[number] = form
      if form == .lanes {
        laneValues.formUnion(instruction.results)
        produced.formUnion(instruction.results)
      }
    }
    sink(ir, order)
  }

  /// Instructions that no lane forces, but whose results only lanes read, join them: numbers drawn for each sample,
  /// constants that a lane program needs as tensors.
  private mutating func sink(_ ir: IR, _ order: [Int]) {
    var users: [Int: [Int]] = [:]
    for number in order {
      for operand in ir.instructions[number].operands {
        if let producer = ir.producer(operand) { users[producer, default: []].append(number) }
      }
    }
    for number in order.reversed() where execution[number] == .serial {
      let instruction = ir.instructions[number]
      guard let users = users[number], !users.isEmpty, instruction.results.count == 1 else { continue }
      guard instruction.laneForm(ir, lanes) == .lanes, execution(instruction, ir, isForced: true) == .lanes
      else {
        continue
      }
      let result = instruction.results[0]
      produced.insert(result)
      let isRows = users.allSatisfy { user in
        let form = execution[user]
        guard form == .lanes || form == .accumulate else { return false }
        return ir.instructions[user].operands.enumerated().allSatisfy { index, operand in
          guard ir.producer(operand) == number else { return true }
          return read(operand, ir) == .rows && !ir.instructions[user].isShared(index, ir)
        }
      }
      if isRows {
        execution[number] = .lanes
        laneValues.insert(result)
      } else {
        produced.remove(result)
      }
    }
  }

  // MARK: Reads

  /// How the rows of this value would be read lane by lane.
  func read(_ id: ValueID, _ ir: IR) -> LaneRead {
    guard let view = ir.view(id) else { return .uniform }
    let shape = ir[id].shape
    guard shape.rank > 0, shape[0] > 0, shape[0] % lanes == 0, shape.count > 0 else { return .mixed }
    let isProduced = produced.contains(view.base)
    if view.strides[0] == 0 && shape[0] > 1 { return isProduced ? .mixed : .whole }
    let stride = shape[0] / lanes * view.strides[0]
    guard stride > 0 else { return .mixed }
    if case .constant = ir[view.base].definition { return .mixed }
    var low = view.offset, high = view.offset
    for (axis, step) in view.strides.enumerated() {
      let reach = (axis == 0 ? shape[0] / lanes - 1 : shape[axis] - 1) * step
      if reach < 0 { low += reach } else { high += reach }
    }
    if isProduced {
      let own = ir[view.base].count / lanes
      return stride == own && low >= 0 && high < own ? .rows : .mixed
    }
    // The last lane is whole too: a strided slice may end inside of it.
    let isInside = (low / stride + lanes) * stride <= ir[view.base].count
    return low >= 0 && isInside && high < (low / stride + 1) * stride ? .rows : .mixed
  }

  private func isLane(_ id: ValueID, _ ir: IR) -> Bool {
    guard let view = ir.view(id) else { return false }
    return laneValues.contains(view.base)
  }

  // MARK: Rules

  /// The lane form of an instruction, nil where it has none or where no operand asks for it.
  private func execution(_ instruction: IRInstruction, _ ir: IR, isForced: Bool) -> Execution? {
    guard let form = instruction.laneForm(ir, lanes) else { return nil }
    var isAsked = isForced
    for (index, operand) in instruction.operands.enumerated() where !instruction.isShared(index, ir) {
      switch read(operand, ir) {
      case .rows: isAsked = isAsked || isLane(operand, ir)
      case .uniform, .whole: guard instruction.takesViews else { return nil }
      case .mixed: return nil
      }
    }
    return isAsked ? form : nil
  }
}

extension IRInstruction {
  /// Operands may be strided or repeated.
  var takesViews: Bool {
    switch opcode {
    case .elementwise, .copy, .pad, .concatenate, .assemble: true
    default: false
    }
  }

  /// Whether lanes read this operand as a whole: weights, tables.
  func isShared(_ index: Int, _ ir: IR) -> Bool {
    switch opcode {
    case .matmul(_, _, let end): index > 0 && (end.factor == nil || index < operands.count - 1)
    case .conv, .convInputGradient: index > 0
    case .gather, .random: index == 0
    case .matmulBatched: ir[operands[index]].shape.rank == 2
    case .matrix: sharesBatch(index, ir)
    case .pack, .scan, .solve, .wholeToLane: true
    default: false
    }
  }

  /// Whether linear algebra reads this operand as one for the whole batch: a matrix with its pivots, or a right side.
  func sharesBatch(_ index: Int, _ ir: IR) -> Bool {
    guard case .matrix(let operation) = opcode, operation.hasRightSide, isBatch(ir) else { return false }
    return ir[operands[index == operands.count - 1 ? index : 0]].shape.rank == 2
  }

  /// Whether linear algebra has a batch axis, which can carry lanes.
  private func isBatch(_ ir: IR) -> Bool {
    ir[operands[0]].shape.rank > 2 || ir[operands[operands.count - 1]].shape.rank > 2
  }

  /// What this instruction is on rows, by its opcode and shapes alone.
  func laneForm(_ ir: IR, _ lanes: Int) -> Execution? {
    let shape = ir[results[0]].shape
    let hasRows = shape.rank > 0 && shape[0] > 0 && shape[0] % lanes == 0
    switch opcode {
    case .elementwise, .convert, .copy, .conv, .convInputGradient, .gather, .fill, .random:
      return hasRows ? .lanes : nil
    case .matmul:
      return hasRows && shape.rank > 1 ? .lanes : nil
    case .pad(let low, let interior):
      return hasRows && low[0] == 0 && interior[0] == 0 && shape[0] == ir[operands[0]].shape[0] ? .lanes : nil
    case .concatenate(let axis):
      return hasRows && axis > 0 ? .lanes : nil
    case .assemble(let lows, _):
      let isWhole = zip(lows, operands).allSatisfy { $0[0] == 0 && ir[$1].shape[0] == shape[0] }
      return hasRows && isWhole ? .lanes : nil
    case .reduce(let reduction, let axes):
      if axes.lowerBound > 0 { return hasRows ? .lanes : nil }
      return reduction == .sum ? .accumulate : nil
    case .scatterAdd, .matmulOuter, .convFilterGradient:
      return .accumulate
    case .matmulBatched:
      // A batch axis has to carry the lanes.
      return hasRows && shape.rank > 2 ? .lanes : nil
    case .matrix:
      return hasRows && isBatch(ir) ? .lanes : nil
    case .rowwise:
      return hasRows && shape.rank > 1 ? .lanes : nil
    case .fused(let operation):
      switch operation {
      case .softmaxCrossEntropy, .softmaxCrossEntropyGradient:
        return ir[operands[0]].shape.rank > 1 && hasRows ? .lanes : nil
      case .groupNorm, .groupNormGradient, .pool2d, .pool2dGradient:
        return hasRows ? .lanes : nil
      }
    case .pack, .scan, .solve, .accumulate, .laneToWhole, .wholeToLane:
      return nil
    }
  }
}
