/// RMSprop (Tieleman, Hinton 2012, lecture 6e): the gradient over the root of its running mean square; `centered`, over the
/// root of its running variance (Graves 2013, eq. 38 to 45). In the form of PyTorch: epsilon is added to the root.
public struct RMSprop: Optimizer {
  public var learningRate: Schedule
  /// Of the mean squares, and of the velocity; in [0, 1).
  public var decay: Double, momentum: Double
  /// Positive, in the element type too: without it a parameter whose gradient is zero would become 0 / 0.
  public var epsilon: Double
  /// Added to the gradient: weightDecay * parameters. Not negative.
  public var weightDecay: Double
  /// Costs one more vector of state.
  public var centered: Bool

  /// Defaults are PyTorch's.
  /// - Parameters:
  ///   - decay, momentum: in [0, 1).
  ///   - epsilon: finite and positive.
  ///   - weightDecay: finite and not negative.
  public init(
    learningRate: Schedule, decay: Double = 0.99, epsilon: Double = 1e-8, momentum: Double = 0,
    weightDecay: Double = 0, centered: Bool = false
  ) {
    self.learningRate = learningRate
    self.decay = decay
    self.epsilon = epsilon
    self.momentum = momentum
    self.weightDecay = weightDecay
    self.centered = centered
    requireSettings()
  }

  // Properties may be set after `init`, so what uses them looks again.
  private func requireSettings() {
    requireSetting("RMSprop", "decay", decay, .belowOne)
    requireSetting("RMSprop", "epsilon", epsilon, .positive)
    requireSetting("RMSprop", "momentum", momentum, .belowOne)
    requireSetting("RMSprop", "weightDecay", weightDecay, .notNegative)
  }

  public var name: String { "rmsprop" }
  public var stateNames: [String] {
    ["meanSquare"] + (momentum == 0 ? [] : ["velocity"]) + (centered ? ["mean"] : [])
  }

  public func update<S: FloatingScalar>(
    parameters: Tensor<S>, gradient: Tensor<S>, state: [Tensor<S>], learningRate: Tensor<S>, step: Tensor<S>
  ) -> (parameters: Tensor<S>, state: [Tensor<S>]) {
    requireSettings()
    requirePositive("RMSprop", "epsilon", epsilon, in: S.self)
    let gradient = weightDecay == 0 ? gradient : gradient + parameters * weightDecay
    let meanSquare = state[0] * decay + square(gradient) * (1 - decay)
    var variance = meanSquare, means: [Tensor<S>] = []
    if centered {
      means = [state[state.count - 1] * decay + gradient * (1 - decay)]
      // Rounding may leave a constant gradient a variance just below zero.
      variance = maximum(meanSquare - square(means[0]), 0)
    }
    let scaled = gradient / (sqrt(variance) + epsilon)
    guard momentum != 0 else { return (parameters - learningRate * scaled, [meanSquare] + means) }
    let velocity = state[1] * momentum + scaled
    return (parameters - learningRate * velocity, [meanSquare, velocity] + means)
  }
}

extension Optimizer where Self == RMSprop {
  /// RMSprop; ranges are those of `RMSprop.init`.
  public static func rmsProp(
    learningRate: Schedule, decay: Double = 0.99, epsilon: Double = 1e-8, momentum: Double = 0,
    weightDecay: Double = 0, centered: Bool = false
  ) -> RMSprop {
    RMSprop(
      learningRate: learningRate, decay: decay, epsilon: epsilon, momentum: momentum,
      weightDecay: weightDecay,
      centered: centered)
  }
}
