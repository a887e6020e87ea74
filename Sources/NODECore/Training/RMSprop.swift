/// RMSprop (Tieleman, Hinton 2012, lecture 6e): the gradient over the root of its running mean square.
public struct RMSprop: Optimizer {
  public var learningRate: Schedule
  public var decay: Double, epsilon: Double, momentum: Double

  /// Defaults are PyTorch's.
  public init(learningRate: Schedule, decay: Double = 0.99, epsilon: Double = 1e-8, momentum: Double = 0) {
    self.learningRate = learningRate
    self.decay = decay
    self.epsilon = epsilon
    self.momentum = momentum
  }

  public var name: String { "rmsprop" }
  public var stateNames: [String] { momentum == 0 ? ["meanSquare"] : ["meanSquare", "velocity"] }

  public func update<S: FloatingScalar>(
    parameters: Tensor<S>, gradient: Tensor<S>, state: [Tensor<S>], learningRate: Tensor<S>, step: Tensor<S>
  ) -> (parameters: Tensor<S>, state: [Tensor<S>]) {
    let meanSquare = state[0] * decay + square(gradient) * (1 - decay)
    let scaled = gradient / (sqrt(meanSquare) + epsilon)
    guard momentum != 0 else { return (parameters - learningRate * scaled, [meanSquare]) }
    let velocity = state[1] * momentum + scaled
    return (parameters - learningRate * velocity, [meanSquare, velocity])
  }
}

extension Optimizer where Self == RMSprop {
  public static func rmsProp(
    learningRate: Schedule, decay: Double = 0.99, epsilon: Double = 1e-8, momentum: Double = 0
  ) -> RMSprop {
    RMSprop(learningRate: learningRate, decay: decay, epsilon: epsilon, momentum: momentum)
  }
}
