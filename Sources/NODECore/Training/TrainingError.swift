import Foundation

/// A step of a trainer that was computed and not taken, because it would have left numbers that are none.
public struct TrainingError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The step's number, from 1; the trainer's `stepCount` is still one less.
  public var step: Int
  public var loss: Double
  /// As in `StepReport`.
  public var gradientNorm: Double

  public var description: String {
    let what =
      loss.isNaN || loss.isInfinite
      ? "the loss is \(loss.isNaN ? "NaN" : "\(loss)")"  // the sign of NaN says nothing
      : gradientNorm.isNaN
        ? "the loss is \(loss), but its gradient has elements that are NaN"
        : "the loss is \(loss) and the norm of its gradient \(gradientNorm), but the updated parameters are not finite"
    return "step \(step): \(what); parameters and the optimizer's state are as before it"
  }
}

extension TrainingError: LocalizedError {
  /// As in print.
  public var errorDescription: String? { description }
}
