/// An update rule as a value: traced operations on one flat vector of parameters. Its learning rate and the
/// step counter are inputs of the compiled step.
public protocol Optimizer: Sendable {
  /// "adam"; checkpoints name it.
  var name: String { get }
  /// Asked on the host before every step, with the number of steps done.
  var learningRate: Schedule { get }
  /// Names of the vectors it keeps, each as long as the parameters; all start at zero.
  var stateNames: [String] { get }

  /// The parameters and the state after one step.
  /// - Parameters:
  ///   - parameters, gradient: [n].
  ///   - state: one [n] per name.
  ///   - learningRate: scalar.
  ///   - step: scalar, 1 in the first step.
  func update<S: FloatingScalar>(
    parameters: Tensor<S>, gradient: Tensor<S>, state: [Tensor<S>], learningRate: Tensor<S>, step: Tensor<S>
  ) -> (parameters: Tensor<S>, state: [Tensor<S>])
}
