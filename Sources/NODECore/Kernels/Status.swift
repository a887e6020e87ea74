import CKernels
import Foundation

/// How a run ended. Exhaustive over what the kernels can answer.
public enum SolveStatus: Int, Sendable, Hashable, CaseIterable, CustomStringConvertible {
  case success
  /// The last time was not reached in so many steps; fixed ones are counted before the first.
  case maxSteps
  /// Steps became too small for t to advance, or smaller than the controller's `minimumStep`.
  case stepUnderflow
  /// A value of the field at the first time or in a fixed step; where steps adapt, smaller ones did not help.
  case nonFiniteField
  /// The state to start from, or a sum of finite slopes of a fixed step.
  case nonFiniteState
  case outOfMemory
  case invalidArgument
  /// Of a table or of an axis: `SolveError.badIndex`.
  case indexOutOfRange
  /// Times that were computed; known ones are refused, with a message, when the solve is made.
  case timesNotMonotone

  init(_ kernel: nk_status) {
    self =
      switch kernel {
      case .NK_SUCCESS: .success
      case .NK_MAX_STEPS: .maxSteps
      case .NK_STEP_UNDERFLOW: .stepUnderflow
      case .NK_NON_FINITE_FIELD: .nonFiniteField
      case .NK_NON_FINITE_STATE: .nonFiniteState
      case .NK_OUT_OF_MEMORY: .outOfMemory
      case .NK_INVALID_ARGUMENT: .invalidArgument
      case .NK_INDEX_OUT_OF_RANGE: .indexOutOfRange
      case .NK_TIMES_NOT_MONOTONE: .timesNotMonotone
      }
  }

  var kernel: nk_status {
    switch self {
    case .success: .NK_SUCCESS
    case .maxSteps: .NK_MAX_STEPS
    case .stepUnderflow: .NK_STEP_UNDERFLOW
    case .nonFiniteField: .NK_NON_FINITE_FIELD
    case .nonFiniteState: .NK_NON_FINITE_STATE
    case .outOfMemory: .NK_OUT_OF_MEMORY
    case .invalidArgument: .NK_INVALID_ARGUMENT
    case .indexOutOfRange: .NK_INDEX_OUT_OF_RANGE
    case .timesNotMonotone: .NK_TIMES_NOT_MONOTONE
    }
  }

  /// The status of a row of a solve's statistics, where it is stored as a number.
  package init?(statistic: Double) {
    guard let raw = Int(exactly: statistic) else { return nil }
    self.init(rawValue: raw)
  }

  /// One sentence: what happened and what to do about it.
  public var help: String { String(cString: nk_status_help(kernel)) }
  public var description: String { help }
}

/// A run that did not succeed, with everything that is known about where and why.
public struct SolveError: Error, Sendable, Hashable, CustomStringConvertible {
  /// Never `success`.
  public var status: SolveStatus
  /// The operation that failed, where that was not a solve: time and step are then those of a solve inside of it, if any.
  public var operation: String?
  /// The first lane at fault; nil where that is unknown or all of them are.
  public var lane: Int?
  /// The component of that lane's state, row-major. Of `.timesNotMonotone`: which of the times (of `lane`, where lanes have
  /// steps of their own), `time`.
  public var component: Int?
  /// The solver's time.
  public var time: Double
  /// The last step that it tried, signed.
  public var step: Double
  /// Steps tried, rejected ones included.
  public var steps: Int
  /// How many of `steps` were rejected.
  public var rejected: Int
  /// Error divided by tolerance of the last rejected step: above 1 means inaccurate, not finite means that a stage was
  /// not finite. Nil where no step was rejected.
  public var errorRatio: Double?
  /// Of `.maxSteps` with fixed steps: how many of them it takes.
  public var neededSteps: Int?
  /// Of `.outOfMemory`: how many bytes were asked for at once; nil where that is unknown.
  public var neededBytes: Int?
  /// Of `.indexOutOfRange`; nil where it was met by a lane with steps of its own.
  public var badIndex: BadIndex?

  /// The last attempts of the solve that failed, at most eight, the oldest first.
  public var lastSteps: [Attempt] = []
  /// Why steps were rejected, all of them; nil where nothing is known of it.
  public var rejections: Rejections?
  /// Where the first value that is not finite came from, of the last attempt or of the fixed step that failed; or, of
  /// `.indexOutOfRange` inside of a field, the operation that met the index.
  public var origin: Origin?
  /// The solve had succeeded; it is its gradient, integrated backward, that failed.
  public var isBackward = false

  /// An index that its table, or its axis, does not have.
  public struct BadIndex: Sendable, Hashable {
    /// Where it is among the indices, row-major. Of `takenAlong` and `addedAlong`: with their axis moved to the end.
    public var position: Int
    /// Negative, or not below `entries`.
    public var index: Int
    /// Rows of the table, or the extent of the axis.
    public var entries: Int
    /// Of `takenAlong` and `addedAlong`, whose indices are of elements along an axis, not of rows of a table.
    public var isAlongAxis = false
  }

  package init(
    status: SolveStatus, lane: Int? = nil, component: Int? = nil, time: Double = 0, step: Double = 0,
    steps: Int = 0, rejected: Int = 0, errorRatio: Double? = nil
  ) {
    self.status = status
    self.lane = lane
    self.component = component
    self.time = time
    self.step = step
    self.steps = steps
    self.rejected = rejected
    self.errorRatio = errorRatio
  }

  /// So many bytes were not to be had.
  package static func outOfMemory(bytes: Int) -> SolveError {
    var error = SolveError(status: .outOfMemory)
    error.neededBytes = bytes
    return error
  }

  /// `operation`: the one that failed, where that is not a solve.
  init(_ diagnosis: nk_diagnosis, operation: String? = nil) {
    self.init(
      status: SolveStatus(diagnosis.status), lane: diagnosis.lane < 0 ? nil : Int(diagnosis.lane),
      component: diagnosis.component < 0 ? nil : Int(diagnosis.component), time: diagnosis.t,
      step: diagnosis.h,
      steps: Int(diagnosis.steps), rejected: Int(diagnosis.rejected),
      errorRatio: diagnosis.rejected > 0 ? diagnosis.error_ratio : nil)
    self.operation = operation
    if let failure = diagnosis.failure?.pointee { tell(failure) }
    if diagnosis.steps_needed > 0 { neededSteps = Int(diagnosis.steps_needed) }
    if diagnosis.indexed != .NK_INDEXED_NOTHING {
      badIndex = BadIndex(
        position: Int(diagnosis.position), index: Int(diagnosis.index), entries: Int(diagnosis.entries),
        isAlongAxis: diagnosis.indexed == .NK_INDEXED_AXIS)
    }
  }

  public var description: String {
    var text = operation.map { "\($0): " } ?? ""
    if let neededSteps {
      // Above 9e15 the kernels stop counting.
      let count = neededSteps == .max ? "more than 9e15" : "\(neededSteps)"
      text += "the fixed steps are \(count), above maxSteps; raise maxSteps or take larger steps"
    } else if let neededBytes {
      text += "\(neededBytes) bytes of memory could not be obtained"
    } else {
      // The help speaks of tables, which most indices are of.
      text += isAlongAxis ? "an index is outside of the axis" : status.help
    }
    if let badIndex {
      text += "\nthe index at position \(badIndex.position) is \(badIndex.index), "
      text +=
        badIndex.isAlongAxis
        ? "the axis has \(badIndex.entries) elements" : "the table has \(badIndex.entries) rows"
    }
    return text + place + history + story
  }

  /// Whether a bad index was one along an axis; where it is not known which it was, by the operation that met it.
  private var isAlongAxis: Bool {
    guard status == .indexOutOfRange else { return false }
    if let badIndex { return badIndex.isAlongAxis }
    guard case .operation(let name, _) = origin?.kind else { return false }
    return name == RowOperation.takeAlong.name || name == RowOperation.addAlong(entries: 0).name
  }

  /// Outside of a solve there is no time and nothing was stepped.
  private var place: String {
    if status == .timesNotMonotone {
      let owner = lane.map { " of lane \($0)" } ?? ""
      return component.map { "\ntimes[\($0)]\(owner) is \(time)" } ?? ""
    }
    guard steps > 0 || step != 0 || (operation == nil && lane != nil) else { return "" }
    var place = isBackward ? "\nbackward, at" : "\nat"
    place += " t = \(time), step \(step)"
    if let lane { place += ", lane \(lane)" }
    if let component { place += ", component \(component)" }
    return place
  }

  private var history: String {
    var text = steps > 0 ? "\nafter \(steps) steps, \(rejected) of them rejected" : ""
    if steps > 0, let rejections, rejections.inaccurate > 0 && rejections.notFinite > 0 {
      text += " (\(rejections.inaccurate) inaccurate, \(rejections.notFinite) not finite)"
    }
    if let errorRatio, rejected > 0 {
      text +=
        errorRatio.isFinite
        ? "; the last rejected one had \(errorRatio) times the tolerated error"
        : "; the last rejected one had a stage that was not finite"
    }
    return text
  }
}

extension SolveError: LocalizedError {
  /// As in print.
  public var errorDescription: String? { description }
}
