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
    return fuser.items.filter { !$0.instructions.isEmpty }
  }
}

private struct Fuser {
  let ir: IR
  var items: [Item] = []
  /// The item that each instruction is in.
  private var place: [Int: Int] = [:]
  /// Operands read, per group.
  private var reads: [Int: Set<ValueID>] = [:]
  /// Whether a later item reads results of an item.
  private var isRead: [Bool] = []

  init(ir: IR) { self.ir = ir }

  mutating func add(_ number: Int, _ execution: Execution) {
    let operands = ir.instructions[number].operands
    var target = items.count
    if case .elementwise = ir.instructions[number].opcode, let group = group(for: number, execution) {
      target = group
      items[target].instructions.append(number)
      reads[target]!.formUnion(operands)
    } else {
      reads[target] = Set(operands)
      items.append(Item(instructions: [number], execution: execution))
      isRead.append(false)
    }
    place[number] = target
    var sources: Set<Int> = [], viewed: Set<Int> = []
    for operand in operands {
      guard let producer = ir.producer(operand), let source = place[producer], source != target else {
        continue
      }
      sources.insert(source)
      if !ir.instructions[producer].results.contains(operand) { viewed.insert(source) }
    }
    for source in sources.sorted() {
      let isFree = !isRead[source] && !viewed.contains(source)
      if !(isFree && absorb(source, into: target)) { isRead[source] = true }
    }
  }

  /// Nothing but the target's last instruction reads what the source computes: it can be computed there, as where two
  /// groups end in one sum.
  private mutating func absorb(_ source: Int, into target: Int) -> Bool {
    let (from, to) = (items[source], items[target])
    guard from.execution == to.execution, isElementwise(from), isElementwise(to), type(from) == type(to)
    else {
      return false
    }
    let together = from.instructions + to.instructions
    guard together.count <= Fusion.maximumOperations, ElementwiseProgram(ir, together).fits else {
      return false
    }
    items[target].instructions = together
    items[source].instructions = []
    reads[target]!.formUnion(reads.removeValue(forKey: source)!)
    for number in from.instructions { place[number] = target }
    return true
  }

  private func isElementwise(_ item: Item) -> Bool {
    guard let first = item.instructions.first, case .elementwise = ir.instructions[first].opcode else {
      return false
    }
    return true
  }

  private func type(_ item: Item) -> TensorType { ir[ir.instructions[item.instructions[0]].results[0]].type }

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
      guard item.execution == execution, item.instructions.count < Fusion.maximumOperations,
        isElementwise(item), type(item) == shape
      else { continue }
      let isConnected =
        sources.contains(candidate) || instruction.operands.contains { reads[candidate]!.contains($0) }
      guard isConnected else { continue }
      if ElementwiseProgram(ir, item.instructions + [number]).fits { return candidate }
    }
    return nil
  }
}
