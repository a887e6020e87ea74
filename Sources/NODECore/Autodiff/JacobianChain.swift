// How the rows of a value move with the rows of a state: a sum of products of matrices that all rows share and diagonals
// that each row has its own. What a network is made of, linear layers and elementwise functions, has this form; in it traces
// have closed forms and products with vectors are contracted where they are smallest.

/// One product, applied to row vectors from left to right. Neighbours are never two of one kind, and a scale is first or
/// behind a matrix: it goes into what comes next.
struct JacobianChain: Hashable {
  enum Factor: Hashable {
    /// [a, b], the same for all rows.
    case matrix(Value)
    /// [rows..., a], a row's own diagonal.
    case diagonal(Value)
    /// [a], a diagonal that all rows share.
    case scale(Value)
  }

  private(set) var factors: [Factor] = []

  var diagonals: Int {
    factors.reduce(0) {
      if case .diagonal = $1 { $0 + 1 } else { $0 }
    }
  }

  private func replacingLast(_ factor: Factor) -> JacobianChain {
    JacobianChain(factors: factors.dropLast() + [factor])
  }

  private func appending(_ factor: Factor) -> JacobianChain { JacobianChain(factors: factors + [factor]) }

  func followed(byMatrix next: Value) -> JacobianChain {
    switch factors.last {
    case .matrix(let last):
      return replacingLast(.matrix(.matmul(last, next)))
    case .scale(let scale):
      let rest = JacobianChain(factors: factors.dropLast())
      return rest.followed(byMatrix: next * scale.broadcast(to: next.shape, axes: [0]))
    case .diagonal, nil:
      return appending(.matrix(next))
    }
  }

  func followed(byDiagonal next: Value) -> JacobianChain {
    switch factors.last {
    case .diagonal(let last): replacingLast(.diagonal(last * next))
    case .scale(let scale):
      replacingLast(.diagonal(scale.broadcast(to: next.shape, axes: [next.shape.rank - 1]) * next))
    case .matrix, nil: appending(.diagonal(next))
    }
  }

  func followed(byScale next: Value) -> JacobianChain {
    switch factors.last {
    case .diagonal(let last):
      replacingLast(.diagonal(last * next.broadcast(to: last.shape, axes: [last.shape.rank - 1])))
    case .scale(let scale): replacingLast(.scale(scale * next))
    case .matrix, nil: appending(.scale(next))
    }
  }

  /// Columns start, start + 1, ... of the result.
  func taking(_ range: Range<Int>, of width: Int, dtype: DType) -> JacobianChain {
    if case .matrix(let last) = factors.last {
      return replacingLast(
        .matrix(
          last.sliced(start: [0, range.lowerBound], limit: [last.shape[0], range.upperBound], step: [1, 1])))
    }
    return followed(byMatrix: .selection(rows: 0..<width, columns: range, dtype))
  }

  /// The result as columns start, start + 1, ... of one of `width` columns, zeros elsewhere.
  func placed(at start: Int, count: Int, of width: Int, dtype: DType) -> JacobianChain {
    if case .matrix(let last) = factors.last {
      return replacingLast(
        .matrix(last.padded(low: [0, start], high: [0, width - start - count], interior: [0, 0])))
    }
    return followed(byMatrix: .selection(rows: start..<start + count, columns: 0..<width, dtype))
  }

  /// The same product without scales.
  var withoutScales: JacobianChain {
    guard case .scale(let scale) = factors.last else { return self }
    let rest = JacobianChain(factors: factors.dropLast())
    if case .matrix(let last) = rest.factors.last {
      return rest.replacingLast(.matrix(last * scale.broadcast(to: last.shape, axes: [1])))
    }
    let identity = Value.identityMatrix(scale.shape[0], scale.dtype)
    return JacobianChain(factors: [.matrix(identity * scale.broadcast(to: identity.shape, axes: [1]))])
  }

  /// The sum as few chains: those that differ in their last diagonal alone become one. `ones`: of the diagonals' type.
  static func merged(_ chains: [JacobianChain], ones: Value) -> [JacobianChain] {
    var order: [JacobianChain] = [], sums: [JacobianChain: Value] = [:]
    for chain in chains {
      var stem = chain, last = ones
      switch chain.factors.last {
      case .diagonal(let diagonal): last = diagonal
      case .scale(let scale): last = scale.broadcast(to: ones.shape, axes: [ones.shape.rank - 1])
      case .matrix, nil: stem = chain.appending(.diagonal(ones))
      }
      stem = JacobianChain(factors: stem.factors.dropLast())
      if sums[stem] == nil { order.append(stem) }
      sums[stem] = sums[stem].map { $0 + last } ?? last
    }
    guard order.count < chains.count else { return chains }
    return order.map { $0.followed(byDiagonal: sums[$0]!) }
  }
}

extension Value {
  /// The part of an identity: 1 where row and column have one number.
  fileprivate static func selection(rows: Range<Int>, columns: Range<Int>, _ dtype: DType) -> Value {
    Graph.constant("divergence", dtype, [rows.count, columns.count]) { place in
      let (row, column) = place.quotientAndRemainder(dividingBy: columns.count)
      return row + rows.lowerBound == column + columns.lowerBound ? 1 : 0
    }
  }
}

/// The chains whose sum is the Jacobian of `output`'s rows with respect to those of `input`, [rows..., d] both; nil where
/// there is no such sum, or one of more than `mostChains`.
func jacobianChains(of output: Value, at input: Value, mostChains: Int = 8) -> [JacobianChain]? {
  var walk = ChainWalk(rows: Shape(input.shape.dimensions.dropLast()), input: input, mostChains: mostChains)
  for node in Graph.dependents(of: [input], in: [output]) {
    guard walk.visit(node) else { return nil }
  }
  return walk.chains(of: output)
}

/// The state of the walk from the input to the output.
private struct ChainWalk {
  let rows: Shape
  let mostChains: Int
  /// Values that depend on the input; none: not through a derivative.
  private var known: [Value: [JacobianChain]]

  init(rows: Shape, input: Value, mostChains: Int) {
    self.rows = rows
    self.mostChains = mostChains
    known = [input: [JacobianChain()]]
  }

  func chains(of value: Value) -> [JacobianChain] { known[value] ?? [] }

  /// Columns of a value whose rows are those of the state; of one number per row, too.
  private func width(_ value: Value) -> Int? {
    if value.shape == rows { return 1 }
    guard value.shape.rank == rows.rank + 1, Shape(value.shape.dimensions.dropLast()) == rows else {
      return nil
    }
    return value.shape[rows.rank]
  }

  /// As the diagonal of a chain: [rows..., width].
  private func diagonal(_ value: Value) -> Value {
    value.shape == rows ? value.reshaped(to: Shape(rows.dimensions + [1])) : value
  }

  /// [columns] where all rows of a value are that.
  private func shared(_ value: Value, _ columns: Int) -> Value? {
    switch value.node.operation {
    case .splat(let number):
      return Graph.splat(number, TensorType(value.dtype, [columns]))
    case .broadcast(_, let axes) where axes.allSatisfy { $0 == rows.rank }:
      return value.node.operands[0].broadcast(to: [columns], axes: axes.map { _ in 0 })
    default:
      return nil
    }
  }

  /// False where the operation is none of those that chains go through.
  mutating func visit(_ node: Node) -> Bool {
    let results = node.types.indices.map { Value(node, $0) }
    guard let chains = chains(through: node, results) else { return false }
    guard chains.count <= mostChains else { return false }
    known[results[0]] = chains
    return true
  }

  private func chains(through node: Node, _ results: [Value]) -> [JacobianChain]? {
    let operands = node.operands, result = results[0]
    if case .stopGradient = node.operation { return [] }
    guard let columns = width(result), results.count == 1 else { return nil }
    switch node.operation {
    case .identity:
      return known[operands[0]]
    case .elementwise(let function):
      let ones = diagonal(result.splat(1))
      let sum = operands.indices.reduce(into: [JacobianChain]()) { sum, index in
        guard let chains = known[operands[index]] else { return }
        let partial = function.partial(index, operands, result)
        guard let factor = partial.factor(ones: result.splat(1)) else { return }
        sum += chains.map { chain in
          guard case .some(let value) = factor else { return chain }
          if let scale = shared(value, columns) { return chain.followed(byScale: scale) }
          return chain.followed(byDiagonal: diagonal(value))
        }
      }
      return JacobianChain.merged(sum, ones: ones)
    case .matmul(transposeA: false, let transposed):
      guard let chains = known[operands[0]], known[operands[1]] == nil, operands[1].shape.rank == 2,
        operands[0].shape.rank == rows.rank + 1
      else { return nil }
      let matrix = transposed ? operands[1].permuted(to: [1, 0]) : operands[1]
      return chains.map { $0.followed(byMatrix: matrix) }
    case .concatenate(let axis):
      guard axis == rows.rank else { return nil }
      var sum: [JacobianChain] = [], start = 0
      for operand in operands {
        guard let count = width(operand) else { return nil }
        sum += (known[operand] ?? []).map {
          $0.placed(at: start, count: count, of: columns, dtype: result.dtype)
        }
        start += count
      }
      return sum
    case .slice, .pad, .broadcast, .reshape, .reduce(.sum, _):
      guard let chains = known[operands[0]], let before = width(operands[0]) else { return nil }
      return rearranged(node.operation, chains, from: operands[0], before, to: result, columns)
    default:
      return nil
    }
  }

  /// Through an operation that only moves or repeats or adds columns.
  private func rearranged(
    _ operation: Operation, _ chains: [JacobianChain], from operand: Value, _ before: Int, to result: Value,
    _ columns: Int
  ) -> [JacobianChain]? {
    let last = rows.rank, dtype = result.dtype
    func ones(_ shape: Shape) -> Value { Graph.splat(1, TensorType(dtype, shape)) }
    switch operation {
    case .slice(let start, _, let step):
      // The rows are all there, or the widths would not both be known.
      guard operand.shape.rank > last, step[last] == 1 || columns == 1 else { return nil }
      return chains.map { $0.taking(start[last]..<start[last] + columns, of: before, dtype: dtype) }
    case .pad(let low, _, let interior):
      guard operand.shape.rank > last, interior[last] == 0 else { return nil }
      return chains.map { $0.placed(at: low[last], count: before, of: columns, dtype: dtype) }
    case .broadcast(_, let axes):
      guard before == 1, axes.prefix(last) == Array(0..<last)[...] else { return nil }
      return columns == 1 ? chains : chains.map { $0.followed(byMatrix: ones([1, columns])) }
    case .reshape:
      return before == columns ? chains : nil
    case .reduce(_, let axes):
      guard axes == [last], operand.shape.rank > last else { return nil }
      return before == 1 ? chains : chains.map { $0.followed(byMatrix: ones([before, 1])) }
    default:
      return nil
    }
  }
}

extension Partial {
  /// The partial derivative as a value; none of it: one; nil: identically zero.
  fileprivate func factor(ones: Value) -> Value?? {
    switch self {
    case .zero: nil
    case .one: .some(nil)
    case .times(let factor): factor
    case .minusOne, .over, .only, .except: self(ones)
    }
  }
}
