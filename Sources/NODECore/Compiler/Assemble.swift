// Gradients of slices are padded pieces that are added up: where the pieces do not overlap, the sum is one tensor that each
// piece is copied into. (x + 0 is x but for the sign of a zero.)

enum Assemble {
  /// Sums of padded pieces without overlap become one instruction. `outputs`: values that somebody else reads.
  static func run(_ ir: inout IR, outputs: [ValueID]) {
    let order = ir.live(from: outputs)
    var readers: [ValueID: Int] = [:]
    for number in order {
      for operand in ir.instructions[number].operands {
        if let view = ir.view(operand) { readers[view.base, default: 0] += 1 }
      }
    }
    for id in outputs { if let view = ir.view(id) { readers[view.base, default: 0] += 1 } }

    var pieces: [ValueID: [Piece]] = [:]
    for number in order {
      let instruction = ir.instructions[number], result = instruction.results[0]
      switch instruction.opcode {
      case .pad(let low, let interior) where interior.allSatisfy({ $0 == 0 }):
        pieces[result] = [
          Piece(value: instruction.operands[0], low: low, shape: ir[instruction.operands[0]].shape)
        ]
      case .elementwise(.add):
        let (a, b) = (instruction.operands[0], instruction.operands[1])
        guard readers[a] == 1, readers[b] == 1, let left = pieces[a], let right = pieces[b],
          left.allSatisfy({ one in right.allSatisfy { !one.overlaps($0) } })
        else { continue }
        let all = left + right
        pieces[result] = all
        let covers = all.map(\.shape.count).reduce(0, +) == ir[result].count
        ir.replace(
          number, .assemble(lows: all.map(\.low), covers: covers), all.map(\.value), name: "assemble")
      default: break
      }
    }
  }

  private struct Piece {
    var value: ValueID
    var low: [Int]
    var shape: Shape

    func overlaps(_ other: Piece) -> Bool {
      low.indices.allSatisfy { axis in
        low[axis] < other.low[axis] + other.shape[axis] && other.low[axis] < low[axis] + shape[axis]
      }
    }
  }
}
