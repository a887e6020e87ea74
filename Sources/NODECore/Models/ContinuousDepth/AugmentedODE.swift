/// More components for the state of an ODE along its last axis: zeros (Dupont et al. 2019, "Augmented neural
/// ODEs"), or what a layer makes of the input (Massaroli et al. 2020, "Dissecting neural ODEs", section 4:
/// input-layer augmentation). [..., d] -> [..., d + count].
public struct StateAugmentation<Scalar: FloatingScalar>: Layer {
  /// Components besides those of the input.
  public let count: Int
  /// [..., d] -> [..., count]; nil: zeros.
  public var layer: (any Layer<Scalar>)?

  private init(count: Int, layer: (any Layer<Scalar>)?) {
    require(count >= 0, "StateAugmentation: the number of components must not be negative, got \(count)")
    self.count = count
    self.layer = layer
  }

  /// `count` zeros; none is the plain ODE.
  public static func zeros(_ count: Int) -> StateAugmentation { StateAugmentation(count: count, layer: nil) }

  /// `count` components that a layer makes.
  public static func learned(_ count: Int, by layer: any Layer<Scalar>) -> StateAugmentation {
    StateAugmentation(count: count, layer: layer)
  }

  public func callAsFunction(_ x: Tensor<Scalar>) -> Tensor<Scalar> {
    require(x.rank > 0, "StateAugmentation: the input needs an axis to extend, got shape \(x.shape)")
    guard count > 0 else { return x }
    guard let layer else {
      let none = Array(repeating: 0, count: x.rank)
      return x.padded(before: none, after: none.dropLast() + [count])
    }
    let more = layer(x)
    require(
      more.shape == Shape(x.shape.dimensions.dropLast() + [count]),
      "StateAugmentation: the layer makes \(more.shape) of an input \(x.shape); the last axis must be \(count)"
    )
    return .concatenated([x, more], axis: -1)
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {
    if var inner = layer {
      visit("layer", &inner)
      layer = inner
    }
  }
}

/// A neural ODE in more dimensions than its input has (Dupont et al. 2019): trajectories that may not cross
/// in d dimensions pass each other in d + p.
public struct AugmentedODE<Field: VectorField>: Module {
  public typealias Scalar = Field.Scalar

  /// Of d + p components.
  public var ode: NeuralODE<Field>
  /// [..., d] -> [..., d + p].
  public var augmentation: StateAugmentation<Scalar>

  /// - Parameters:
  ///   - field: of d + p components.
  ///   - augmentation: makes p components of an input, or zeros.
  ///   - t0: where the input holds.
  ///   - t1: where the output is read, not `t0`.
  public init(
    _ field: Field, augmentation: StateAugmentation<Scalar>, t0: Double = 0, t1: Double = 1,
    options: SolveOptions = SolveOptions()
  ) {
    ode = NeuralODE(field, t0: t0, t1: t1, options: options)
    self.augmentation = augmentation
  }

  /// The whole state at t1, [..., d] -> [..., d + p]: what a read-out is given. Throws what `odeint` throws.
  public func callAsFunction(_ x: Tensor<Scalar>) throws -> Tensor<Scalar> { try ode(augmentation(x)) }

  /// The whole states at the given times, the first of which is where x holds: [times, ..., d + p].
  public func path(from x: Tensor<Scalar>, at times: [Double]) throws -> Solution<Scalar> {
    try ode.path(from: augmentation(x), at: times)
  }

  /// The components of the input, without those that were added: [..., d + p] -> [..., d].
  public func projected(_ states: Tensor<Scalar>) -> Tensor<Scalar> {
    let width = states.rank > 0 ? states.shape[states.rank - 1] - augmentation.count : 0
    require(
      width > 0,
      "AugmentedODE: a state \(states.shape) does not hold \(augmentation.count) components besides an input")
    return states.sliced(0..<width, axis: -1)
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {
    visit("ode", &ode)
    visit("augmentation", &augmentation)
  }
}
