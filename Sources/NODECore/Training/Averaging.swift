/// An optimizer that also keeps an exponential moving average of the parameters it makes, as one more vector of its state:
/// computed in the step's program, stored in checkpoints, read by `Trainer.averagedModel`.
///
/// The parameters are those that the trainer keeps: where the objective replaced some, such as running statistics, its own
/// and not the optimizer's. After the first step the average is the parameters; from then on
/// average += (1 - decay) (parameters - average), as in PyTorch's `AveragedModel` with `get_ema_multi_avg_fn`.
public struct AveragingOptimizer<Base: Optimizer>: Optimizer, ParameterAveraging {
  /// Makes the steps; the average has no part in them.
  public var base: Base
  /// In [0, 1).
  public var decay: Double

  public var name: String { base.name + ", averaged" }
  public var learningRate: Schedule { base.learningRate }
  public var stateNames: [String] { base.stateNames + [averageName] }

  public func update<S: FloatingScalar>(
    parameters: Tensor<S>, gradient: Tensor<S>, state: [Tensor<S>], learningRate: Tensor<S>, step: Tensor<S>
  ) -> (parameters: Tensor<S>, state: [Tensor<S>]) {
    requireSetting("averaged", "the decay", decay, .belowOne)
    let updated = base.update(
      parameters: parameters, gradient: gradient, state: Array(state.dropLast()), learningRate: learningRate,
      step: step)
    return (
      updated.parameters,
      updated.state + [average(state[state.count - 1], following: updated.parameters, step: step)]
    )
  }

  /// The average after a step that ended at `parameters`.
  func average<S: FloatingScalar>(
    _ average: Tensor<S>, following parameters: Tensor<S>, step: Tensor<S>
  ) -> Tensor<S> {
    let share = `where`(step .> Tensor(S(1)), Tensor(S(1 - decay)), Tensor(S(1)))
    return average + (parameters - average) * share
  }
}

/// An optimizer whose last vector of state is an average of the parameters.
protocol ParameterAveraging {
  func average<S: FloatingScalar>(
    _ average: Tensor<S>, following parameters: Tensor<S>, step: Tensor<S>
  ) -> Tensor<S>
}

/// Name of the average among an optimizer's vectors.
let averageName = "average"

extension Optimizer {
  /// This optimizer with an exponential moving average of the parameters. A decay of 0.999 averages over about the last
  /// thousand steps; it has to be in [0, 1).
  public func averaged(decay: Double) -> AveragingOptimizer<Self> {
    requireSetting("averaged", "the decay", decay, .belowOne)
    return AveragingOptimizer(base: self, decay: decay)
  }
}
