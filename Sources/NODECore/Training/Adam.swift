import Foundation

/// Adam (Kingma, Ba 2015, algorithm 1), or AdamW (Loshchilov, Hutter 2019, algorithm 2) with decoupled weight
/// decay.
public struct Adam: Optimizer {
  public var learningRate: Schedule
  /// In [0, 1).
  public var beta1: Double, beta2: Double
  /// Positive, in the element type too: without it a parameter whose gradient is zero would become 0 / 0.
  public var epsilon: Double
  /// Not negative.
  public var weightDecay: Double
  /// true: decay shrinks the parameters themselves (AdamW); false: it is added to the gradient.
  public var decoupled: Bool

  /// - Parameters:
  ///   - beta1, beta2: in [0, 1).
  ///   - epsilon: finite and positive.
  ///   - weightDecay: finite and not negative.
  public init(
    learningRate: Schedule, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8,
    weightDecay: Double = 0, decoupled: Bool = false
  ) {
    self.learningRate = learningRate
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.weightDecay = weightDecay
    self.decoupled = decoupled
    requireSettings()
  }

  // Properties may be set after `init`, so what uses them looks again.
  private func requireSettings() {
    let name = decoupled ? "AdamW" : "Adam"
    requireSetting(name, "beta1", beta1, .belowOne)
    requireSetting(name, "beta2", beta2, .belowOne)
    requireSetting(name, "epsilon", epsilon, .positive)
    requireSetting(name, "weightDecay", weightDecay, .notNegative)
  }

  public var name: String { decoupled ? "adamw" : "adam" }
  public var stateNames: [String] { ["firstMoment", "secondMoment"] }

  public func update<S: FloatingScalar>(
    parameters: Tensor<S>, gradient: Tensor<S>, state: [Tensor<S>], learningRate: Tensor<S>, step: Tensor<S>
  ) -> (parameters: Tensor<S>, state: [Tensor<S>]) {
    requireSettings()
    requirePositive(decoupled ? "AdamW" : "Adam", "epsilon", epsilon, in: S.self)
    let coupledDecay = weightDecay != 0 && !decoupled
    let gradient = coupledDecay ? gradient + parameters * weightDecay : gradient
    let first = state[0] * beta1 + gradient * (1 - beta1)
    let second = state[1] * beta2 + square(gradient) * (1 - beta2)
    // 1 - beta^step as -expm1(step log beta): in Float the plain difference loses four digits for beta2 in
    // early steps.
    let correction1 = -expm1(step * Foundation.log(beta1))
    let correction2 = -expm1(step * Foundation.log(beta2))
    let scale = learningRate / correction1
    let moved = scale * first / (sqrt(second / correction2) + epsilon)
    let shrunk =
      weightDecay != 0 && decoupled ? parameters - parameters * (learningRate * weightDecay) : parameters
    return (shrunk - moved, [first, second])
  }
}

extension Optimizer where Self == Adam {
  /// Adam; ranges are those of `Adam.init`.
  public static func adam(
    learningRate: Schedule, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8,
    weightDecay: Double = 0
  ) -> Adam {
    Adam(learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon, weightDecay: weightDecay)
  }

  /// AdamW: decay shrinks the parameters themselves. Ranges are those of `Adam.init`.
  public static func adamW(
    learningRate: Schedule, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8,
    weightDecay: Double = 1e-2
  ) -> Adam {
    Adam(
      learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon, weightDecay: weightDecay,
      decoupled: true)
  }
}
