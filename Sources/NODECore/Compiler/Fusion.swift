// Elementwise chains become one pass over memory.

enum Fusion {
  /// More operations than this in one pass would not stay in the first-level cache.
  static let maximumOperations = 40
  /// How many items back a group is looked for: compile time stays linear in the size of unrolled graphs.
  static let lookback = 64

  /// Items of one region in an order that respects dependences, elementwise instructions of equal execution and shape
  /// fused where they are connected.
  static func fuse(_ ir: IR, _ numbers: [Int], _ execution: (Int) -> Execution) -> [Item] {
    var fuser = Fuser(ir: ir)
    for number in numbers { fuser.add(number, execution(number)) }
    return fuser.items
  }
}

private struct Fuser {
  let ir: IR
  var items: [Item] = []
  /// The item that each instruction is in.
  private var place: [Int: Int] = [:]
  /// Operands read, per group.
  private var reads: [Int: Set<ValueID>] = [:]

  init(ir: IR) { self.ir = ir }

  mutating func add(_ number: Int, _ execution: Execution) {
    if case .elementwise = ir.instructions[number].opcode, let group = group(for: number, execution) {
      items[group].instructions.append(number)
      place[number] = group
      reads[group]!.formUnion(ir.instructions[number].operands)
      return
    }
    place[number] = items.count
    reads[items.count] = Set(ir.instructions[number].operands)
    items.append(Item(instructions: [number], execution: execution))
  }

  /// The latest group that the instruction may join: connected to it by an operand or a result, and not before any
  /// other operand is complete.
  private func group(for number: Int, _ execution: Execution) -> Int? {
    let instruction = ir.instructions[number]
    let shape = ir[instruction.results[0]].type
    // Where each operand is complete. One read as it was computed may come from the group itself.
    var earliest = 0, sources: Set<Int> = []
    for operand in instruction.operands {
      guard let producer = ir.producer(operand), let item = place[producer] else { continue }
      if ir.instructions[producer].results.contains(operand) {
        sources.insert(item)
        earliest = max(earliest, item)
      } else {
        earliest = max(earliest, item + 1)
      }
    }
    let last = max(earliest, items.count - Fusion.lookback)
    for candidate in stride(from: items.count - 1, through: last, by: -1) {
      let item = items[candidate]
      guard item.execution == execution, item.instructions.count < Fusion.maximumOperations else { continue }
      let first = ir.instructions[item.instructions[0]]
      guard case .elementwise = first.opcode, ir[first.results[0]].type == shape else { continue }
      let isConnected =
        sources.contains(candidate) || instruction.operands.contains { reads[candidate]!.contains($0) }
      guard isConnected else { continue }
      if ElementwiseProgram(ir, item.instructions + [number]).fits { return candidate }
    }
    return nil
  }
}
