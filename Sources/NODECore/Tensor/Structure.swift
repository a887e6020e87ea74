// Operations that move elements and change none. Negative axes count from the back.

extension Tensor {
  /// The same elements in row-major order under another shape of as many elements.
  public func reshaped(to shape: Shape) -> Tensor { Tensor(value.reshaped(to: shape)) }

  /// Merges `axis` and all behind it into one.
  public func flattened(from axis: Int = 0) -> Tensor {
    if rank == 0 { return reshaped(to: [1]) }
    let first = shape.normalized(axis: axis, "flattened")
    let head = Array(shape.dimensions[..<first]), tail = shape.dimensions[first...].reduce(1, *)
    return reshaped(to: Shape(head + [tail]))
  }

  /// An axis of extent 1 that becomes axis `axis` of the result.
  public func expandingShape(at axis: Int) -> Tensor {
    let position = axis < 0 ? axis + rank + 1 : axis
    require(position >= 0 && position <= rank, "expandingShape: axis \(axis) does not fit \(shape)")
    var dimensions = shape.dimensions
    dimensions.insert(1, at: position)
    return reshaped(to: Shape(dimensions))
  }

  /// Removes axes of extent 1. Traps where another extent is met.
  public func squeezed(axes: Int...) -> Tensor {
    let removed = axes.map { shape.normalized(axis: $0, "squeezed") }
    require(
      removed.allSatisfy { shape[$0] == 1 }, "squeezed: axes \(axes) of \(shape) are not all of extent 1")
    let kept = shape.dimensions.indices.filter { !removed.contains($0) }
    return reshaped(to: Shape(kept.map { shape[$0] }))
  }

  /// Axis i of the result is axis order[i] of this tensor.
  public func permuted(to order: Int...) -> Tensor { permuted(to: order) }

  /// Axis i of the result is axis order[i] of this tensor.
  public func permuted(to order: [Int]) -> Tensor {
    Tensor(value.permuted(to: order.map { shape.normalized(axis: $0, "permuted") }))
  }

  /// The last two axes exchanged: the transpose of a matrix or of every matrix of a batch.
  public func transposed() -> Tensor {
    require(rank >= 2, "transposed: \(shape) has no two axes to exchange")
    return permuted(to: Array(0..<rank - 2) + [rank - 1, rank - 2])
  }

  /// The order of elements along the axes turned around.
  public func reversed(axes: Int...) -> Tensor {
    Tensor(value.reversed(axes: axes.map { shape.normalized(axis: $0, "reversed") }))
  }

  /// Zeros around the elements: `before[i]` and `after[i]` of them along axis i.
  public func padded(before: [Int], after: [Int]) -> Tensor {
    Tensor(value.padded(low: before, high: after, interior: Array(repeating: 0, count: rank)))
  }

  /// Elements `range` along `axis`, every `step`-th.
  public func sliced(_ range: Range<Int>, axis: Int, step: Int = 1) -> Tensor {
    let axis = shape.normalized(axis: axis, "slice")
    var start = Array(repeating: 0, count: rank), limit = shape.dimensions,
      steps = Array(repeating: 1, count: rank)
    (start[axis], limit[axis], steps[axis]) = (range.lowerBound, range.upperBound, step)
    return Tensor(value.sliced(start: start, limit: limit, step: steps))
  }

  /// Consecutive pieces of these extents along `axis`; they have to add up to the whole.
  public func split(counts: [Int], axis: Int) -> [Tensor] {
    let extent = shape[shape.normalized(axis: axis, "split")]
    require(
      counts.allSatisfy { (0...extent).contains($0) } && counts.reduce(0, +) == extent,
      "split: \(counts) does not add up to axis \(axis) of \(shape)")
    var start = 0
    return counts.map { count in
      defer { start += count }
      return sliced(start..<start + count, axis: axis)
    }
  }

  /// The tensors one after the other along `axis`; other extents have to be equal.
  public static func concatenated(_ tensors: [Tensor], axis: Int = 0) -> Tensor {
    require(!tensors.isEmpty, "concatenate: no tensors")
    let front = tensors[0].shape.normalized(axis: axis, "concatenate")
    return Tensor(Graph.one(.concatenate(axis: front), tensors.map(\.value)))
  }

  /// Tensors of one shape along a new axis.
  public static func stacked(_ tensors: [Tensor], axis: Int = 0) -> Tensor {
    require(!tensors.isEmpty, "stacked: no tensors")
    let shape = tensors[0].shape
    require(
      tensors.allSatisfy { $0.shape == shape }, "stacked: shapes differ: \(tensors.map(\.shape))")
    require(
      (-shape.rank - 1...shape.rank).contains(axis),
      "stacked: axis \(axis) does not fit tensors of shape \(shape)")
    return concatenated(tensors.map { $0.expandingShape(at: axis) }, axis: axis)
  }

  /// Rows of this table at `indices` [n...]; of [entries, rest...] they are [n..., rest...]. The entries are along `axis`,
  /// whose place the axes of the indices take. An index outside of 0..<entries stops the program when the
  /// numbers are read; `evaluated()` throws it as a `SolveError` instead.
  public func gather(at indices: Tensor<Int32>, axis: Int = 0) -> Tensor {
    let axis = shape.normalized(axis: axis, "gather")
    let table = value.permuted(to: [axis] + (0..<rank).filter { $0 != axis })
    let rows = Graph.one(.gather, [table, indices.value])
    let n = indices.rank
    let order = Array(n..<n + axis) + Array(0..<n) + Array(n + axis..<n + rank - 1)
    return Tensor(rows.permuted(to: order))
  }

  /// The transpose of `gather`: rows [n..., rest...] added up at `indices` [n...] in a table [entries, rest...]. The entries
  /// are along axis `axis` of the table, in whose place these rows have the axes of the indices. `entries` is not negative.
  public func scatterAdded(at indices: Tensor<Int32>, entries: Int, axis: Int = 0) -> Tensor {
    require(entries >= 0, "scatterAdd: the entries must not be negative, got \(entries)")
    let n = indices.rank
    // Before any sum with it: an axis may be any integer.
    require(
      n <= rank && axis >= n - rank - 1 && axis <= rank - n,
      "scatterAdd: axis \(axis) of rows \(shape) at indices \(indices.shape)")
    let front = axis < 0 ? axis + rank - n + 1 : axis
    let leading = Array(front..<front + n)
    let rows = value.permuted(to: leading + (0..<rank).filter { !leading.contains($0) })
    let table = Graph.one(.scatterAdd(entries: entries), [rows, indices.value])
    return Tensor(table.permuted(to: Array(1..<front + 1) + [0] + Array(front + 1..<rank - n + 1)))
  }
}
