/// What one step is about: the loss that is minimised, and scalars worth watching.
public struct Objective<Scalar: FloatingScalar> {
  /// Scalar.
  public var loss: Tensor<Scalar>
  /// Scalars; they receive no gradient.
  public var metrics: [(name: String, value: Tensor<Scalar>)]
  /// The model's parameters as the objective leaves them; nil: as they were.
  package var successors: [Value]?

  /// - Parameters:
  ///   - loss: scalar.
  ///   - metrics: scalars by name; they receive no gradient.
  public init(loss: Tensor<Scalar>, metrics: KeyValuePairs<String, Tensor<Scalar>> = [:]) {
    require(loss.shape == [], "Objective: the loss must be a scalar, got shape \(loss.shape)")
    for (name, value) in metrics {
      require(
        value.shape == [], "Objective: the metric \(name) must be a scalar, got shape \(value.shape)")
    }
    self.loss = loss
    self.metrics = metrics.map { ($0.key, $0.value) }
  }

  /// An objective that changed the model it was given: parameters that it replaced (running statistics of a `BatchNorm`) go
  /// into the next step as they are, and only the others are the optimizer's.
  /// - Parameter model: the model that the objective was called with, after its changes.
  public init(
    loss: Tensor<Scalar>, metrics: KeyValuePairs<String, Tensor<Scalar>> = [:], model: some Module
  ) {
    self.init(loss: loss, metrics: metrics)
    successors = model.parameterValues
  }
}

/// What one step, or one evaluation, computed.
public struct StepReport: Sendable {
  /// Of a step: before the update.
  public var loss: Double
  /// Euclidean norm of the gradient before clipping; nil for evaluations. Without clipping it is infinite where the sum of
  /// the squares overflows.
  public var gradientNorm: Double?
  /// In the order of the objective; likewise before the update.
  public var metrics: [(name: String, value: Double)]
  /// Every solve in the step: whether it is the gradient of one, and what it cost.
  public var solves: [(isGradient: Bool, statistics: SolveStatistics)]

  /// The first metric of this name; nil where there is none.
  public subscript(metric: String) -> Double? { metrics.first { $0.name == metric }?.value }
  /// Evaluations of vector fields in forward solves.
  public var forwardEvaluations: Int { evaluations(false) }
  /// Evaluations of vector fields (with their derivatives) in gradients of solves.
  public var backwardEvaluations: Int { evaluations(true) }

  private func evaluations(_ isGradient: Bool) -> Int {
    solves.reduce(0) { $0 + ($1.isGradient == isGradient ? $1.statistics.evaluations : 0) }
  }
}
