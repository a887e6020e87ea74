// Epilogues: what a matrix product or a convolution can do to its result before it leaves the cache.

enum Peephole {
  /// A dense layer becomes one instruction, and so do its derivatives: product + bias, activation(product + bias),
  /// product * derivative(layer's result), where nobody reads the values between.
  static func run(_ ir: inout IR, outputs: [ValueID]) {
    for pass in [addBias, activate, multiply] {
      let order = ir.live(from: outputs), readers = ir.readerCounts(order, outputs)
      for number in order { pass(&ir, number, readers) }
    }
  }

  /// The instruction that computed exactly this value, if nobody else reads it.
  private static func only(_ ir: IR, _ id: ValueID, _ readers: [ValueID: Int]) -> IRInstruction? {
    guard case .result(let number, 0) = ir[id].definition, readers[id] == 1 else { return nil }
    return ir.instructions[number]
  }

  /// Such a product without activation and factor.
  private static func product(_ ir: IR, _ id: ValueID, _ readers: [ValueID: Int]) -> IRInstruction? {
    guard let instruction = only(ir, id, readers) else { return nil }
    switch instruction.opcode {
    case .matmul(_, _, let end): return end.activation == nil && end.factor == nil ? instruction : nil
    case .conv(_, _, nil): return instruction
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
      case .matmul(let k, let n, var end) where !end.hasBias:
        end.hasBias = true
        opcode = .matmul(k: k, n: n, end)
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
    case .matmul(let k, let n, var end):
      end.activation = operation
      opcode = .matmul(k: k, n: n, end)
    case .conv(let geometry, let bias, _): opcode = .conv(geometry, bias: bias, activation: operation)
    default: return
    }
    ir.replace(number, opcode, product.operands, name: product.name + " " + instruction.name)
  }

  private static func multiply(_ ir: inout IR, _ number: Int, _ readers: [ValueID: Int]) {
    let instruction = ir.instructions[number]
    guard case .elementwise(.multiply) = instruction.opcode else { return }
    for index in 0...1 {
      var other = instruction.operands[1 - index]
      guard let product = product(ir, instruction.operands[index], readers),
        case .matmul(let k, let n, var end) = product.opcode, isRowByRow(ir, other)
      else { continue }
      var name = product.name
      end.factor = .itself
      if let source = only(ir, other, readers), case .elementwise(let operation) = source.opcode,
        operation.arity == 1, isRowByRow(ir, source.operands[0])
      {
        end.factor = .of(operation)
        other = source.operands[0]
        name += " " + source.name
      }
      ir.replace(
        number, .matmul(k: k, n: n, end), product.operands + [other], name: name + " " + instruction.name)
      return
    }
  }

  /// Whether the kernel can walk this value beside the product's rows wherever those are a block of lanes: a tensor of its
  /// own. Constants are not cut into lanes.
  private static func isRowByRow(_ ir: IR, _ id: ValueID) -> Bool {
    guard let view = ir.view(id), ir.isContiguous(id), ir[view.base].count == ir[id].count else {
      return false
    }
    if case .constant = ir[view.base].definition { return false }
    return true
  }
}
