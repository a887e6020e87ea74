/// An invertible map of vectors that knows how it changes volumes. A density is what a flow makes of a simple one. Which of its
/// two directions can be computed is told by `SamplingFlow` and `DensityFlow`; most flows are both.
public protocol Flow<Scalar>: Module {
  associatedtype Scalar: FloatingScalar
  /// Components of a vector.
  var dimensions: Int { get }
  /// What the map draws from its key, for so many rows. Flows that draw nothing need not say so.
  func noise(rows: Int) throws -> FlowNoise
}

extension Flow {
  public func noise(rows: Int) throws -> FlowNoise { [] }
}

/// What a flow draws from its key. Empty: any key gives the same.
public struct FlowNoise: OptionSet, Sendable, Hashable, CustomStringConvertible {
  public let rawValue: Int

  public init(rawValue: Int) { self.rawValue = rawValue }

  /// Numbers for each row, as the probes of a trace are.
  public static let ofRows = FlowNoise(rawValue: 1)
  /// Numbers that all rows share, as an end time with jitter is.
  public static let shared = FlowNoise(rawValue: 2)

  public var description: String {
    let parts = [
      contains(.ofRows) ? "probes of its trace" : nil, contains(.shared) ? "its end time" : nil,
    ].compactMap { $0 }
    return parts.isEmpty ? "nothing" : parts.joined(separator: " and ")
  }
}

/// A flow that gives samples with their density.
public protocol SamplingFlow<Scalar>: Flow {
  /// From the base's space to the data's. `key`: of what the map draws (probes of a trace).
  func fromBase(_ z: Tensor<Scalar>, key: RandomKey) throws -> Transported<Scalar>
  /// The state alone, for flows to which the determinant is extra work.
  func stateFromBase(_ z: Tensor<Scalar>, key: RandomKey) throws -> Tensor<Scalar>
}

extension SamplingFlow {
  public func stateFromBase(_ z: Tensor<Scalar>, key: RandomKey) throws -> Tensor<Scalar> {
    try fromBase(z, key: key).state
  }
}

/// A flow that gives the density of data.
public protocol DensityFlow<Scalar>: Flow {
  /// From the data's space to the base's.
  func toBase(_ x: Tensor<Scalar>, key: RandomKey) throws -> Transported<Scalar>
}

/// A flow that can be computed in both directions.
public typealias InvertibleFlow = SamplingFlow & DensityFlow

/// Vectors after a flow.
public struct Transported<Scalar: FloatingScalar>: Sendable {
  /// [rows, dimensions]
  public var state: Tensor<Scalar>
  /// log |det d state / d start| of every row, [rows].
  public var logDeterminant: Tensor<Scalar>
  /// What the way cost beyond that, [rows] each: see `FlowPenalty`.
  public var penalties: [Tensor<Scalar>] = []

  public init(state: Tensor<Scalar>, logDeterminant: Tensor<Scalar>, penalties: [Tensor<Scalar>] = []) {
    self.state = state
    self.logDeterminant = logDeterminant
    self.penalties = penalties
  }
}

/// A flow with its directions exchanged: one that only gives samples becomes one that only gives densities, which is how
/// `PlanarFlow` is trained by maximum likelihood.
public struct ReversedFlow<Map: Flow>: Flow {
  /// Its `fromBase` is `toBase` here, and the other way round.
  public var map: Map
  public var dimensions: Int { map.dimensions }

  public init(_ map: Map) { self.map = map }

  public typealias Scalar = Map.Scalar
  public func noise(rows: Int) throws -> FlowNoise { try map.noise(rows: rows) }
  public mutating func visitParameters(_ visit: inout ParameterVisitor) { visit("map", &map) }
}

extension ReversedFlow: DensityFlow where Map: SamplingFlow {
  public func toBase(_ x: Tensor<Scalar>, key: RandomKey) throws -> Transported<Scalar> {
    try map.fromBase(x, key: key)
  }
}

extension ReversedFlow: SamplingFlow where Map: DensityFlow {
  public func fromBase(_ z: Tensor<Scalar>, key: RandomKey) throws -> Transported<Scalar> {
    try map.toBase(z, key: key)
  }
}

/// Flows one after the other, the first one next to the base.
public struct FlowChain<Block: Flow>: Flow {
  public typealias Scalar = Block.Scalar
  /// The first is next to the base. At least one, all of one number of dimensions.
  public var blocks: [Block]
  public var dimensions: Int { blocks[0].dimensions }

  /// - Parameter blocks: at least one, all of one number of dimensions; the first is next to the base.
  public init(_ blocks: [Block]) {
    require(
      !blocks.isEmpty && blocks.allSatisfy { $0.dimensions == blocks[0].dimensions },
      "FlowChain: blocks must have one number of dimensions, got \(blocks.map(\.dimensions))")
    self.blocks = blocks
  }

  private func through(
    _ start: Tensor<Scalar>, _ blocks: [(Block, RandomKey)],
    _ map: (Block, Tensor<Scalar>, RandomKey) throws -> Transported<Scalar>
  ) rethrows -> Transported<Scalar> {
    var result: Transported<Scalar>?
    for (block, key) in blocks {
      let next = try map(block, result?.state ?? start, key)
      require(
        result.map { $0.penalties.count == next.penalties.count } ?? true,
        "FlowChain: blocks must pay the same penalties, got \(result?.penalties.count ?? 0) and \(next.penalties.count)"
      )
      result = Transported(
        state: next.state,
        logDeterminant: result.map { $0.logDeterminant + next.logDeterminant } ?? next.logDeterminant,
        penalties: result.map { zip($0.penalties, next.penalties).map { $0 + $1 } } ?? next.penalties)
    }
    return result!
  }

  /// Each block draws the same numbers in both directions.
  private func keyed(_ key: RandomKey) -> [(Block, RandomKey)] {
    zip(blocks, key.split(blocks.count)).map { ($0, $1) }
  }

  public func noise(rows: Int) throws -> FlowNoise {
    try blocks.reduce([]) { try $0.union($1.noise(rows: rows)) }
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) { visit("blocks", &blocks) }
}

extension FlowChain: SamplingFlow where Block: SamplingFlow {
  public func fromBase(_ z: Tensor<Scalar>, key: RandomKey) throws -> Transported<Scalar> {
    try through(z, keyed(key)) { try $0.fromBase($1, key: $2) }
  }

  public func stateFromBase(_ z: Tensor<Scalar>, key: RandomKey) throws -> Tensor<Scalar> {
    try keyed(key).reduce(z) { try $1.0.stateFromBase($0, key: $1.1) }
  }
}

extension FlowChain: DensityFlow where Block: DensityFlow {
  public func toBase(_ x: Tensor<Scalar>, key: RandomKey) throws -> Transported<Scalar> {
    try through(x, keyed(key).reversed()) { try $0.toBase($1, key: $2) }
  }
}

/// Two flows of different kinds one after the other, `first` next to the base. What it pays in either direction are the
/// penalties of the first, then those of the second.
public struct FlowPair<First: Flow, Second: Flow<First.Scalar>>: Flow {
  public typealias Scalar = First.Scalar
  /// Next to the base.
  public var first: First
  /// Next to the data.
  public var second: Second
  public var dimensions: Int { first.dimensions }

  /// - Parameters:
  ///   - first: next to the base.
  ///   - second: next to the data, of as many dimensions.
  public init(_ first: First, _ second: Second) {
    require(
      first.dimensions == second.dimensions,
      "FlowPair: flows of \(first.dimensions) and \(second.dimensions) dimensions")
    self.first = first
    self.second = second
  }

  fileprivate func joined(
    state: Tensor<Scalar>, _ first: Transported<Scalar>, _ second: Transported<Scalar>
  ) -> Transported<Scalar> {
    Transported(
      state: state, logDeterminant: first.logDeterminant + second.logDeterminant,
      penalties: first.penalties + second.penalties)
  }

  public func noise(rows: Int) throws -> FlowNoise {
    try first.noise(rows: rows).union(second.noise(rows: rows))
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {
    visit("first", &first)
    visit("second", &second)
  }
}

extension FlowPair: SamplingFlow where First: SamplingFlow, Second: SamplingFlow {
  public func fromBase(_ z: Tensor<Scalar>, key: RandomKey) throws -> Transported<Scalar> {
    let keys = key.split(2), middle = try first.fromBase(z, key: keys[0])
    let end = try second.fromBase(middle.state, key: keys[1])
    return joined(state: end.state, middle, end)
  }

  public func stateFromBase(_ z: Tensor<Scalar>, key: RandomKey) throws -> Tensor<Scalar> {
    let keys = key.split(2)
    return try second.stateFromBase(first.stateFromBase(z, key: keys[0]), key: keys[1])
  }
}

extension FlowPair: DensityFlow where First: DensityFlow, Second: DensityFlow {
  public func toBase(_ x: Tensor<Scalar>, key: RandomKey) throws -> Transported<Scalar> {
    let keys = key.split(2), middle = try second.toBase(x, key: keys[1])
    let end = try first.toBase(middle.state, key: keys[0])
    return joined(state: end.state, end, middle)
  }
}

/// The density of a flow's image of a simple distribution.
public struct FlowDensity<Map: Flow, Base: Distribution<Map.Scalar>>: Module {
  public typealias Scalar = Map.Scalar

  public var flow: Map
  /// No parameter: only those of the flow are learned.
  public var base: Base

  /// - Parameters:
  ///   - flow: of the base's dimensions.
  ///   - base: its numbers are no parameters.
  public init(_ flow: Map, base: Base) {
    require(
      flow.dimensions == base.dimensions,
      "FlowDensity: a flow of \(flow.dimensions) dimensions, a base of \(base.dimensions)")
    self.flow = flow
    self.base = base
  }

  /// The density with the base's spread multiplied by `temperature`: below 1, samples are nearer to the likely ones.
  public func tempered(by temperature: Double) -> FlowDensity {
    requireSetting("FlowDensity.tempered", "the temperature", temperature, .positive)
    var copy = self
    copy.base = base.tempered(by: temperature)
    return copy
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) { visit("flow", &flow) }
}

extension FlowDensity where Map: SamplingFlow {
  /// Samples [count, dimensions] with their log-density, [count], in nats.
  public func sampleWithLogDensity(_ count: Int, key: RandomKey) throws -> (
    samples: Tensor<Scalar>, logDensity: Tensor<Scalar>
  ) {
    let (z, key) = baseSample(count, key)
    let image = try flow.fromBase(z, key: key)
    return (image.state, base.logDensity(z) - image.logDeterminant)
  }

  /// [count, dimensions]. No density, so no trace of a continuous flow.
  public func sample(_ count: Int, key: RandomKey) throws -> Tensor<Scalar> {
    let (z, key) = baseSample(count, key)
    return try flow.stateFromBase(z, key: key)
  }

  func baseSample(_ count: Int, _ key: RandomKey) -> (z: Tensor<Scalar>, flowKey: RandomKey) {
    require(count > 0, "FlowDensity: the number of samples must be positive, got \(count)")
    let keys = key.split(2)
    return (base.sample(count, key: keys[0]), keys[1])
  }
}

extension FlowDensity where Map: DensityFlow {
  /// [rows, dimensions] -> [rows], in nats, of a flow that draws nothing: with an exact trace (`.automatic` is one where that is
  /// cheap) and an end time without jitter. For others see `logDensity(_:key:)`.
  public func logDensity(_ x: Tensor<Scalar>) throws -> Tensor<Scalar> {
    requireVectors("FlowDensity", x, flow.dimensions)
    let noise = try flow.noise(rows: x.shape[0])
    // The same numbers in every step are something to fit: a field can be learned that looks good along them alone.
    require(
      noise.isEmpty,
      "FlowDensity.logDensity: the flow draws \(noise) at random; give a key, another one in every step, or take the exact trace "
        + "and a fixed end time (`evaluating()`)")
    return try logDensity(x, key: RandomKey(seed: 0))
  }

  /// [rows, dimensions] -> [rows], in nats.
  /// - Parameter key: of what the flow draws. In training another one in every step.
  public func logDensity(_ x: Tensor<Scalar>, key: RandomKey) throws -> Tensor<Scalar> {
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
