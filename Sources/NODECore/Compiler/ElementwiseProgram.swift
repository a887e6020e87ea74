/// A fused group of elementwise instructions as code of the kernels' register machine, still in terms of values.
struct ElementwiseProgram {
  /// Tensors read, in the order of their registers.
  private(set) var operands: [ValueID] = []
  private(set) var constants: [Double] = []
  private var constantIDs: [ValueID: Int] = [:]
  private let ir: IR
  private let instructions: [Int]

  init(_ ir: IR, _ instructions: [Int]) {
    self.ir = ir
    self.instructions = instructions
    let inside = Set(instructions.map { ir.instructions[$0].results[0] })
    var seen: Set<ValueID> = []
    for number in instructions {
      for operand in ir.instructions[number].operands where !inside.contains(operand) {
        guard seen.insert(operand).inserted else { continue }
        if case .splat(let x) = ir[operand].definition {
          constantIDs[operand] = constants.count
          constants.append(x)
        } else {
          operands.append(operand)
        }
      }
    }
  }

  /// Whether the machine can hold it, whichever results are outputs.
  var fits: Bool {
    guard operands.count <= KernelSizes.maximumOperands else { return false }
    // The worst case: every result is an output and keeps its register.
    return operands.count + constants.count + instructions.count <= KernelSizes.maximumRegisters
  }

  /// Steps and registers for these outputs. A result that nothing needs any more gives its register to the next one.
  func code(outputs: [ValueID]) -> (
    steps: [ElementwiseCode.Step], outputRegisters: [Int], registerCount: Int
  ) {
    var register: [ValueID: Int] = [:]
    for (index, operand) in operands.enumerated() { register[operand] = index }
    for (id, index) in constantIDs { register[id] = operands.count + index }
    let kept = Set(outputs)
    var lastUse: [ValueID: Int] = [:]
    for (step, number) in instructions.enumerated() {
      for operand in ir.instructions[number].operands { lastUse[operand] = step }
    }
    var free: [Int] = [], next = operands.count + constants.count
    let firstTemporary = next
    var steps: [ElementwiseCode.Step] = []
    for (step, number) in instructions.enumerated() {
      let instruction = ir.instructions[number]
      guard case .elementwise(let operation) = instruction.opcode else {
        preconditionFailure("not elementwise")
      }
      let sources = instruction.operands.map { register[$0]! }
      for operand in Set(instruction.operands) where lastUse[operand] == step && !kept.contains(operand) {
        if let dying = register[operand], dying >= firstTemporary { free.append(dying) }
      }
      let result = instruction.results[0]
      let target: Int
      // The register of an output is the output's memory: it is never shared.
      if !kept.contains(result), let reused = free.popLast() {
        target = reused
      } else {
        target = next
        next += 1
      }
      register[result] = target
      steps.append(ElementwiseCode.Step(operation, target, sources))
    }
    return (steps, outputs.map { register[$0]! }, next)
  }
}
