/// Dropout (Srivastava et al. 2014): in training each element is zero with this probability and divided by the
/// probability of staying otherwise, so that its expectation is its value. Which ones is a function of the key: there is
/// no hidden state, and a solve that is given one key drops the same elements at every evaluation of its field.
public struct Dropout<Scalar: FloatingScalar>: Layer {
  /// Of being dropped, in [0, 1).
  public var probability: Double { didSet { requireSettings() } }

  /// - Parameter probability: of being dropped, in [0, 1).
  public init(_ probability: Double = 0.5) {
    self.probability = probability
    requireSettings()
  }

  private func requireSettings() { requireSetting("Dropout", "the probability", probability, .belowOne) }

  /// Inference: x itself.
  public func callAsFunction(_ x: Tensor<Scalar>) -> Tensor<Scalar> { x }

  /// Training.
  public func callAsFunction(_ x: Tensor<Scalar>, key: RandomKey) -> Tensor<Scalar> {
    if probability == 0 { return x }
    let stays = Tensor<Scalar>.bernoulli(shape: x.shape, probability: 1 - probability, key: key)
    return x * (stays * (1 / (1 - probability)))
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {}
}
