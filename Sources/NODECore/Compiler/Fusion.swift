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
  /// Of each item: the element type and shape of its results if they are elementwise, and what it reads.
  private var groups: [(type: TensorType?, reads: Set<ValueID>)] = []
  /// Whether a later item reads results of an item.
  private var isRead: [Bool] = []
  /// The item that each instruction is in.
  private var place: [Int: Int] = [:]

  init(ir: IR) { self.ir = ir }

  /// An item that computes an operand, and whether the operand is read as it was computed.
  private typealias Source = (item: Int, isDirect: Bool)

  mutating func add(_ number: Int, _ execution: Execution) {
    let instruction = ir.instructions[number]
    let sources: [Source] = instruction.operands.compactMap {
      guard let producer = ir.producer($0), let item = place[producer] else { return nil }
      return (item, ir.instructions[producer].results.contains($0))
    }
    var type: TensorType?
    if case .elementwise = instruction.opcode { type = ir[instruction.results[0]].type }
    var target = items.count
    if let type, let group = group(for: number, sources, type, execution) {
      target = group
      items[target].instructions.append(number)
      groups[target].reads.formUnion(instruction.operands)
    } else {
      items.append(Item(instructions: [number], execution: execution))
      groups.append((type, Set(instruction.operands)))
      isRead.append(false)
    }
    place[number] = target
    for (item, _) in sources where item != target && !isRead[item] {
      let isOnlyReader = sources.allSatisfy { $0.item != item || $0.isDirect }
      if !(isOnlyReader && absorb(item, into: target)) { isRead[item] = true }
    }
  }

  /// Nothing but the target's last instruction reads what the item computes: it can be computed there, as where two
  /// groups end in one sum.
  private mutating func absorb(_ item: Int, into target: Int) -> Bool {
    guard groups[item].type != nil, groups[item].type == groups[target].type,
      items[item].execution == items[target].execution
    else { return false }
    if items[item].execution == .serial {
      // What threads share would be one thread's work beside an operand that they cannot cut.
      let isShared = [item, target].map { RegionSchedule.elements(items[$0], ir) != nil }
      if isShared[0] != isShared[1] { return false }
    }
    let together = items[item].instructions + items[target].instructions
    guard together.count <= Fusion.maximumOperations, ElementwiseProgram(ir, together).fits else {
      return false
    }
    for number in items[item].instructions { place[number] = target }
    items[target].instructions = together
    items[item].instructions = []
    groups[target].reads.formUnion(groups[item].reads)
    groups[item] = (nil, [])
    return true
  }

  /// The latest group that the instruction may join: connected to it by an operand or a result, and not before any
  /// other operand is complete.
  private func group(
    for number: Int, _ sources: [Source], _ type: TensorType, _ execution: Execution
  ) -> Int? {
    let operands = ir.instructions[number].operands
    // Where each operand is complete. One read as it was computed may come from the group itself.
    let earliest = sources.reduce(0) { max($0, $1.isDirect ? $1.item : $1.item + 1) }
    let last = max(earliest, items.count - Fusion.lookback)
    for candidate in stride(from: items.count - 1, through: last, by: -1) {
      let item = items[candidate]
      guard groups[candidate].type == type, item.execution == execution,
        item.instructions.count < Fusion.maximumOperations
      else { continue }
      let isConnected =
        sources.contains { $0.item == candidate }
        || operands.contains { groups[candidate].reads.contains($0) }
      guard isConnected else { continue }
      if ElementwiseProgram(ir, item.instructions + [number]).fits { return candidate }
    }
    return nil
  }
}
