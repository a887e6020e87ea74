import NODECore

/// SplitMix64: the tests' own source of numbers, the same on every machine.
struct SplitMix: RandomNumberGenerator {
  private var state: UInt64
  /// By another factor than the step's: the streams of successive seeds would be one stream, shifted by one.
  init(seed: Int) { state = (UInt64(bitPattern: Int64(seed)) &+ 1) &* 0xD134_2543_DE82_EF95 }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

/// Extents of a random graph's inputs.
struct GraphSizes {
  var lanes: Int
  var features = 6
  var height = 3, width = 4
  /// [lanes, 4, 4, 2], and a filter that keeps it.
  var convolution = Convolution(
    height: 4, width: 4, inputChannels: 2, kernelHeight: 3, kernelWidth: 3, stride: 1, padTop: 1, padLeft: 1,
    padBottom: 1, padRight: 1, outputChannels: 2)
  var groups = 2
  var pool = (size: 2, stride: 2)

  init(lanes: Int) { self.lanes = lanes }

  /// Small ones mostly; some at the edges of vectors, panels and blocks.
  init<Generator: RandomNumberGenerator>(using generator: inout Generator) {
    func pick(_ extents: [Int]) -> Int { extents.randomElement(using: &generator)! }
    lanes = pick([1, 2, 3, 5, 7, 8, 9, 13, 16, 17, 31, 33, 64, 130])
    features = pick([1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 15, 16, 17, 24, 31, 33])
    height = pick([1, 2, 3, 5, 9])
    width = pick([1, 2, 4, 7, 8])
    let kernelHeight = pick([1, 2, 3, 5]), kernelWidth = pick([1, 2, 3, 5])
    let channels = pick([1, 2, 3, 4, 6, 9])
    convolution = Convolution(
      height: pick([kernelHeight, 5, 6, 7]), width: pick([kernelWidth, 5, 6, 8]), inputChannels: channels,
      kernelHeight: kernelHeight, kernelWidth: kernelWidth, stride: pick([1, 1, 2, 3]),
      padTop: pick([0, 1, kernelHeight - 1]), padLeft: pick([0, 1, kernelWidth - 1]),
      padBottom: pick([0, 1, kernelHeight - 1]), padRight: pick([0, 1, kernelWidth - 1]),
      outputChannels: pick([channels, 1, 2, 5, 8, 17]))
    groups = pick((1...channels).filter { channels % $0 == 0 })
    let size = pick(Array(1...min(convolution.height, convolution.width, 4)))
    pool = (size, pick([1, 2, size]))
  }

  var rows: Shape { [lanes, features] }
  var image: Shape { [lanes, convolution.height, convolution.width, convolution.inputChannels] }
  var filter: Shape {
    [
      convolution.kernelHeight, convolution.kernelWidth, convolution.inputChannels,
      convolution.outputChannels,
    ]
  }
}

/// A graph composed at random of all primitives, on inputs of which some have a row for each of `lanes` samples.
struct RandomGraph {
  var generator: SplitMix
  let sizes: GraphSizes
  private var lanes: Int { sizes.lanes }
  let dtype: DType
  private(set) var inputs: [Value] = []
  private(set) var elements: [[Double]] = []
  private(set) var values: [Value] = []
  private(set) var used: Set<String> = []

  init(seed: Int, lanes: Int, dtype: DType, operations: Int) {
    self.init(seed: seed, sizes: GraphSizes(lanes: lanes), dtype: dtype, operations: operations)
  }

  init(seed: Int, sizes: GraphSizes, dtype: DType, operations: Int) {
    generator = SplitMix(seed: seed)
    self.sizes = sizes
    self.dtype = dtype
    for shape: Shape in [
      sizes.rows, sizes.rows, [sizes.features, sizes.features], [sizes.features], [],
      [sizes.lanes, sizes.height, sizes.width], sizes.image, sizes.filter,
    ] {
      addInput(shape, dtype)
    }
    addInput([lanes], .int32)
    addInput([2], .int32)
    // Bounded: a step that finds no operand adds nothing.
    for _ in 0..<20 * operations where values.count < inputs.count + operations { step() }
  }

  /// The last values, sums of large ones, and one in the middle: results that others read too.
  var outputs: [Value] {
    let floating = values.filter { $0.dtype == dtype }
    return Array(floating.suffix(4)) + [floating[floating.count / 2], floating[floating.count * 3 / 4]]
  }

  private mutating func addInput(_ shape: Shape, _ dtype: DType) {
    let value = Graph.input("x\(inputs.count)", TensorType(dtype, shape))
    inputs.append(value)
    values.append(value)
    elements.append(
      (0..<shape.count).map { _ in
        dtype == .int32 ? Double(Int.random(in: 0..<sizes.features, using: &generator)) : real(-1, 1)
      })
  }

  private mutating func real(_ low: Double, _ high: Double) -> Double {
    Double(Float(Double.random(in: low...high, using: &generator)))
  }

  private mutating func pick(_ condition: (Value) -> Bool) -> Value? {
    // Young values twice as often: chains, not only bushes.
    let candidates = values.filter(condition)
    if Bool.random(using: &generator), let young = candidates.suffix(3).randomElement(using: &generator) {
      return young
    }
    return candidates.randomElement(using: &generator)
  }

  private mutating func chance(_ count: Int) -> Int { Int.random(in: 0..<count, using: &generator) }

  private mutating func add(_ name: String, _ results: [Value]) {
    used.insert(name)
    // Bounded, so that no chain overflows and errors stay comparable.
    for value in results {
      values.append(value)
      if value.dtype == dtype, value.shape.count < 4096 { values.append(value.map(.tanh)) }
    }
  }

  private mutating func step() {
    let dtype = dtype
    guard let x = pick({ $0.dtype == dtype && $0.shape.count <= 4096 }) else { return }
    let rank = x.shape.rank
    switch chance(25) {
    case 0...4: elementwise(x)
    case 5:
      guard rank < 4 else { return }
      let place = chance(rank + 1)
      let extent = place == 0 && !x.shape.dimensions.contains(lanes) ? lanes : 3
      var dimensions = x.shape.dimensions
      dimensions.insert(extent, at: place)
      guard dimensions.reduce(1, *) <= 4096 else { return }
      add("broadcast", [x.broadcast(to: Shape(dimensions), axes: (0...rank).filter { $0 != place })])
    case 6:
      var dimensions = x.shape.dimensions
      if rank > 2 {
        dimensions.replaceSubrange(rank - 2..<rank, with: [dimensions[rank - 2] * dimensions[rank - 1]])
      } else if rank > 0, dimensions[rank - 1] % 2 == 0 {
        dimensions.replaceSubrange(rank - 1..<rank, with: [2, dimensions[rank - 1] / 2])
      } else {
        dimensions.append(1)
      }
      add("reshape", [x.reshaped(to: Shape(dimensions))])
    case 7:
      add("permute", [x.permuted(to: Array(0..<rank).shuffled(using: &generator))])
    case 8:
      let start = x.shape.dimensions.map { $0 > 2 ? chance(2) : 0 }
      let step = x.shape.dimensions.indices.map { _ in 1 + chance(2) }
      let first = chance(3) > 0
      add(
        "slice",
        [
          x.sliced(
            start: start.indices.map { $0 == 0 && first ? 0 : start[$0] }, limit: x.shape.dimensions,
            step: step.indices.map { $0 == 0 && first ? 1 : step[$0] })
        ])
    case 9:
      guard x.shape.count <= 1024 else { return }
      let low = (0..<rank).map { $0 == 0 ? 0 : chance(2) },
        interior = (0..<rank).map { $0 == 0 ? 0 : chance(2) }
      add("pad", [x.padded(low: low, high: low.reversed(), interior: interior)])
    case 10:
      guard rank > 0 else { return }
      add("reverse", [x.reversed(axes: [chance(rank)])])
    case 11:
      guard rank > 0, x.shape.count <= 1024 else { return }
      let other = pick { $0.type == x.type } ?? x
      add("concatenate", [Graph.one(.concatenate(axis: chance(rank)), [x, other])])
    case 12, 13:
      guard rank > 0 else { return }
      let axes = (0..<rank).filter { _ in Bool.random(using: &generator) }
      add("reduce", [Bool.random(using: &generator) ? x.sum(axes: axes) : x.max(axes: axes)])
    case 14:
      let indices = inputs[8]
      guard rank > 0, rank < 4, x.shape[0] >= sizes.features else { return }
      add("gather", [Graph.one(.gather, [x, indices])])
    case 15:
      guard rank > 0, x.shape[0] == lanes else { return }
      add("scatterAdd", [Graph.one(.scatterAdd(entries: sizes.features), [x, inputs[8]])])
    case 16, 17: product(x)
    case 18: image()
    case 19: fused()
    case 21, 22: matrices(x)
    case 20:
      let key = inputs[9]
      let shape = Bool.random(using: &generator) ? sizes.rows : [sizes.features]
      let distribution: RandomDistribution = Bool.random(using: &generator) ? .uniform : .normal
      add("random", [Graph.one(.random(distribution, shape, dtype), [key])])
    case 23: rowwise(x)
    default:
      let other: DType = dtype == .float32 ? .float64 : .float32
      // Through the other type and back; the interpreter does not round, so only what is exact takes part.
      let mask = Value.elementwise(.greater, x, x.splat(0))
      add("convert", [mask.converted(to: other).converted(to: dtype), x.stoppingGradient.identity])
    }
  }

  private mutating func elementwise(_ x: Value) {
    // Discontinuous operations would turn rounding into large differences: they see exact inputs only.
    let operation = Elementwise.all.randomElement(using: &generator)!
    let safe = x.map(.square) + 0.5
    switch operation {
    case .log, .sqrt, .rsqrt, .reciprocal, .log1p: return add(operation.name, [safe.map(operation)])
    case .pow: return add(operation.name, [.elementwise(.pow, safe, safe)])
    case .divide: return add(operation.name, [x / safe])
    case .floor, .sign, .step, .greater, .greaterOrEqual, .equal, .select:
      let a = inputs[chance(2)], b = inputs[chance(2)]
      if operation == .select {
        return add(operation.name, [.select(Value.elementwise(.greater, a, b), a, b)])
      }
      let operands = operation.arity == 2 ? [a, b] : [a]
      return add(operation.name, [Graph.one(.elementwise(operation), operands)])
    default: break
    }
    var operands = [x]
    while operands.count < operation.arity { operands.append(pick { $0.type == x.type } ?? x) }
    add(operation.name, [Graph.one(.elementwise(operation), operands)])
  }

  private mutating func rowwise(_ x: Value) {
    let flag = Bool.random(using: &generator)
    // Sorted are inputs: near ties of computed values would be decided by rounding.
    let order = Graph.one(.rowwise(.argsort(descending: flag)), [inputs[chance(2)]])
    switch chance(3) {
    case 0:
      guard x.shape.rank > 0 else { return }
      add("cumulativeSum", [Graph.one(.rowwise(.cumulativeSum(backward: flag)), [x])])
    case 1:
      guard let x = pick(shaped: sizes.rows) else { return }
      add("takeAlong", [Graph.one(.rowwise(.takeAlong), [x, order])])
    default:
      guard let x = pick(shaped: sizes.rows) else { return }
      add("addAlong", [Graph.one(.rowwise(.addAlong(entries: sizes.features + 1)), [x, order])])
    }
    add("argsort", [order])
  }

  private mutating func product(_ x: Value) {
    let dtype = dtype
    guard x.shape.rank >= 2 else { return }
    let transposeA = Bool.random(using: &generator), transposeB = Bool.random(using: &generator)
    let rank = x.shape.rank
    let k = x.shape[rank - (transposeA ? 2 : 1)]
    let other = pick { y in
      guard y.dtype == dtype, y.shape.rank == 2 || y.shape.rank == rank else { return false }
      guard y.shape.rank == 2 || rank == 2 || y.shape.dimensions.dropLast(2) == x.shape.dimensions.dropLast(2)
      else { return false }
      return y.shape[y.shape.rank - (transposeB ? 1 : 2)] == k
    }
    guard let other else { return }
    let result = Value.matmul(x, other, transposeA: transposeA, transposeB: transposeB)
    guard result.shape.count <= 4096 else { return }
    add("matmul", [result])
  }

  /// Linear algebra on matrices that are positive definite with a condition number below 30.
  private mutating func matrices(_ x: Value) {
    let rank = x.shape.rank
    guard rank >= 2, x.shape[rank - 2] <= 24 else { return }
    let n = x.shape[rank - 2]
    let bounded = x.map(.tanh) * (1 / Double(x.shape[rank - 1]).squareRoot())
    let product = Value.matmul(bounded, bounded, transposeB: true)
    let shape = product.shape
    let a =
      product + Value.identityMatrix(n, dtype).broadcast(to: shape, axes: [rank - 2, rank - 1])
    let right = Bool.random(using: &generator) ? bounded : product
    let triangle = Triangle(
      isLower: Bool.random(using: &generator), isTransposed: Bool.random(using: &generator))
    switch chance(6) {
    case 0: add("solve", [FactoredMatrix(a).solve(right, transposed: triangle.isTransposed)])
    case 1: add("determinant", [FactoredMatrix(a).determinant.logMagnitude])
    case 2: add("cholesky", [Graph.one(.matrix(.cholesky), [a])])
    case 3: add("triangularSolve", [Graph.one(.matrix(.triangularSolve(triangle)), [a, right])])
    case 4: add("qr", Graph.node(.matrix(.qr), [a]))
    // Vectors of eigenvalues that are close turn rounding into large differences.
    default: add("symmetricEigen", [Graph.node(.matrix(.symmetricEigen), [a])[0]])
    }
  }

  private mutating func pick(shaped shape: Shape) -> Value? {
    let dtype = dtype
    return pick { $0.dtype == dtype && $0.shape == shape }
  }

  private mutating func image() {
    let geometry = sizes.convolution
    let result: Shape = [lanes, geometry.outputHeight, geometry.outputWidth, geometry.outputChannels]
    guard let x = pick(shaped: sizes.image), let filter = pick(shaped: sizes.filter) else { return }
    let y = pick(shaped: result)
    switch chance(3) {
    case 1:
      guard let y else { fallthrough }
      add("conv2dInputGradient", [Graph.one(.conv2dInputGradient(geometry), [y, filter])])
    case 2:
      guard let y else { fallthrough }
      add("conv2dFilterGradient", [Graph.one(.conv2dFilterGradient(geometry), [x, y])])
    default: add("conv2d", [Graph.one(.conv2d(geometry), [x, filter])])
    }
  }

  private mutating func fused() {
    switch chance(4) {
    case 0:
      guard let x = pick(shaped: sizes.image) else { return }
      add("groupNorm", Graph.node(.fused(.groupNorm(groups: sizes.groups, epsilon: 1e-2)), [x]))
    case 1:
      guard let x = pick(shaped: sizes.image), let dy = pick(shaped: sizes.image) else { return }
      let norm = Graph.node(.fused(.groupNorm(groups: 1, epsilon: 1e-2)), [x])
      add(
        "groupNormGradient",
        [Graph.one(.fused(.groupNormGradient(groups: 1)), [norm[0], norm[1], dy])])
    case 2:
      guard let x = pick(shaped: sizes.rows) else { return }
      let loss = Graph.one(.fused(.softmaxCrossEntropy), [x, inputs[8]])
      add("softmaxCrossEntropy", [loss])
      add(
        "softmaxCrossEntropyGradient",
        [Graph.one(.fused(.softmaxCrossEntropyGradient), [x, inputs[8], loss.map(.tanh)])])
    default:
      // On inputs: ties and near ties of computed values would be decided by rounding.
      let x = inputs[6]
      let maximum = Bool.random(using: &generator)
      let (size, stride) = sizes.pool
      let y = Graph.one(.fused(.pool2d(maximum: maximum, size: size, stride: stride)), [x])
      add("pool2d", [y])
      add(
        "pool2dGradient",
        [Graph.one(.fused(.pool2dGradient(maximum: maximum, size: size, stride: stride)), [x, y.map(.tanh)])])
    }
  }
}
