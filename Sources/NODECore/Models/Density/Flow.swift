/// An invertible map of vectors that knows how it changes volumes. A density is what a flow makes of a simple one.
public protocol Flow<Scalar>: Module {
  associatedtype Scalar: FloatingScalar
  /// Components of a vector.
  var dimensions: Int { get }
  /// From the base's space to the data's. `key`: of what the map draws (probes of a trace).
  func fromBase(_ z: Tensor<Scalar>, key: RandomKey) throws -> Transported<Scalar>
}

/// A flow whose way back can be computed: one that gives the density of data.
public protocol InvertibleFlow<Scalar>: Flow {
  /// From the data's space to the base's.
  func toBase(_ x: Tensor<Scalar>, key: RandomKey) throws -> Transported<Scalar>
}

/// Vectors after a flow.
public struct Transported<Scalar: FloatingScalar>: Sendable {
  /// [rows, dimensions]
  public var state: Tensor<Scalar>
  /// log |det d state / d start| of every row, [rows].
  public var logDeterminant: Tensor<Scalar>
  /// What the way cost beyond that, [rows] each: see `FlowPenalty`.
  public var penalties: [Tensor<Scalar>] = []
}

/// Flows one after the other, the first one next to the base.
public struct FlowChain<Block: Flow>: Flow {
  public var blocks: [Block]
  public var dimensions: Int { blocks[0].dimensions }

  public init(_ blocks: [Block]) {
    require(
      !blocks.isEmpty && blocks.allSatisfy { $0.dimensions == blocks[0].dimensions },
      "FlowChain: blocks must have one number of dimensions, got \(blocks.map(\.dimensions))")
    self.blocks = blocks
  }

  public func fromBase(_ z: Tensor<Block.Scalar>, key: RandomKey) throws -> Transported<Block.Scalar> {
    try through(z, zip(blocks, key.split(blocks.count)).map { ($0, $1) }) { try $0.fromBase($1, key: $2) }
  }

  fileprivate func through(
    _ start: Tensor<Block.Scalar>, _ blocks: [(Block, RandomKey)],
    _ map: (Block, Tensor<Block.Scalar>, RandomKey) throws -> Transported<Block.Scalar>
  ) rethrows -> Transported<Block.Scalar> {
    var result: Transported<Block.Scalar>?
    for (block, key) in blocks {
      let next = try map(block, result?.state ?? start, key)
      result = Transported(
        state: next.state,
        logDeterminant: result.map { $0.logDeterminant + next.logDeterminant } ?? next.logDeterminant,
        penalties: result.map { zip($0.penalties, next.penalties).map { $0 + $1 } } ?? next.penalties)
    }
    return result!
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) { visit("blocks", &blocks) }
}

extension FlowChain: InvertibleFlow where Block: InvertibleFlow {
  public func toBase(_ x: Tensor<Block.Scalar>, key: RandomKey) throws -> Transported<Block.Scalar> {
    // Each block draws the same numbers in both directions.
    try through(x, zip(blocks, key.split(blocks.count)).reversed().map { ($0, $1) }) {
      try $0.toBase($1, key: $2)
    }
  }
}

/// The density of a flow's image of a simple distribution.
public struct FlowDensity<Map: Flow, Base: Distribution<Map.Scalar>>: Module {
  public typealias Scalar = Map.Scalar

  public var flow: Map
  public var base: Base

  public init(_ flow: Map, base: Base) {
    require(
      flow.dimensions == base.dimensions,
      "FlowDensity: a flow of \(flow.dimensions) dimensions, a base of \(base.dimensions)")
    self.flow = flow
    self.base = base
  }

  /// Samples [count, dimensions] with their log-density, [count], in nats.
  public func sampleWithLogDensity(_ count: Int, key: RandomKey) throws -> (
    samples: Tensor<Scalar>, logDensity: Tensor<Scalar>
  ) {
    require(count > 0, "FlowDensity: the number of samples must be positive, got \(count)")
    let keys = key.split(2)
    let z = base.sample(count, key: keys[0])
    let image = try flow.fromBase(z, key: keys[1])
    return (image.state, base.logDensity(z) - image.logDeterminant)
  }

  /// [count, dimensions]
  public func sample(_ count: Int, key: RandomKey) throws -> Tensor<Scalar> {
    try sampleWithLogDensity(count, key: key).samples
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) { visit("flow", &flow) }
}

extension FlowDensity where Map: InvertibleFlow {
  /// [rows, dimensions] -> [rows], in nats.
  public func logDensity(_ x: Tensor<Scalar>, key: RandomKey = RandomKey(seed: 0)) throws -> Tensor<Scalar> {
    try logDensityAndPenalties(x, key: key).logDensity
  }

  /// The log-density and what the flow's penalties cost, [rows] each.
  public func logDensityAndPenalties(_ x: Tensor<Scalar>, key: RandomKey) throws -> (
    logDensity: Tensor<Scalar>, penalties: [Tensor<Scalar>]
  ) {
    requireVectors("FlowDensity", x, flow.dimensions)
    let image = try flow.toBase(x, key: key)
    return (base.logDensity(image.state) + image.logDeterminant, image.penalties)
  }
}
