// Losses. Each is a mean, so that the learning rate does not depend on the batch size.

/// The mean squared difference.
public func meanSquaredError<S: FloatingScalar>(_ prediction: Tensor<S>, _ target: Tensor<S>) -> Tensor<S> {
  requireEqualShapes("meanSquaredError", prediction, target)
  return square(prediction - target).mean()
}

/// The mean absolute difference.
public func meanAbsoluteError<S: FloatingScalar>(_ prediction: Tensor<S>, _ target: Tensor<S>) -> Tensor<S> {
  requireEqualShapes("meanAbsoluteError", prediction, target)
  return abs(prediction - target).mean()
}

/// Half the squared difference where it is below delta, else delta (|difference| - delta / 2) (Huber 1964);
/// the mean. Delta is positive, in the tensors' element type too.
public func huberLoss<S: FloatingScalar>(
  _ prediction: Tensor<S>, _ target: Tensor<S>, delta: Double = 1
) -> Tensor<S> {
  requireEqualShapes("huberLoss", prediction, target)
  require(S(delta) > 0, "huberLoss: delta must be positive in \(S.self), got \(delta)")
  // With c = min(|d|, delta) both branches are c |d| - c^2 / 2: no selection, and no kink for derivatives to
  // miss.
  let distance = abs(prediction - target)
  let capped = minimum(distance, Tensor(S(delta)))
  return (capped * distance - square(capped) * 0.5).mean()
}

/// The mean over the rows of -log softmax(logits)[label], for logits [rows, classes] and labels [rows].
public func crossEntropy<S: FloatingScalar>(logits: Tensor<S>, labels: Tensor<Int32>) -> Tensor<S> {
  softmaxCrossEntropy(logits: logits, labels: labels).mean()
}

/// The number of rows whose largest logit is at the label; of several equal ones, any counts. Scalar, no
/// derivative.
public func correctCount<S: FloatingScalar>(logits: Tensor<S>, labels: Tensor<Int32>) -> Tensor<S> {
  require(
    logits.rank == 2 && labels.shape == [logits.shape[0]],
    "correctCount: logits \(logits.shape) and labels \(labels.shape); [rows, classes] and [rows] are needed")
  // The label's logit by a comparison with 0, 1, ..., classes - 1: rows stay independent of each other.
  let chosen =
    labels.converted(to: S.self).reshaped(to: [logits.shape[0], 1]) .== Tensor<S>.iota(logits.shape[1])
  let largest = logits .>= logits.max(axes: [1], keepingDimensions: true)
  return stopGradient((chosen * largest).sum())
}

private func requireEqualShapes<S>(_ operation: String, _ a: Tensor<S>, _ b: Tensor<S>) {
  require(a.shape == b.shape, "\(operation): shapes \(a.shape) and \(b.shape) differ")
}
