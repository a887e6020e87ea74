// Traces of chains, exact and estimated. With d_i the diagonals of a row and M_i the matrices between them, W the product of
// the last matrix and the first (what a cycle closes with):
//
//   one diagonal     tr = d1 . diag(W)
//   two              tr = ((d1 (M1 * Wᵀ)) . d2, elementwise in the middle: one product of a row with a matrix
//   three and more   as many rows as the state has columns, pushed through what is between the first and last diagonal
//
// The first two are noise-free at the price of one probe or less; their matrices hold no row, so a solve has them computed
// once. Sources: the identity tr(A B) = tr(B A); Chen et al. (2018) use the first for planar flows.

extension JacobianChain {
  /// How the cycle is written: `first` and `last` are the matrices before the first diagonal and after the last (nil: none,
  /// the identity), `diagonals` the diagonals, `between` the matrices between them, one fewer.
  private struct Cycle {
    var first: Value?, last: Value?
    var diagonals: [Value] = []
    var between: [Value] = []
  }

  private var cycle: Cycle {
    var cycle = Cycle()
    for factor in withoutScales.factors {
      switch factor {
      case .diagonal(let diagonal): cycle.diagonals.append(diagonal)
      case .scale: preconditionFailure("a chain without scales")
      case .matrix(let matrix) where cycle.diagonals.isEmpty: cycle.first = matrix
      case .matrix(let matrix):
        if let last = cycle.last { cycle.between.append(last) }
        cycle.last = matrix
      }
    }
    // A matrix is the last one only where no diagonal follows it.
    if case .diagonal = withoutScales.factors.last, let last = cycle.last {
      cycle.between.append(last)
      cycle.last = nil
    }
    return cycle
  }

  /// Multiply-adds of one row's exact trace, in matrix products.
  func traceCost(width: Int) -> Int {
    let cycle = cycle
    switch cycle.diagonals.count {
    case 0, 1: return 0
    case 2: return cycle.between[0].shape.count
    default: return width * cycle.between.reduce(0) { $0 + $1.shape.count }
    }
  }

  /// Multiply-adds of one row's product with the chain.
  var productCost: Int {
    factors.reduce(0) {
      if case .matrix(let matrix) = $1 { $0 + matrix.shape.count } else { $0 }
    }
  }

  /// The trace for every row, shape `rows`. `like`: a value of the state's type.
  func trace(rows: Shape, like state: Value) -> Value {
    let cycle = cycle
    let width = state.shape[rows.rank]
    guard let d1 = cycle.diagonals.first, let dk = cycle.diagonals.last else {
      return constantTrace(cycle.first, width, state.dtype).broadcast(to: rows, axes: [])
    }
    switch cycle.diagonals.count {
    case 1:
      let size = d1.shape[rows.rank]
      guard let weights = wrapDiagonal(cycle, size) else { return d1.sum(axes: [rows.rank]) }
      return (d1 * weights.broadcast(to: d1.shape, axes: [rows.rank])).sum(axes: [rows.rank])
    case 2:
      let kernel = cycle.between[0] * wrapTransposed(cycle, like: cycle.between[0])
      return (Value.matmul(d1, kernel) * dk).sum(axes: [rows.rank])
    default:
      // Both ends are expanded to one row for each column of the state and meet in the middle.
      let basis = Value.identityMatrix(width, state.dtype)
      let left = expanded(cycle.first ?? basis, d1, rows: rows, count: width)
      let right = expanded(
        cycle.last?.permuted(to: [1, 0]) ?? basis, dk, rows: rows, count: width)
      return met(cycle, left, right, rows: rows, count: width).sum(axes: [rows.rank, rows.rank + 1])
    }
  }

  /// probe . J probe of every probe, [rows..., count] of [rows..., count, width].
  func estimates(rows: Shape, probes: Value) -> Value {
    let cycle = cycle, count = probes.shape[rows.rank]
    var left = cycle.first.map { Value.matmul(probes, $0) } ?? probes
    var right = cycle.last.map { Value.matmul(probes, $0, transposeB: true) } ?? probes
    guard let d1 = cycle.diagonals.first, let dk = cycle.diagonals.last else {
      return (left * probes).sum(axes: [rows.rank + 1])
    }
    left = left * repeated(d1, rows, count)
    guard cycle.diagonals.count > 1 else { return (left * right).sum(axes: [rows.rank + 1]) }
    right = right * repeated(dk, rows, count)
    return met(cycle, left, right, rows: rows, count: count).sum(axes: [rows.rank + 1])
  }

  /// Row vectors [rows..., count, width] times the chain.
  func applied(to vectors: Value, rows: Shape) -> Value {
    let count = vectors.shape[rows.rank]
    return withoutScales.factors.reduce(vectors) { moving, factor in
      switch factor {
      case .matrix(let matrix): .matmul(moving, matrix)
      case .diagonal(let diagonal): moving * repeated(diagonal, rows, count)
      case .scale: preconditionFailure("a chain without scales")
      }
    }
  }

  /// Products of the two ends' elements after the left one went through all that is between them.
  /// - Parameters left, right: [rows..., count, width of the first, of the last diagonal], diagonals included.
  private func met(_ cycle: Cycle, _ left: Value, _ right: Value, rows: Shape, count: Int) -> Value {
    var moving = Value.matmul(left, cycle.between[0])
    for (diagonal, matrix) in zip(cycle.diagonals.dropFirst().dropLast(), cycle.between.dropFirst()) {
      moving = Value.matmul(moving * repeated(diagonal, rows, count), matrix)
    }
    return moving * right
  }

  /// [rows..., w] as [rows..., count, w].
  private func repeated(_ diagonal: Value, _ rows: Shape, _ count: Int) -> Value {
    let width = diagonal.shape[rows.rank]
    let axes = Array(0..<rows.rank) + [rows.rank + 1]
    return diagonal.broadcast(to: Shape(rows.dimensions + [count, width]), axes: axes)
  }

  /// [count, w] times a diagonal, for every row: [rows..., count, w].
  private func expanded(_ matrix: Value, _ diagonal: Value, rows: Shape, count: Int) -> Value {
    let all = repeated(diagonal, rows, count)
    return all * matrix.broadcast(to: all.shape, axes: [rows.rank, rows.rank + 1])
  }

  /// The trace of a chain without diagonals.
  private func constantTrace(_ matrix: Value?, _ width: Int, _ dtype: DType) -> Value {
    guard let matrix else { return Graph.splat(Double(width), TensorType(dtype, [])) }
    return (matrix * Value.identityMatrix(width, dtype)).sum(axes: [0, 1])
  }

  /// diag(last first), [size]; nil: all ones.
  private func wrapDiagonal(_ cycle: Cycle, _ size: Int) -> Value? {
    switch (cycle.first, cycle.last) {
    case (nil, nil): nil
    case (let first?, let last?): (last * first.permuted(to: [1, 0])).sum(axes: [1])
    case (let only?, nil), (nil, let only?): (only * Value.identityMatrix(size, only.dtype)).sum(axes: [1])
    }
  }

  /// (last first)ᵀ, of the shape of the matrix between two diagonals.
  private func wrapTransposed(_ cycle: Cycle, like between: Value) -> Value {
    switch (cycle.first, cycle.last) {
    case (nil, nil): Value.identityMatrix(between.shape[0], between.dtype)
    case (let first?, let last?): Value.matmul(first, last, transposeA: true, transposeB: true)
    case (let only?, nil), (nil, let only?): only.permuted(to: [1, 0])
    }
  }
}
