import CKernels

extension SolveError {
  /// One step that a solve tried.
  public struct Attempt: Sendable, Hashable, CustomStringConvertible {
    /// Whether the step was taken, and why it was not.
    public enum Verdict: Sendable, Hashable {
      case accepted
      /// Rejected: its error was above the tolerated one.
      case inaccurate
      /// Rejected: the state it led to, or a stage, was not finite.
      case notFinite
    }

    /// Where it began.
    public var time: Double
    /// Its size, signed.
    public var step: Double
    /// Its error over the tolerated one; nil where there is no estimate: fixed steps, values that are not finite.
    public var errorRatio: Double?
    public var verdict: Verdict

    public var description: String {
      let outcome =
        switch verdict {
        case .accepted: "accepted"
        case .inaccurate: "rejected, inaccurate"
        case .notFinite: "rejected, not finite"
        }
      return "t = \(time), step \(step): " + (errorRatio.map { "error \($0), " } ?? "") + outcome
    }
  }

  /// Rejected steps by their reasons.
  public struct Rejections: Sendable, Hashable {
    /// Their errors were above the tolerated ones.
    public var inaccurate: Int
    /// The states they led to, or stages, were not finite.
    public var notFinite: Int
  }

  /// What made the first value of a field that is not finite.
  public struct Origin: Sendable, Hashable, CustomStringConvertible {
    /// What to look at: an operation, or what the field was given.
    public enum Kind: Sendable, Hashable {
      /// An operation of the field (or of its derivative) whose operands are finite, with their shapes; its name is the
      /// one that `print(program)` shows, of fused ones the one inside.
      case operation(name: String, operands: [[Int]])
      /// None: the field was evaluated at a state that was not finite, because the sum of its finite slopes overflowed or
      /// because it was not finite from the start.
      case state
      /// None: what flows back was not finite, because the derivative of the loss was not or because it grew too large on
      /// its way.
      case cotangent
      /// None: it came with a tensor that the field captures.
      case capture
    }

    public var kind: Kind
    /// The time that the field was evaluated at.
    public var time: Double

    public var description: String {
      switch kind {
      case .operation(let name, let operands):
        let shapes = operands.map { Shape($0).description }.joined(separator: ", ")
        return name + (operands.isEmpty ? "" : " of \(shapes)") + ", evaluated at t = \(time)"
      case .state: return "the state that the field was evaluated at, t = \(time)"
      case .cotangent: return "the derivative of the loss with respect to the state, at t = \(time)"
      case .capture: return "a tensor that the field captures"
      }
    }
  }

  /// Takes over what the kernels found out; `origin` needs the program, see `ProgramDescription.error`.
  mutating func tell(_ failure: nk_failure) {
    guard failure.attempts > 0 else { return }
    rejections = Rejections(inaccurate: Int(failure.inaccurate), notFinite: Int(failure.not_finite))
    let count = Int(failure.attempts), kept = min(count, Int(NK_HISTORY))
    withUnsafeBytes(of: failure.last) { ring in
      let attempts = ring.bindMemory(to: nk_attempt.self)
      lastSteps = (count - kept..<count).map { number in
        let attempt = attempts[number % Int(NK_HISTORY)]
        let verdict: Attempt.Verdict =
          switch attempt.verdict {
          case .NK_ACCEPTED: .accepted
          case .NK_INACCURATE: .inaccurate
          case .NK_NOT_FINITE: .notFinite
          }
        return Attempt(
          time: attempt.t, step: attempt.h, errorRatio: attempt.error.isFinite ? attempt.error : nil,
          verdict: verdict)
      }
    }
  }

  /// The lines of the description that say how it came about.
  var story: String {
    var text = ""
    if let origin {
      // An operation that could not go on made no value at all.
      let isRefusal = status == .indexOutOfRange || status == .invalidArgument
      text += isRefusal ? "\nin " : "\nthe first value that is not finite came from "
      text += "\(origin)"
    }
    if !lastSteps.isEmpty {
      text += "\nthe last steps:" + lastSteps.map { "\n  \($0)" }.joined()
    }
    return text
  }
}

extension ProgramDescription {
  /// The error that a run's diagnosis stands for.
  func error(_ diagnosis: nk_diagnosis) -> SolveError {
    let kernel = instructions[Int(diagnosis.instr)].kernel
    var error = SolveError(diagnosis, operation: kernel.isSolve ? nil : kernel.name)
    if case .solveGradient = kernel { error.isBackward = true }
    guard let origin = diagnosis.failure?.pointee.origin else { return error }
    switch origin.birth {
    case .NK_BIRTH_UNKNOWN: break
    case .NK_BIRTH_STATE: error.origin = .init(kind: .state, time: origin.t)
    case .NK_BIRTH_COTANGENT: error.origin = .init(kind: .cotangent, time: origin.t)
    case .NK_BIRTH_CAPTURE: error.origin = .init(kind: .capture, time: origin.t)
    case .NK_BIRTH_OPERATION:
      if let source = source(of: Int(origin.instr), part: Int(origin.op)) {
        error.origin = .init(
          kind: .operation(name: source.name, operands: source.operands), time: origin.t)
      }
    }
    return error
  }

  /// The programs inside of this one's instructions, in the order of the image.
  package var nested: [ProgramDescription] {
    instructions.flatMap { $0.kernel.namedPrograms.map(\.program) }
  }

  /// What an instruction came from, by its number among those of this program and of all programs inside of it, the
  /// order of the image. `part`: which of its fused operations; negative: all.
  func source(of number: Int, part: Int) -> Origin? {
    guard number >= instructions.count else {
      let whole = origins[instructions[number].origin]
      return whole.parts.indices.contains(part) ? whole.parts[part] : whole
    }
    var rest = number - instructions.count
    for program in nested {
      if rest < program.instructionCount { return program.source(of: rest, part: part) }
      rest -= program.instructionCount
    }
    return nil
  }

  /// Those of all programs inside included.
  package var instructionCount: Int { nested.reduce(instructions.count) { $0 + $1.instructionCount } }
}
