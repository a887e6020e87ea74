// Where every value lives. What only one block of one region reads is block scratch; what crosses regions is arena;
// results are written where the caller wants them.

struct Placement: Hashable {
  var space: Space
  /// Bytes from the start of the space or the argument.
  var offset: Int
}

struct MemoryPlan {
  private(set) var placements: [ValueID: Placement] = [:]
  private(set) var constants: [UInt8] = []
  private(set) var arenaBytes = 0
  /// Block scratch of each region, without that of instructions.
  private(set) var regionBlockBytes: [Int] = []
  /// Lanes of a block, per region.
  private(set) var blockLanes: [Int] = []

  /// Elements of a block of plain elementwise work.
  static let elementsPerBlock = 1 << 14

  /// `outputs`: values that argument slots receive. `arguments`: slots of inputs.
  init(_ ir: IR, _ schedule: RegionSchedule, outputs: [ValueID: Int], solverBody: SolverBody? = nil) {
    for (id, value) in ir.values.enumerated() {
      switch value.definition {
      case .input(let slot): placements[id] = Placement(space: .argument(slot), offset: 0)
      case .residual(let offset): placements[id] = Placement(space: .residual, offset: offset)
      default: break
      }
    }
    for (id, slot) in outputs { placements[id] = Placement(space: .argument(slot), offset: 0) }
    let uses = Uses(ir, schedule)
    for (id, offset) in solverBody?.residuals ?? [:] {
      placements[id] = Placement(space: .residual, offset: offset)
    }
    for (id, offset) in solverBody?.accumulators ?? [:] {
      placements[id] = Placement(space: .accumulator, offset: offset)
    }
    placeConstants(ir, uses.constants)
    var arena: [Arena.Request] = []
    for (index, region) in schedule.regions.enumerated() {
      planBlocks(ir, region, index, uses, &arena, solverBody)
    }
    let plan = Arena(arena)
    for (id, offset) in plan.offsets { placements[id] = Placement(space: .arena, offset: offset) }
    arenaBytes = plan.bytes
  }

  private mutating func placeConstants(_ ir: IR, _ used: [ValueID]) {
    for id in used {
      guard case .constant(let storage) = ir[id].definition else { continue }
      let offset = Arena.aligned(constants.count)
      constants.append(contentsOf: repeatElement(0, count: offset - constants.count))
      constants.append(contentsOf: UnsafeRawBufferPointer(start: storage.pointer, count: storage.byteCount))
      placements[id] = Placement(space: .constant, offset: offset)
    }
  }

  private mutating func planBlocks(
    _ ir: IR, _ region: PlannedRegion, _ index: Int, _ uses: Uses, _ arena: inout [Arena.Request],
    _ solverBody: SolverBody?
  ) {
    var block: [Arena.Request] = []
    let span = uses.regionSpan[index]
    for (place, item) in region.items.enumerated() {
      for number in item.instructions {
        for id in ir.instructions[number].results where placements[id] == nil {
          guard let life = uses.life[id] else { continue }
          let isLocal = item.execution == .lanes || item.execution == .once || solverBody != nil
          let isPerBlock = life.isWithin(span) && isLocal
          if isPerBlock, region.kind != .serial {
            block.append(
              Arena.Request(
                id: id, bytes: ir[id].type.byteCount, first: span.lowerBound + place, last: life.last))
          } else if item.execution == .serial, region.kind == .serial {
            arena.append(
              Arena.Request(
                id: id, bytes: ir[id].type.byteCount, first: span.lowerBound + place,
                last: uses.regionEnd(life.last)))
          } else {
            arena.append(
              Arena.Request(
                id: id, bytes: ir[id].type.byteCount, first: span.lowerBound,
                last: max(uses.regionEnd(life.last), span.upperBound - 1)))
          }
        }
      }
    }
    finishBlocks(ir, region, block, solverBody, span)
  }

  private mutating func finishBlocks(
    _ ir: IR, _ region: PlannedRegion, _ requests: [Arena.Request], _ solverBody: SolverBody?,
    _ span: Range<Int>
  ) {
    guard case .lanes(let lanes) = region.kind else {
      if case .elements = region.kind {
        blockLanes.append(MemoryPlan.elementsPerBlock)
      } else {
        blockLanes.append(1)
      }
      regionBlockBytes.append(0)
      return
    }
    var isRows: Set<ValueID> = []
    for item in region.items where item.execution == .lanes {
      for number in item.instructions { isRows.formUnion(ir.instructions[number].results) }
    }
    func perLane(_ request: Arena.Request) -> Int { isRows.contains(request.id) ? request.bytes / lanes : 0 }
    let peak = MemoryPlan.peak(requests.map { ($0.first, $0.last, perLane($0)) })
    let size =
      solverBody?.blockLanes
      ?? BlockSize.lanes(
        of: lanes,
        bytesPerLane: peak + MemoryPlan.traffic(ir, region, lanes) + (solverBody?.solverBytes ?? 0),
        sharedBytes: MemoryPlan.sharedBytes(ir, region))
    blockLanes.append(size)
    let plan = Arena(
      requests.map { request in
        var request = request
        if isRows.contains(request.id) { request.bytes = perLane(request) * size }
        return request
      })
    for (id, offset) in plan.offsets { placements[id] = Placement(space: .block, offset: offset) }
    regionBlockBytes.append(plan.bytes)
  }

  /// The largest number of bytes alive at once.
  private static func peak(_ lives: [(first: Int, last: Int, bytes: Int)]) -> Int {
    var events: [(Int, Int)] = []
    for life in lives {
      events.append((life.first, life.bytes))
      events.append((life.last + 1, -life.bytes))
    }
    events.sort { $0 < $1 }
    var alive = 0, peak = 0
    for (_, bytes) in events {
      alive += bytes
      peak = max(peak, alive)
    }
    return peak
  }

  /// Bytes that every block reads or adds to as a whole: weights and sums.
  private static func sharedBytes(_ ir: IR, _ region: PlannedRegion) -> Int {
    var bases: Set<ValueID> = []
    for item in region.items where item.execution != .once {
      for number in item.instructions {
        let instruction = ir.instructions[number]
        for (index, operand) in instruction.operands.enumerated() where instruction.isShared(index, ir) {
          if let view = ir.view(operand) { bases.insert(view.base) }
        }
        if item.execution == .accumulate { bases.formUnion(instruction.results) }
      }
    }
    return bases.reduce(0) { $0 + ir[$1].type.byteCount }
  }

  /// Bytes of one lane of the widest value: what streams through the cache beside the live ones.
  private static func traffic(_ ir: IR, _ region: PlannedRegion, _ lanes: Int) -> Int {
    var widest = 0
    for item in region.items {
      for number in item.instructions where item.execution == .lanes {
        for id in ir.instructions[number].results { widest = max(widest, ir[id].type.byteCount / lanes) }
      }
    }
    return widest
  }
}

/// What a program that a solver runs prescribes.
struct SolverBody {
  /// Offsets in the residual space of what another program of the solver reads.
  var residuals: [ValueID: Int] = [:]
  /// Offsets of the sums that a value is added to.
  var accumulators: [ValueID: Int] = [:]
  var blockLanes: Int?
  /// Bytes of a lane that the solver keeps in cache beside the program.
  var solverBytes = 0
}

/// First and last use of every value with storage, in positions of items counted through all regions.
struct Uses {
  struct Life {
    var first: Int, last: Int
    func isWithin(_ span: Range<Int>) -> Bool { span.contains(first) && span.contains(last) }
  }

  private(set) var life: [ValueID: Life] = [:]
  private(set) var regionSpan: [Range<Int>] = []
  private(set) var constants: [ValueID] = []
  private var regionOf: [Int] = []
  private var isSerial: [Bool] = []

  init(_ ir: IR, _ schedule: RegionSchedule) {
    var position = 0
    var seen: Set<ValueID> = []
    for (index, region) in schedule.regions.enumerated() {
      regionSpan.append(position..<position + region.items.count)
      isSerial.append(region.kind == .serial)
      for item in region.items {
        let inside = item.instructions.count > 1 ? Set(item.instructions) : []
        for number in item.instructions {
          for operand in ir.instructions[number].operands {
            guard let view = ir.view(operand) else { continue }
            if let producer = ir.producer(operand), inside.contains(producer) { continue }
            if case .constant = ir[view.base].definition, seen.insert(view.base).inserted {
              constants.append(view.base)
            }
            life[view.base, default: Life(first: position, last: position)].last = position
          }
          // A fused result that nobody else reads gets no storage.
          for id in ir.instructions[number].results where item.instructions.count == 1 {
            life[id] = Life(first: position, last: position)
          }
        }
        regionOf.append(index)
        position += 1
      }
    }
    markFusedResults(ir, schedule)
  }

  /// Results of fused items live from there where someone outside reads them.
  private mutating func markFusedResults(_ ir: IR, _ schedule: RegionSchedule) {
    var position = 0
    for region in schedule.regions {
      for item in region.items {
        for number in item.instructions {
          for id in ir.instructions[number].results { life[id]?.first = position }
        }
        position += 1
      }
    }
  }

  /// A lanes region uses everything until its end: its blocks interleave.
  func regionEnd(_ position: Int) -> Int {
    let region = regionOf[position]
    return isSerial[region] ? position : regionSpan[region].upperBound - 1
  }
}
