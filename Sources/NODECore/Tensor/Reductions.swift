// Reductions. Without axes they take all of them; negative axes count from the back. `keepingDimensions` leaves extents 1
// in the place of the reduced axes.

extension Tensor where Scalar: FloatingScalar {
  /// The sum over `axes` (all, when none is given).
  public func sum(axes: Int..., keepingDimensions: Bool = false) -> Tensor {
    sum(axes: every(axes), keepingDimensions: keepingDimensions)
  }

  /// The largest element along `axes` (all, when none is given); NaN where there is one. Elements that share the maximum
  /// share its derivative equally.
  public func max(axes: Int..., keepingDimensions: Bool = false) -> Tensor {
    max(axes: every(axes), keepingDimensions: keepingDimensions)
  }

  /// The smallest element along `axes` (all, when none is given).
  public func min(axes: Int..., keepingDimensions: Bool = false) -> Tensor {
    -((-self).reduced(.max, every(axes), keepingDimensions, for: "min"))
  }

  /// The mean over `axes` (all, when none is given).
  public func mean(axes: Int..., keepingDimensions: Bool = false) -> Tensor {
    mean(axes: every(axes), keepingDimensions: keepingDimensions)
  }

  /// The mean squared distance from the mean over `axes` (all, when none is given): divided by n, not n - 1.
  public func variance(axes: Int..., keepingDimensions: Bool = false) -> Tensor {
    variance(axes: every(axes), keepingDimensions: keepingDimensions)
  }

  /// The sum over exactly these axes; over none it is the tensor itself.
  public func sum(axes: [Int], keepingDimensions: Bool = false) -> Tensor {
    reduced(.sum, axes, keepingDimensions, for: "sum")
  }

  /// The maximum over exactly these axes.
  public func max(axes: [Int], keepingDimensions: Bool = false) -> Tensor {
    reduced(.max, axes, keepingDimensions, for: "max")
  }

  /// The mean over exactly these axes.
  public func mean(axes: [Int], keepingDimensions: Bool = false) -> Tensor {
    mean(axes, keepingDimensions, for: "mean")
  }

  /// The variance (divided by n) over exactly these axes.
  public func variance(axes: [Int], keepingDimensions: Bool = false) -> Tensor {
    square(self - mean(axes, true, for: "variance")).mean(axes, keepingDimensions, for: "variance")
  }

  private func mean(_ axes: [Int], _ keepingDimensions: Bool, for name: String) -> Tensor {
    let total = reduced(.sum, axes, keepingDimensions, for: name)
    let count = axes.reduce(1) { $0 * shape[shape.normalized(axis: $1, name)] }
    return total * (1 / Double(count))
  }

  private func every(_ axes: [Int]) -> [Int] { axes.isEmpty ? Array(0..<rank) : axes }

  /// - Parameter name: what messages begin with.
  fileprivate func reduced(
    _ reduction: Reduction, _ axes: [Int], _ keepingDimensions: Bool, for name: String
  ) -> Tensor {
    let axes = axes.map { shape.normalized(axis: $0, name) }.sorted()
    require(
      Set(axes).count == axes.count, "\(name): axes \(axes) are not distinct axes of shape \(shape)")
    require(
      reduction == .sum || axes.allSatisfy { shape[$0] > 0 },
      "\(name): axes \(axes) of shape \(shape) have no elements to compare")
    let result = Graph.one(.reduce(reduction, axes: axes), [value])
    guard keepingDimensions else { return Tensor(result) }
    var dimensions = shape.dimensions
    for axis in axes { dimensions[axis] = 1 }
    return Tensor(result.reshaped(to: Shape(dimensions)))
  }
}

/// log(sum(exp(x))) along `axis`, without overflow; [.., axis, ..] -> [.., ..], or extent 1 there.
public func logSumExp<S: FloatingScalar>(
  _ x: Tensor<S>, axis: Int = -1, keepingDimensions: Bool = false
) -> Tensor<S> {
  logSumExp(x, axis, keepingDimensions, for: "logSumExp")
}

private func logSumExp<S: FloatingScalar>(
  _ x: Tensor<S>, _ axis: Int, _ keepingDimensions: Bool, for name: String
) -> Tensor<S> {
  // The shift cancels, so it needs no derivative; an infinite one would make NaN of inf - inf.
  let largest = stopGradient(x.reduced(.max, [axis], true, for: name))
  let shift = `where`(abs(largest) .<= Tensor(S.greatestFiniteMagnitude), largest, 0)
  let result = log(exp(x - shift).sum(axes: [axis], keepingDimensions: true)) + shift
  if keepingDimensions { return result }
  return result.squeezed(axes: axis)
}

/// exp(x) / sum(exp(x)) along `axis`.
public func softmax<S: FloatingScalar>(_ x: Tensor<S>, axis: Int = -1) -> Tensor<S> {
  let e = exp(x - stopGradient(x.reduced(.max, [axis], true, for: "softmax")))
  return e / e.sum(axes: [axis], keepingDimensions: true)
}

/// log(softmax(x)) along `axis`, without cancellation.
public func logSoftmax<S: FloatingScalar>(_ x: Tensor<S>, axis: Int = -1) -> Tensor<S> {
  x - logSumExp(x, axis, true, for: "logSoftmax")
}
