/// Batch normalisation (Ioffe, Szegedy 2015) with a scale and a shift per channel: [n, spatial..., channels].
///
/// Called, it normalises by the running statistics (inference). `training` normalises by the moments of the batch and moves
/// the running statistics, which is a change of the layer: an objective hands the changed model back, and the step keeps
/// what the optimizer must not touch.
///
/// ```swift
/// Trainer(model, optimizer: .adam(learningRate: 1e-3)) { (model: Net, batch: Batch, _) in
///   var model = model
///   let loss = meanSquaredError(model.training(batch.x), batch.y)
///   return Objective(loss: loss, model: model)
/// }
/// ```
/// Samples of a training batch talk to each other, so inside of a solve its rows are no lanes.
public struct BatchNorm<Scalar: FloatingScalar>: Layer {
  /// [channels].
  public var scale: Tensor<Scalar>
  /// [channels].
  public var bias: Tensor<Scalar>
  /// [channels]; zeros at first. Not trained: optimizers leave it alone.
  public var runningMean: Tensor<Scalar>
  /// [channels]; ones at first. Not trained.
  public var runningVariance: Tensor<Scalar>
  /// The weight of a new batch in the running statistics; in [0, 1].
  public var momentum: Double { didSet { requireSettings() } }
  /// Finite and positive, in the element type too.
  public var epsilon: Double { didSet { requireSettings() } }

  /// Defaults are PyTorch's.
  /// - Parameters:
  ///   - momentum: in [0, 1].
  ///   - epsilon: finite and positive.
  public init(channels: Int, momentum: Double = 0.1, epsilon: Double = 1e-5) {
    require(channels > 0, "BatchNorm: the number of channels must be positive, got \(channels)")
    scale = .ones([channels])
    bias = .zeros([channels])
    runningMean = .zeros([channels])
    runningVariance = .ones([channels])
    self.momentum = momentum
    self.epsilon = epsilon
    requireSettings()
  }

  private func requireSettings() {
    requireSetting("BatchNorm", "momentum", momentum, .share)
    requireSetting("BatchNorm", "epsilon", epsilon, .positive)
    requirePositive("BatchNorm", "epsilon", epsilon, in: Scalar.self)
  }

  /// By the running statistics.
  public func callAsFunction(_ x: Tensor<Scalar>) -> Tensor<Scalar> {
    requireChannels(x)
    let factor = scale * rsqrt(stopGradient(runningVariance) + epsilon)
    return x * factor + (bias - stopGradient(runningMean) * factor)
  }

  /// By the moments of the batch, variance divided by the number of elements n. The running statistics move by `momentum`
  /// towards the mean and the unbiased variance (divided by n - 1), as PyTorch's.
  public mutating func training(_ x: Tensor<Scalar>) -> Tensor<Scalar> {
    requireChannels(x)
    let axes = Array(0..<x.rank - 1), count = x.count / x.shape[x.rank - 1]
    require(count > 1, "BatchNorm: one element per channel has no variance, got \(x.shape)")
    let mean = x.mean(axes: axes)
    let centred = x - mean
    let variance = square(centred).mean(axes: axes)
    let unbiased = stopGradient(variance) * (Double(count) / Double(count - 1))
    runningMean = stopGradient(runningMean) * (1 - momentum) + stopGradient(mean) * momentum
    runningVariance = stopGradient(runningVariance) * (1 - momentum) + unbiased * momentum
    return centred * (scale * rsqrt(variance + epsilon)) + bias
  }

  private func requireChannels(_ x: Tensor<Scalar>) {
    require(
      x.rank >= 2 && x.shape[x.rank - 1] == scale.shape[0],
      "BatchNorm: input \(x.shape); [n, spatial..., \(scale.shape[0])] is needed")
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {
    visit("scale", &scale)
    visit("bias", &bias)
    visit.statistic("runningMean", &runningMean)
    visit.statistic("runningVariance", &runningVariance)
  }
}
