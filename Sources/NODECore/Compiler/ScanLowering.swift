// Loops: the program of one step, and the instruction that runs it again and again.

/// A loop, ready to be an instruction.
struct LoweredScan {
  var instruction: ScanInstruction
  var body: ProgramDescription
}

extension Collector {
  /// The body of a loop in the compiler's form, and its captures: those of the loop, then what is packed of them once for
  /// all steps.
  mutating func scanBody(_ scan: ScanInstruction, _ operands: [ValueID]) throws -> (
    body: ScanBody, operands: [ValueID]
  ) {
    var body = try ScanBody(scan)
    var operands = operands
    for (capture, packing) in body.hoistPacking(from: scan.carryCount + scan.sequenceCount) {
      let packed = ir.emit(packing.opcode, [operands[capture]], [packing.type], name: "pack")[0]
      operands.append(packed)
    }
    return (body, operands)
  }
}

/// The graph of one step in the compiler's form.
struct ScanBody {
  private(set) var ir: IR
  private(set) var inputs: [ValueID]
  private let outputs: [ValueID]
  private let outputTypes: [TensorType]

  init(_ scan: ScanInstruction) throws {
    (ir, inputs, outputs) = try Collector.collect(
      inputs: scan.body.parameters, outputs: scan.body.outputs)
    outputTypes = scan.body.outputs.map(\.type)
  }

  /// Takes out the packing of whole captures (inputs from `first` on), whose results become further inputs.
  mutating func hoistPacking(from first: Int) -> [(capture: Int, packing: (opcode: Opcode, type: TensorType))]
  {
    var hoisted: [(Int, (Opcode, TensorType))] = []
    for number in ir.live(from: outputs) {
      let instruction = ir.instructions[number]
      guard case .pack = instruction.opcode, let view = ir.view(instruction.operands[0]),
        case .input(let slot) = ir[view.base].definition, slot >= first, view.offset == 0,
        ir[instruction.operands[0]].count == ir[view.base].count, ir.isContiguous(instruction.operands[0])
      else { continue }
      let result = instruction.results[0]
      ir.setInput(result, slot: inputs.count)
      inputs.append(result)
      hoisted.append((slot, (instruction.opcode, ir[result].type)))
    }
    return hoisted
  }

  /// The program of one step: arguments are the inputs, then the outputs.
  func lowered() throws -> ProgramDescription {
    try lower(
      ir, inputs: inputs, outputs: outputs, arguments: inputs.map { ir[$0].type } + outputTypes,
      options: CompileOptions())
  }
}

/// Lowers the bodies of all loops among the live instructions; histories that nobody reads get no memory.
func lowerScans(_ ir: inout IR, _ order: [Int], kept: Set<ValueID>) throws {
  let read = Set(order.flatMap { ir.instructions[$0].operands }.compactMap { ir.view($0)?.base }).union(kept)
  for number in order {
    let instruction = ir.instructions[number]
    guard case .scan(let index) = instruction.opcode else { continue }
    let (scan, body) = ir.scans[index]
    ir.loweredScans[index] = LoweredScan(instruction: scan, body: try body.lowered())
    for id in instruction.results[scan.body.outputs.count...] where !read.contains(id) {
      ir.setType(id, TensorType(ir[id].type.dtype, [0]))
    }
  }
}

extension Emitter {
  mutating func emitScan(_ lowered: LoweredScan, _ instruction: IRInstruction) {
    let scan = lowered.instruction, parameters = scan.body.parameters, outputs = scan.body.outputs
    let carries = scan.carryCount, sequences = carries + scan.sequenceCount
    let operands = instruction.operands.map { whole($0) }, results = instruction.results
    func bytes(_ values: ArraySlice<Value>) -> [Int] { values.map(\.type.byteCount) }
    append(
      .scan(
        NestedScan(
          body: lowered.body, steps: scan.steps, isReversed: scan.isReversed,
          first: Array(operands[..<carries]), sequences: Array(operands[carries..<sequences]),
          captures: Array(operands[sequences...]), last: results[..<carries].map { whole($0) },
          outputs: results[carries..<outputs.count].map { whole($0) },
          history: results[outputs.count...].map { readResults.contains($0) ? whole($0) : nil },
          carryBytes: bytes(parameters[..<carries]), sequenceBytes: bytes(parameters[carries..<sequences]),
          // With what is packed of them.
          captureBytes: instruction.operands[sequences...].map { ir[$0].type.byteCount },
          outputBytes: bytes(outputs[carries...]))), .float32)
  }
}
