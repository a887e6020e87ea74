/// The program that computes `outputs` from `inputs`. Arguments are the inputs, then the outputs, in order.
///
/// Throws `CompileError` where the outputs reach a symbol that is not an input.
package func lower(inputs: [Value], outputs: [Value], options: CompileOptions = CompileOptions()) throws
  -> ProgramDescription
{
  let (ir, inputIDs, outputIDs) = try Collector.collect(inputs: inputs, outputs: outputs)
  return try lower(
    ir, inputs: inputIDs, outputs: outputIDs, arguments: (inputs + outputs).map(\.type), options: options)
}

/// The program of what was collected; `arguments` are the types of inputs and outputs.
func lower(
  _ collected: IR, inputs inputIDs: [ValueID], outputs outputIDs: [ValueID], arguments: [TensorType],
  options: CompileOptions
) throws -> ProgramDescription {
  var ir = collected
  let slots = ir.storeOutputs(outputIDs, firstSlot: inputIDs.count)
  Assemble.run(&ir, outputs: slots.keys.sorted())
  Peephole.run(&ir, outputs: slots.keys.sorted())
  var order = ir.live(from: Array(slots.keys))
  try lowerSolves(&ir, order, kept: Set(slots.keys))
  try lowerScans(&ir, order, kept: Set(slots.keys))
  var analysis = options.optimizes ? chooseLanes(ir, order, inputIDs, options.lanes) : nil
  if options.optimizes { sumOuterProducts(&ir, &order, &analysis, outputs: Array(slots.keys)) }
  let schedule = RegionSchedule(ir, order: order, analysis: analysis, optimizes: options.optimizes)
  let plan = MemoryPlan(ir, schedule, outputs: slots)
  var emitter = Emitter(ir, schedule, plan, analysis)
  emitter.readResults = Set(slots.keys).union(
    order.flatMap { ir.instructions[$0].operands }.compactMap { ir.view($0)?.base })
  emitter.program.arguments =
    arguments.map { ProgramDescription.Argument(bytes: $0.byteCount) }
  emitter.emit()
  return emitter.program
}

extension IR {
  /// Gives every output a result with storage of its own, which its argument slot then is.
  mutating func storeOutputs(_ outputs: [ValueID], firstSlot: Int) -> [ValueID: Int] {
    var slots: [ValueID: Int] = [:]
    for (index, output) in outputs.enumerated() {
      var id = output
      if case .splat = self[id].definition { id = contiguous(id, name: "fill") }
      let view = view(id)!
      var isOwn = false
      if case .result(let number, _) = self[view.base].definition, slots[view.base] == nil {
        // A tape has no size that the caller could know, packed operands no layout: both stay inside.
        let isTape = self[view.base].count == 0
        isOwn =
          isContiguous(id) && self[id].count == self[view.base].count && !isTape
          && instructions[number].isWritable
      }
      if isOwn {
        slots[view.base] = firstSlot + index
      } else {
        slots[emit(.copy, [id], [self[id].type], name: "copy", fresh: true)[0]] = firstSlot + index
      }
    }
    return slots
  }

  /// The instructions that these values need, in order.
  func live(from values: [ValueID]) -> [Int] {
    var isLive = Array(repeating: false, count: instructions.count)
    var pending = values.compactMap { producer($0) }
    while let number = pending.popLast() {
      if isLive[number] { continue }
      isLive[number] = true
      pending.append(contentsOf: instructions[number].operands.compactMap { producer($0) })
    }
    return isLive.indices.filter { isLive[$0] }
  }
}

extension IRInstruction {
  /// Whether its results may lie in the caller's memory.
  var isWritable: Bool {
    switch opcode {
    case .pack: false
    default: true
    }
  }
}

/// Where both terms are computed at one time and in one way; a sum that waited for its second term would keep what the first
/// is made of.
private func sumOuterProducts(
  _ ir: inout IR, _ order: inout [Int], _ analysis: inout LaneAnalysis?, outputs: [ValueID]
) {
  var levels: [Int: Int]?
  let before = ir
  let (numbers, lanes) = (order, analysis)
  let sums = ir.sumOuterProducts(order, outputs: outputs) { first, second in
    let found = levels ?? RegionSchedule.levels(before, numbers, lanes)
    levels = found
    return lanes?.execution[first] == lanes?.execution[second] && found[first] == found[second]
  }
  if sums.isEmpty { return }
  for (number, term) in sums { analysis?.execution[number] = lanes?.execution[term] }
  order = ir.live(from: outputs)
}

/// The lane count under which most of the work runs row by row, or nil where none helps.
private func chooseLanes(_ ir: IR, _ order: [Int], _ inputs: [ValueID], _ hints: [LaneHint]) -> LaneAnalysis?
{
  func hint(_ index: Int) -> LaneHint { index < hints.count ? hints[index] : .automatic }
  let isHinted = inputs.indices.contains { hint($0) == .lanes }
  let candidates = inputs.indices.filter {
    ir[inputs[$0]].shape.rank > 0 && ir[inputs[$0]].shape[0] > 1
      && (isHinted ? hint($0) == .lanes : hint($0) == .automatic)
  }
  var best: (work: Int, analysis: LaneAnalysis)?
  for extent in Set(candidates.map { ir[inputs[$0]].shape[0] }).sorted() {
    let seeds = Set(candidates.map { inputs[$0] }.filter { ir[$0].shape[0] == extent })
    var analysis = LaneAnalysis(lanes: extent, seeds: seeds)
    analysis.analyse(ir, order)
    var work = 0
    for number in order where analysis.execution[number] != .serial { work += ir.flops(number) }
    if work > best?.work ?? 0 { best = (work, analysis) }
  }
  return best?.analysis
}

extension IR {
  /// Floating-point operations of an instruction, roughly: what decides where work is.
  func flops(_ number: Int) -> Int {
    let instruction = instructions[number]
    let out = self[instruction.results[0]]
    switch instruction.opcode {
    case .elementwise(let operation): return out.count * operation.flops
    case .matmul(let k, _, _): return 2 * out.count * k
    case .matmulOuter:
      return instruction.operands.count * out.count * self[instruction.operands[0]].shape[0]
    case .matmulBatched(let transposeA, _):
      let a = self[instruction.operands[0]].shape
      return 2 * out.count * a[a.rank - (transposeA ? 2 : 1)]
    case .matrix(let operation):
      return matrixCall(instruction, operation).flopsPerLane
    case .conv(let g, _, _), .convInputGradient(let g), .convFilterGradient(let g):
      let images = self[instruction.operands[0]].shape[0]
      return 2 * images * g.outputHeight * g.outputWidth * g.outputChannels * g.taps * g.inputChannels
    case .fused: return 8 * self[instruction.operands[0]].count
    case .reduce: return self[instruction.operands[0]].count
    case .convert, .copy, .fill, .pad, .concatenate, .assemble, .gather, .scatterAdd, .rowwise, .pack,
      .random, .scan, .solve,
      .accumulate,
      .laneToWhole, .wholeToLane:
      return out.count
    }
  }
}

extension IR {
  /// An instruction of linear algebra with all of its matrices and without buffers.
  func matrixCall(_ instruction: IRInstruction, _ operation: MatrixOperation) -> MatrixCall {
    let a = self[instruction.operands[0]].shape, right = self[instruction.operands.last!].shape
    let batch = operation.hasRightSide && right.rank > a.rank ? right : a
    return MatrixCall(
      operation, inputs: [], outputs: [], matricesPerLane: batch.dimensions.dropLast(2).reduce(1, *),
      m: a[a.rank - 2], n: a[a.rank - 1], k: operation.hasRightSide ? right[right.rank - 1] : 0,
      sharesMatrix: instruction.sharesBatch(0, self),
      sharesRightSide: instruction.sharesBatch(instruction.operands.count - 1, self))
  }
}
