// The joint graph of a field and its pullback: outputs, sums over lanes, and what is kept between the programs.

extension IR {
  /// Gives each value storage of its own, made by an instruction that can write rows of an argument.
  mutating func rowResults(_ values: [ValueID], onlyLane: Bool = false) -> (
    values: [ValueID], instructions: Set<Int>
  ) {
    var taken: Set<ValueID> = [], results: [ValueID] = [], numbers: Set<Int> = []
    for value in values {
      var id = value
      if onlyLane {
        let whole = contiguous(id, name: "copy")
        id = emit(.wholeToLane, [whole], [self[value].type], name: "copy", fresh: true)[0]
      } else if case .splat(let x) = self[id].definition {
        id = emit(.fill(x.bitPattern), [], [self[id].type], name: "fill", fresh: true)[0]
      } else {
        let view = view(id)!
        let isWhole = isContiguous(id) && self[id].count == self[view.base].count && producer(id) != nil
        if isWhole && !taken.contains(view.base) {
          id = view.base
        } else {
          id = emit(.copy, [id], [self[id].type], name: "copy", fresh: true)[0]
        }
      }
      taken.insert(id)
      results.append(id)
      if let number = producer(id) { numbers.insert(number) }
    }
    return (results, numbers)
  }

  /// Makes every term something that adds itself to an accumulator. A sum of terms becomes several additions; what is
  /// a sum over lanes by nature goes there directly.
  mutating func addSums(_ terms: [(piece: Int, value: ValueID)], outputs: [ValueID]) -> [ValueID: Int] {
    var readers: [ValueID: Int] = [:]
    for number in live(from: outputs + terms.map(\.value)) {
      for operand in instructions[number].operands {
        if let view = view(operand) { readers[view.base, default: 0] += 1 }
      }
    }
    for id in outputs + terms.map(\.value) { if let view = view(id) { readers[view.base, default: 0] += 1 } }
    var direct: [ValueID: Int] = [:]
    var pending = Array(terms.reversed())
    while let (piece, value) = pending.popLast() {
      if case .splat(0) = self[value].definition { continue }
      if let view = view(value), let number = producer(value), readers[view.base] == 1,
        direct[view.base] == nil,
        isContiguous(value), self[value].count == self[view.base].count
      {
        let instruction = instructions[number]
        switch instruction.opcode {
        case .matmulOuter, .convFilterGradient, .scatterAdd:
          direct[view.base] = piece
          continue
        case .reduce(.sum, let axes) where axes.lowerBound == 0:
          direct[view.base] = piece
          continue
        case .elementwise(.add):
          pending.append((piece, instruction.operands[1]))
          pending.append((piece, instruction.operands[0]))
          continue
        default: break
        }
      }
      let source = contiguous(value, name: "accumulate")
      direct[emit(.accumulate, [source], [self[value].type], name: "accumulate", fresh: true)[0]] = piece
    }
    return direct
  }
}

extension JointField {
  /// The accumulators of the time and of every capture without lanes, in order, and the values that go there.
  static func accumulators(
    _ parameters: [Value], _ captureHasLanes: [Bool], _ wanted: [Bool], _ cotangents: [ValueID?],
    isTimeShared: Bool
  ) -> (pieces: [Accumulator], terms: [(piece: Int, value: ValueID)]) {
    var pieces: [Accumulator] = [], terms: [(piece: Int, value: ValueID)] = []
    var offset = 0
    for (index, parameter) in parameters.enumerated() where index != 1 {
      if index > 1 && captureHasLanes[index - 2] { continue }
      let isWanted = index == 0 ? isTimeShared : wanted[index]
      let count = isWanted ? parameter.shape.count : 0
      if isWanted, let cotangent = cotangents[index] { terms.append((pieces.count, cotangent)) }
      pieces.append(Accumulator(offset: offset, count: count, dtype: parameter.dtype, destination: nil))
      offset += Arena.aligned(count * parameter.dtype.byteCount)
    }
    return (pieces, terms)
  }

  /// Values of the field that its gradient reads, and that are worth keeping: all but those that cost next to nothing to
  /// compute again from what the gradient has anyway.
  static func kept(_ ir: IR, _ analysis: SolverAnalysis, _ order: [Int], seed: ValueID) -> [ValueID] {
    var dependent: Set<ValueID> = [seed], needed: Set<ValueID> = []
    for number in order {
      let instruction = ir.instructions[number]
      let bases = instruction.operands.compactMap { ir.view($0)?.base }
      if bases.contains(where: dependent.contains) {
        dependent.formUnion(instruction.results)
        needed.formUnion(bases)
      }
    }
    needed.subtract(dependent)
    var kept: [ValueID] = [], isAtHand: Set<ValueID> = []
    for number in order {
      let instruction = ir.instructions[number]
      if analysis.execution(number) == .serial {
        isAtHand.formUnion(instruction.results)
        continue
      }
      if dependent.contains(instruction.results[0]) { continue }
      let repeats =
        instruction.isCheap
        && instruction.operands.allSatisfy { operand in
          guard let base = ir.view(operand)?.base else { return true }
          if case .result = ir[base].definition { return isAtHand.contains(base) }
          return true
        }
      for id in instruction.results {
        if repeats {
          isAtHand.insert(id)
        } else if needed.contains(id) {
          kept.append(id)
          isAtHand.insert(id)
        }
      }
    }
    return kept
  }
}

extension IRInstruction {
  /// Costs less than reading its result from memory would.
  fileprivate var isCheap: Bool {
    switch opcode {
    case .elementwise(let operation): operation.flops <= 2
    case .copy, .fill, .pad, .concatenate, .assemble, .convert, .laneToWhole: true
    default: false
    }
  }
}
