/// Stochastic gradient descent with momentum (Sutskever et al. 2013, in the form of PyTorch: the velocity is
/// not multiplied by the rate, v = momentum v + g, p = p - rate v; with Nesterov p = p - rate (g + momentum
/// v)).
public struct SGD: Optimizer {
  public var learningRate: Schedule
  /// In [0, 1).
  public var momentum: Double
  /// Needs a momentum above 0.
  public var nesterov: Bool
  /// Added to the gradient: weightDecay * parameters. Not negative.
  public var weightDecay: Double

  /// - Parameters:
  ///   - momentum: in [0, 1).
  ///   - weightDecay: finite and not negative.
  public init(learningRate: Schedule, momentum: Double = 0, nesterov: Bool = false, weightDecay: Double = 0) {
    self.learningRate = learningRate
    self.momentum = momentum
    self.nesterov = nesterov
    self.weightDecay = weightDecay
    requireSettings()
  }

  // Properties may be set after `init`, so what uses them looks again.
  private func requireSettings() {
    requireSetting("SGD", "momentum", momentum, .belowOne)
    requireSetting("SGD", "weightDecay", weightDecay, .notNegative)
    require(!nesterov || momentum > 0, "SGD: Nesterov's method needs momentum above 0, got \(momentum)")
  }

  public var name: String { "sgd" }
  public var stateNames: [String] { momentum == 0 ? [] : ["velocity"] }

  public func update<S: FloatingScalar>(
    parameters: Tensor<S>, gradient: Tensor<S>, state: [Tensor<S>], learningRate: Tensor<S>, step: Tensor<S>
  ) -> (parameters: Tensor<S>, state: [Tensor<S>]) {
    requireSettings()
    let gradient = weightDecay == 0 ? gradient : gradient + parameters * weightDecay
    guard momentum != 0 else { return (parameters - learningRate * gradient, []) }
    let velocity = state[0] * momentum + gradient
    let direction = nesterov ? gradient + velocity * momentum : velocity
    return (parameters - learningRate * direction, [velocity])
  }
}

extension Optimizer where Self == SGD {
  /// Stochastic gradient descent; ranges are those of `SGD.init`.
  public static func sgd(
    learningRate: Schedule, momentum: Double = 0, nesterov: Bool = false, weightDecay: Double = 0
  ) -> SGD {
    SGD(learningRate: learningRate, momentum: momentum, nesterov: nesterov, weightDecay: weightDecay)
  }
}
