// Regions: runs of instructions that execute in the same way, with as few breaks as the dependences allow.

/// Instructions that become one kernel, or the few of one instruction.
struct Item {
  /// Several only where elementwise instructions are fused.
  var instructions: [Int]
  var execution: Execution
}

struct PlannedRegion {
  enum Kind: Hashable {
    case serial
    /// Lanes of the program.
    case lanes(Int)
    /// One elementwise item over so many adjacent elements.
    case elements(Int)
  }

  var kind: Kind
  var items: [Item]
}

struct RegionSchedule {
  var regions: [PlannedRegion] = []

  /// Elementwise work on this many elements is given to threads although nothing says it has lanes.
  static let parallelElements = 1 << 15

  /// `order`: the live instructions; `analysis`: nil runs everything on whole tensors.
  init(_ ir: IR, order: [Int], analysis: LaneAnalysis?, optimizes: Bool) {
    let levels = RegionSchedule.levels(ir, order, analysis)
    var members: [[Int]] = Array(repeating: [], count: (levels.values.max() ?? 0) + 1)
    for number in order { members[levels[number]!].append(number) }
    for (level, numbers) in members.enumerated() where !numbers.isEmpty {
      let items: [Item]
      if optimizes {
        items = Fusion.fuse(ir, numbers) { analysis?.execution[$0] ?? .serial }
      } else {
        items = numbers.map { Item(instructions: [$0], execution: analysis?.execution[$0] ?? .serial) }
      }
      if level % 2 == 1 {
        regions.append(PlannedRegion(kind: .lanes(analysis!.lanes), items: items))
      } else {
        appendSerial(items, ir, optimizes: optimizes)
      }
    }
  }

  /// Of a program that a solver runs: what depends on captures only, then the body.
  init(_ ir: IR, setup: [Int], body: [Int], lanes: Int, _ execution: (Int) -> Execution) {
    if !setup.isEmpty {
      regions.append(PlannedRegion(kind: .serial, items: Fusion.fuse(ir, setup) { _ in .serial }))
    }
    regions.append(PlannedRegion(kind: .lanes(lanes), items: Fusion.fuse(ir, body, execution)))
  }

  private mutating func appendSerial(_ items: [Item], _ ir: IR, optimizes: Bool) {
    var run: [Item] = []
    for item in items {
      if optimizes, let count = RegionSchedule.elements(item, ir) {
        if !run.isEmpty { regions.append(PlannedRegion(kind: .serial, items: run)) }
        run = []
        regions.append(PlannedRegion(kind: .elements(count), items: [item]))
      } else {
        run.append(item)
      }
    }
    if !run.isEmpty { regions.append(PlannedRegion(kind: .serial, items: run)) }
  }

  /// The number of elements of elementwise work whose operands are all numbers or as contiguous as the result.
  static func elements(_ item: Item, _ ir: IR) -> Int? {
    for number in item.instructions {
      let instruction = ir.instructions[number]
      guard case .elementwise = instruction.opcode else { return nil }
      guard ir[instruction.results[0]].count >= parallelElements else { return nil }
      for operand in instruction.operands {
        guard let view = ir.view(operand) else { continue }
        if ir.isContiguous(operand) || view.strides.allSatisfy({ $0 == 0 }) { continue }
        return nil
      }
    }
    return ir[ir.instructions[item.instructions[0]].results[0]].count
  }

  /// Even levels run on whole tensors, odd ones on lanes. An instruction stands at the first level where its operands
  /// are complete; cheap ones on whole tensors at the last one before their use.
  static func levels(_ ir: IR, _ order: [Int], _ analysis: LaneAnalysis?) -> [Int: Int] {
    var levels: [Int: Int] = [:]
    func isLanes(_ number: Int) -> Bool { analysis.map { $0.execution[number]! != .serial } ?? false }
    for number in order {
      let instruction = ir.instructions[number]
      var level = isLanes(number) ? 1 : 0
      for (index, operand) in instruction.operands.enumerated() {
        guard let producer = ir.producer(operand) else { continue }
        level = max(level, levels[producer]! + distance(ir, producer, number, index, analysis))
      }
      levels[number] = level
    }
    delay(ir, order, &levels, isLanes, analysis)
    return levels
  }

  /// Levels between a result and an instruction that reads it as operand `index`.
  private static func distance(
    _ ir: IR, _ producer: Int, _ user: Int, _ index: Int, _ analysis: LaneAnalysis?
  ) -> Int {
    guard let analysis else { return 0 }
    let instruction = ir.instructions[user]
    switch (analysis.execution[producer]! != .serial, analysis.execution[user]! != .serial) {
    case (false, false): return 0
    case (false, true), (true, false): return 1
    case (true, true):
      let isBlockwise =
        analysis.execution[producer] == .lanes && !instruction.isShared(index, ir)
        && analysis.read(instruction.operands[index], ir) == .rows
      return isBlockwise ? 0 : 2
    }
  }

  /// Moves cheap work to where it is used. On lanes that pays only if what it reads is kept until then anyway.
  private static func delay(
    _ ir: IR, _ order: [Int], _ levels: inout [Int: Int], _ isLanes: (Int) -> Bool,
    _ analysis: LaneAnalysis?
  ) {
    var lastRead: [ValueID: Int] = [:]
    for number in order {
      for operand in ir.instructions[number].operands {
        if let view = ir.view(operand) {
          lastRead[view.base] = max(lastRead[view.base] ?? 0, levels[number]!)
        }
      }
    }
    var latest: [Int: Int] = [:]
    for number in order.reversed() {
      let instruction = ir.instructions[number]
      if let limit = latest[number], limit > levels[number]! {
        switch (instruction.opcode, isLanes(number)) {
        case (.elementwise, false), (.copy, false), (.convert, false), (.fill, _), (.random, false),
          (.pad, false),
          (.concatenate, false), (.assemble, false):
          levels[number] = limit
        case (.elementwise, true):
          let reads = instruction.operands.compactMap { ir.view($0)?.base }
          if reads.allSatisfy({ (lastRead[$0] ?? 0) >= limit || ir.producer($0) == nil }) {
            levels[number] = limit
          }
        default: break
        }
      }
      for (index, operand) in instruction.operands.enumerated() {
        guard let producer = ir.producer(operand) else { continue }
        let own = levels[number]! - distance(ir, producer, number, index, analysis)
        latest[producer] = min(latest[producer] ?? own, own)
      }
    }
  }
}
