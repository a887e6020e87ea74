// Along one axis: running sums, order, and elements by index. Negative axes count from the back.

extension Tensor {
  /// Applies a function of rows, whose last axis is the one that matters, to `axis`.
  fileprivate func along<Other>(
    _ axis: Int, _ operation: String, _ others: [Value] = [], _ function: ([Value]) -> Value
  ) -> Tensor<Other> {
    let axis = shape.normalized(axis: axis, operation)
    for other in others {
      require(
        other.shape.rank == rank,
        "\(operation): indices of shape \(other.shape) along an axis of shape \(shape): as many axes are needed"
      )
    }
    var order = Array(0..<rank)
    order.append(order.remove(at: axis))
    let result = function(([value] + others).map { $0.permuted(to: order) })
    var inverse = order
    for (position, source) in order.enumerated() { inverse[source] = position }
    return Tensor<Other>(result.permuted(to: inverse))
  }

  /// The elements along `axis` whose places `indices` gives: result[..., i, ...] = self[..., indices[..., i, ...], ...].
  /// `indices` has this tensor's shape but for its extent along `axis`. An index outside of the axis stops the program when
  /// the numbers are read; `evaluated()` throws it as a `SolveError` instead.
  public func takenAlong(axis: Int, at indices: Tensor<Int32>) -> Tensor {
    along(axis, "takenAlong", [indices.value]) { Graph.one(.rowwise(.takeAlong), $0) }
  }
}

extension Tensor where Scalar: FloatingScalar {
  /// Sums up to and including each element along `axis`; with `reversed` from each element to the end. Added in Double.
  public func cumulativeSum(axis: Int, reversed: Bool = false) -> Tensor {
    along(axis, "cumulativeSum") { Graph.one(.rowwise(.cumulativeSum(backward: reversed)), $0) }
  }

  /// The indices that sort the elements along `axis`. Equal elements keep their order; NaN counts as larger than every
  /// number. No derivative.
  public func argsorted(axis: Int = -1, descending: Bool = false) -> Tensor<Int32> {
    along(axis, "argsorted") { Graph.one(.rowwise(.argsort(descending: descending)), $0) }
  }

  /// The elements in ascending (or descending) order along `axis`; NaN counts as larger than every number. The derivative
  /// is that of the permutation, which is constant wherever no two elements are equal.
  public func sorted(axis: Int = -1, descending: Bool = false) -> Tensor {
    along(axis, "sorted") { x in
      let order = Graph.one(.rowwise(.argsort(descending: descending)), x)
      return Graph.one(.rowwise(.takeAlong), [x[0], order])
    }
  }

  /// The transpose of `takenAlong`: the elements added up at `indices` (of this tensor's shape) in zeros whose extent along
  /// `axis` is `entries`, which is not negative. An index outside of them is told as `takenAlong`'s.
  public func addedAlong(axis: Int, at indices: Tensor<Int32>, entries: Int) -> Tensor {
    require(entries >= 0, "addAlong: the entries must not be negative, got \(entries)")
    return along(axis, "addedAlong", [indices.value]) { Graph.one(.rowwise(.addAlong(entries: entries)), $0) }
  }
}
