/// A solve inside of a program: see nk_ode.h for the meaning of every field and the order of the programs' arguments.
package struct NestedSolve: Sendable {
  package enum Sensitivity: Sendable, Hashable {
    /// The tape holds up to this many states.
    case exact(checkpoints: Int, residuals: ResidualBudget)
    case backsolve
  }

  package struct ResidualBudget: Sendable, Hashable {
    package var bytes: Int
    /// Fewer steps are not worth their memory: then nothing is kept. More are not kept.
    package var steps: ClosedRange<Int>

    package init(bytes: Int, steps: ClosedRange<Int>) {
      self.bytes = bytes
      self.steps = steps
    }
    package static let none = ResidualBudget(bytes: 0, steps: 1...1)
  }

  package struct Capture: Sendable, Hashable {
    package var buffer: BufferID
    package var hasLanes: Bool
    /// Per lane where it has lanes.
    package var elements: Int
    /// Its own and its cotangent's; the state's may be another.
    package var dtype: DType
    /// Of a gradient: where its cotangent goes; nil where it is not wanted.
    package var cotangent: BufferID?

    package init(
      _ buffer: BufferID, hasLanes: Bool, elements: Int, dtype: DType, cotangent: BufferID? = nil
    ) {
      self.buffer = buffer
      self.hasLanes = hasLanes
      self.elements = elements
      self.dtype = dtype
      self.cotangent = cotangent
    }
  }

  /// What only the gradient of a solve reads and writes.
  package struct Cotangents: Sendable, Hashable {
    package var states: BufferID
    package var y0: BufferID?
    package var times: BufferID?
    package var statistics: BufferID?

    package init(states: BufferID, y0: BufferID?, times: BufferID?, statistics: BufferID?) {
      self.states = states
      self.y0 = y0
      self.times = times
      self.statistics = statistics
    }
  }

  package var tableau: TableauCoefficients
  package var controller: ControllerParameters
  package var sensitivity: Sensitivity
  package var dtype: DType
  package var lanes: Int
  package var dim: Int
  package var timeCount: Int

  package var field: ProgramDescription
  package var fieldForward: ProgramDescription?
  package var fieldBackward: ProgramDescription?
  package var fieldVJP: ProgramDescription?
  package var fieldAdjoint: ProgramDescription?

  package var y0: BufferID
  package var times: BufferID
  package var states: BufferID
  package var statistics: BufferID?
  package var tape: BufferID?
  package var captures: [Capture]
  /// Numbers of `times`, and of the statistics.
  package var timeElements: Int { timeCount * (controller.isPerLane ? lanes : 1) }
  package var statisticsElements: Int {
    KernelSizes.statistics * (controller.isPerLane ? 1 + lanes : 1)
  }

  /// Set for a gradient, nil for a solve.
  package var cotangents: Cotangents?

  package init(
    tableau: TableauCoefficients, controller: ControllerParameters, sensitivity: Sensitivity, dtype: DType,
    lanes: Int, dim: Int, timeCount: Int, field: ProgramDescription, fieldForward: ProgramDescription? = nil,
    fieldBackward: ProgramDescription? = nil, fieldVJP: ProgramDescription? = nil,
    fieldAdjoint: ProgramDescription? = nil, y0: BufferID,
    times: BufferID,
    states: BufferID, statistics: BufferID?, tape: BufferID?, captures: [Capture],
    cotangents: Cotangents? = nil
  ) {
    self.tableau = tableau
    self.controller = controller
    self.sensitivity = sensitivity
    self.dtype = dtype
    self.lanes = lanes
    self.dim = dim
    self.timeCount = timeCount
    self.field = field
    self.fieldForward = fieldForward
    self.fieldBackward = fieldBackward
    self.fieldVJP = fieldVJP
    self.fieldAdjoint = fieldAdjoint
    self.y0 = y0
    self.times = times
    self.states = states
    self.statistics = statistics
    self.tape = tape
    self.captures = captures
    self.cotangents = cotangents
  }
}

extension NestedSolve {
  /// The programs of the field that there are, as reports name them, in the order of the image.
  package var namedPrograms: [(name: String, program: ProgramDescription)] {
    let all: [(String, ProgramDescription?)] = [
      ("field", field), ("field, forward", fieldForward), ("field, backward", fieldBackward),
      ("field with its product", fieldVJP), ("field with its state's product", fieldAdjoint),
    ]
    return all.compactMap { name, program in program.map { (name, $0) } }
  }
}

extension Kernel {
  /// The programs that it runs.
  package var namedPrograms: [(name: String, program: ProgramDescription)] {
    switch self {
    case .scan(let scan): [("body", scan.body)]
    case .solve(let solve), .solveGradient(let solve): solve.namedPrograms
    default: []
    }
  }
}
