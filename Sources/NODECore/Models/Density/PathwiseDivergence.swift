extension FlowDensity where Map: InvertibleFlow {
  /// The Kullback-Leibler divergence E_q[log q - log target] of `count` samples of this density q, a scalar to train on, whose
  /// gradient goes through the samples alone (Roeder, Wu, Duvenaud 2017, "Sticking the Landing"; for continuous flows Vaitl et
  /// al. 2022, "Gradients should stay on Path").
  ///
  /// With samples x = T(z), the derivative of log q(x) has two parts: through x, and of log q at a fixed x, the score, whose
  /// expectation is zero and whose variance is not. Without the score the gradient has the same expectation, and no noise at
  /// all where q is the target: steps near the end are not lost in it, as they are with `sampleWithLogDensity`. What it costs is
  /// the flow's way back, which tells log q at x.
  ///
  /// The score that is left out is that of the parameters. A context that was computed (`given`) keeps its own: its gradient has
  /// the right expectation, too, and noise at the target.
  /// - Parameters:
  ///   - logTarget: [rows, dimensions] -> [rows], not normalised.
  ///   - count: of the samples that the mean is taken over; positive.
  ///   - key: of the samples, and of what the flow draws, which is the same on its way there and back.
  public func pathwiseDivergence(
    to logTarget: (Tensor<Scalar>) throws -> Tensor<Scalar>, samples count: Int, key: RandomKey
  ) throws -> Tensor<Scalar> {
    let (z, flowKey) = baseSample(count, key)
    let x = try flow.stateFromBase(z, key: flowKey)
    let logDensity = try stoppingGradient().logDensity(x, key: flowKey)
    return try (logDensity - logTarget(x)).mean()
  }
}
