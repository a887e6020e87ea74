import NODECore

/// A function of a state [lanes, features], a time and captured tensors, composed at random: the field of a solve or the body
/// of a loop. Smooth, bounded, and the same function for every call.
struct RandomField {
  enum Step: CaseIterable {
    case product, shift, tanh, gate, time, sine, softplus, center, roll, sums, system, scale, mixLanes
  }

  let steps: [Step]
  let features: Int

  /// - Parameter mixesLanes: whether rows may depend on each other.
  init(features: Int, mixesLanes: Bool, using generator: inout SplitMix) {
    self.features = features
    // The columns of one system are lanes, too, and no rows.
    let allowed = Step.allCases.filter { mixesLanes || ($0 != .mixLanes && $0 != .system) }
    steps = (0..<Int.random(in: 1...6, using: &generator)).map { _ in
      allowed.randomElement(using: &generator)!
    }
  }

  /// Shapes of the captures: two matrices and a vector of the features, a scalar.
  func captureShapes() -> [Shape] { [[features, features], [features, features], [features], []] }

  func callAsFunction(_ t: Tensor<Double>, _ y: Tensor<Double>, _ captures: [Tensor<Double>]) -> Tensor<
    Double
  > {
    let (w, u, b, c) = (captures[0], captures[1], captures[2], captures[3])
    var h = y
    for step in steps {
      switch step {
      case .product: h = matmul(h, w)
      case .shift: h = h + b
      case .tanh: h = tanh(matmul(h, u, transposeB: true))
      case .gate: h = h * sigmoid(y)
      case .time: h = h * cos(t * 1.5) + sin(t + c)
      case .sine: h = sin(h * c)
      case .softplus: h = softplus(h) - 0.5
      case .center: h = h - h.mean(axes: -1, keepingDimensions: true)
      case .roll:
        let (head, tail) = (h[..., 0..<1], h[..., 1..<features])
        h = features > 1 ? Tensor.concatenated([tail, head], axis: 1) : h.reversed(axes: 1)
      case .sums: h = h.cumulativeSum(axis: 1) * (1 / Double(features))
      case .system:
        // Diagonally dominant for weights below 1.
        let a = Tensor<Double>.identityMatrix(features) * (1.5 + Double(features)) + w
        h = solve(a, h.transposed()).transposed()
      case .scale: h = h * c
      case .mixLanes: h = h - h.mean(axes: 0, keepingDimensions: true)
      }
    }
    return tanh(h) * 0.8 - y * 0.3
  }
}
