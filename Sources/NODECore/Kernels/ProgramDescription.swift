/// The flat program as Swift values: what the compiler emits and `ProgramImage` turns into the kernels' `nk_program`.
///
/// It mirrors `nk_program.h`, which is the specification of every field, without pointers: buffers are named by
/// `BufferID`, programs of a solver's field are nested values. Arguments come in order: inputs, then outputs (the
/// order of programs that a solver calls is in `nk_ode.h`). Validated as a whole when it becomes an image.
package struct ProgramDescription: Sendable {
  package var buffers: [Buffer] = []
  package var instructions: [Instruction] = []
  package var regions: [Region] = []
  /// Programs run by a solver: leading regions that depend on captures only; one lanes region, the body, follows.
  package var setupRegions = 0
  package var arguments: [Argument] = []
  package var constants: [UInt8] = []
  package var arenaBytes = 0
  /// One worker's block scratch, instruction scratch included.
  package var blockBytes = 0
  package var residualBytes = 0
  /// What instructions came from, for reports: `Instruction.origin` indexes it.
  package var origins: [Origin] = []

  package init() {}

  /// Memory of the caller. `hasLanes`: `bytes` of each lane (programs run by a solver, whose number of lanes is the
  /// solver's business), else of the whole argument.
  package struct Argument: Sendable, Hashable {
    package var bytes: Int
    package var hasLanes: Bool

    package init(bytes: Int, hasLanes: Bool = false) {
      self.bytes = bytes
      self.hasLanes = hasLanes
    }
  }

  /// One operation of the source, or several that were fused, as a report names it.
  package struct Origin: Sendable, Hashable {
    package var name: String
    /// Of the (first) output, the lane axis included.
    package var shape: [Int]
    /// Of the operands, as the source has them.
    package var operands: [[Int]]
    /// The operations that were fused, in order; empty where there is only one.
    package var parts: [Origin]

    package init(name: String, shape: [Int], operands: [[Int]] = [], parts: [Origin] = []) {
      self.name = name
      self.shape = shape
      self.operands = operands
      self.parts = parts
    }
  }
}

/// Names a buffer of the program that an instruction belongs to.
package struct BufferID: Sendable, Hashable {
  package let index: Int
  package init(_ index: Int) { self.index = index }
}

/// Where a buffer lives; see nk_space.
package enum Space: Sendable, Hashable {
  /// The caller's argument of this index.
  case argument(Int)
  case constant
  case arena
  case block
  case residual
  case accumulator
}

package struct Buffer: Sendable, Hashable {
  package var space: Space
  package var dtype: DType
  /// The leading axis is the region's lane axis.
  package var hasLanes: Bool
  /// Bytes from the start of the space or the argument.
  package var offset: Int
  /// Of one lane where it has lanes (lanes are adjacent), else of the whole buffer.
  package var bytes: Int

  package init(_ space: Space, _ dtype: DType, hasLanes: Bool, offset: Int = 0, bytes: Int) {
    self.space = space
    self.dtype = dtype
    self.hasLanes = hasLanes
    self.offset = offset
    self.bytes = bytes
  }
}

extension ProgramDescription {
  package mutating func add(_ buffer: Buffer) -> BufferID {
    buffers.append(buffer)
    return BufferID(buffers.count - 1)
  }

  package subscript(id: BufferID) -> Buffer {
    get { buffers[id.index] }
    set { buffers[id.index] = newValue }
  }
}

/// A run of instructions: once on whole tensors, or block by block over lanes.
package struct Region: Sendable {
  package enum Kind: Sendable, Hashable {
    case serial
    /// `total` lanes (0 in programs run by a solver) in blocks of `block`, the blocks in `groups` runs, each with
    /// accumulators of its own.
    case lanes(total: Int, block: Int, groups: Int)
  }

  package var kind: Kind
  package var instructions: Range<Int>
  package var accumulators: [Accumulator]
  /// Bytes of one group's accumulators.
  package var accumulatorBytes: Int

  package init(
    _ kind: Kind, instructions: Range<Int>, accumulators: [Accumulator] = [], accumulatorBytes: Int = 0
  ) {
    self.kind = kind
    self.instructions = instructions
    self.accumulators = accumulators
    self.accumulatorBytes = accumulatorBytes
  }
}

/// A piece of the accumulator space that is stored to a buffer when its region ends.
package struct Accumulator: Sendable, Hashable {
  package var offset: Int
  package var count: Int
  package var dtype: DType
  /// Without lanes. Nil in the body of a solver's program, where the solver takes the pieces itself.
  package var destination: BufferID?

  package init(offset: Int, count: Int, dtype: DType, destination: BufferID?) {
    self.offset = offset
    self.count = count
    self.dtype = dtype
    self.destination = destination
  }
}
