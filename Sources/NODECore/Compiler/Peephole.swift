// Epilogues: what a matrix product or a convolution can do to its result before it leaves the registers.

enum Peephole {
  /// product + bias becomes one instruction, and activation(product + bias) too, where nobody reads the values between.
  static func run(_ ir: inout IR, outputs: [ValueID]) {
    var readers = count(ir, outputs)
    for number in ir.live(from: outputs) { addBias(&ir, number, readers) }
    readers = count(ir, outputs)
    for number in ir.live(from: outputs) { activate(&ir, number, readers) }
  }

  private static func count(_ ir: IR, _ outputs: [ValueID]) -> [ValueID: Int] {
    var count: [ValueID: Int] = [:]
    for number in ir.live(from: outputs) {
      for operand in ir.instructions[number].operands {
        if let view = ir.view(operand) { count[view.base, default: 0] += 1 }
      }
    }
    for id in outputs { if let view = ir.view(id) { count[view.base, default: 0] += 1 } }
    return count
  }

  /// The product that computed exactly this value, if nobody else reads it.
  private static func product(_ ir: IR, _ id: ValueID, _ readers: [ValueID: Int]) -> IRInstruction? {
    guard case .result(let number, 0) = ir[id].definition, readers[id] == 1 else { return nil }
    switch ir.instructions[number].opcode {
    case .matmul(_, _, _, nil), .conv(_, _, nil): return ir.instructions[number]
    default: return nil
    }
  }

  private static func addBias(_ ir: inout IR, _ number: Int, _ readers: [ValueID: Int]) {
    let instruction = ir.instructions[number]
    guard case .elementwise(.add) = instruction.opcode else { return }
    for index in 0...1 {
      let other = instruction.operands[1 - index]
      guard let product = product(ir, instruction.operands[index], readers), let view = ir.view(other) else {
        continue
      }
      let shape = ir[other].shape, last = shape.rank - 1
      guard last > 0, view.strides.dropLast().allSatisfy({ $0 == 0 }), view.strides[last] == 1 else {
        continue
      }
      let opcode: Opcode
      switch product.opcode {
      case .matmul(let k, let n, false, _): opcode = .matmul(k: k, n: n, bias: true, activation: nil)
      case .conv(let geometry, false, _): opcode = .conv(geometry, bias: true, activation: nil)
      default: continue
      }
      let bias = ir.value(
        of: StridedView(base: view.base, offset: view.offset, strides: [1]), shape: [shape[last]])
      ir.replace(number, opcode, product.operands + [bias], name: product.name + " " + instruction.name)
      return
    }
  }

  private static func activate(_ ir: inout IR, _ number: Int, _ readers: [ValueID: Int]) {
    let instruction = ir.instructions[number]
    guard case .elementwise(let operation) = instruction.opcode, operation.arity == 1,
      let product = product(ir, instruction.operands[0], readers)
    else { return }
    let opcode: Opcode
    switch product.opcode {
    case .matmul(let k, let n, let bias, _): opcode = .matmul(k: k, n: n, bias: bias, activation: operation)
    case .conv(let geometry, let bias, _): opcode = .conv(geometry, bias: bias, activation: operation)
    default: return
    }
    ir.replace(number, opcode, product.operands, name: product.name + " " + instruction.name)
  }
}
