import Foundation

/// A step of a trainer that was computed and not taken, because it would have left numbers that are none.
public struct TrainingError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The step's number, from 1; the trainer's `stepCount` is still one less.
  public var step: Int
  public var loss: Double
  /// As in `StepReport`.
  public var gradientNorm: Double

  public var description: String {
    "step \(step): \(reason); parameters and the optimizer's state are as before it"
  }

  /// What is not finite, in words.
  public var reason: String {
    if loss.isNaN { return "the loss is NaN" }  // its sign says nothing
    if loss.isInfinite { return "the loss is \(loss)" }
    if gradientNorm.isNaN { return "the loss is \(loss), but its gradient has elements that are NaN" }
    return
      "the loss is \(loss) and the norm of its gradient \(gradientNorm), of which the optimizer makes numbers that are "
      + "not finite"
  }
}

extension TrainingError: LocalizedError {
  /// As in print.
  public var errorDescription: String? { description }
}
