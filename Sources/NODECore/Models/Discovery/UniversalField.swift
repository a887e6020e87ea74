/// A universal differential equation (Rackauckas et al. 2020, arXiv:2001.04385): known terms plus what a network makes of the
/// state, dy/dt = known(y) + unknown(y) B.
///
/// ```swift
/// let known = SymbolicField<Double>(variables: ["x", "y"], equations: [[(x, 1.3)], [(y, -1.8)]], isLearned: false)
/// let field = UniversalField(known: known, unknown: MLP(2, 5, 5, 5, 2, activation: .gaussian))
/// ```
/// `known` is learned with the network where its coefficients are parameters (`isLearned`). B says in which components the unknown's
/// outputs appear: an exposure that leaves one compartment and enters the next is one output, and what the equations conserve
/// stays conserved. Once formulas are known, they take the network's place (`replacing`).
public struct UniversalField<Unknown: Layer>: VectorField {
  public typealias Scalar = Unknown.Scalar

  /// Of as many components as variables.
  public var known: SymbolicField<Scalar>
  /// [..., variables] -> [..., outputs].
  public var unknown: Unknown
  /// B: a row of as many numbers as there are variables for every output; nil: the identity.
  public let mixing: [[Double]]?

  /// - Parameters:
  ///   - known: of as many components as variables.
  ///   - unknown: [..., variables] -> [..., outputs]; without B as many outputs as variables.
  ///   - mixing: B, [outputs][variables]; nil: the identity.
  public init(known: SymbolicField<Scalar>, unknown: Unknown, mixing: [[Double]]? = nil) {
    let variables = known.variables.count
    require(
      known.terms.count == variables,
      "UniversalField: \(known.terms.count) known components for \(variables) variables")
    require(
      mixing.map { rows in
        !rows.isEmpty && rows.allSatisfy { $0.count == variables && $0.allSatisfy(\.isFinite) }
      } ?? true,
      "UniversalField: the matrix needs rows of \(variables) finite numbers, got \(mixing ?? [])")
    self.known = known
    self.unknown = unknown
    self.mixing = mixing
  }

  public func callAsFunction(_ t: Tensor<Scalar>, _ y: Tensor<Scalar>) -> Tensor<Scalar> {
    let outputs = unknown(y)
    let width = mixing?.count ?? known.variables.count
    require(
      outputs.shape == Shape(y.shape.dimensions.dropLast() + [width]),
      "UniversalField: the unknown part makes \(outputs.shape) of states \(y.shape); \(width) outputs are needed"
    )
    guard let mixing else { return known(y) + outputs }
    return known(y) + matmul(outputs, Tensor<Scalar>(mixing.map { $0.map { Scalar($0) } }))
  }

  /// The same equations with another unknown part, formulas for a network among others.
  public func replacing<Other: Layer>(unknown other: Other) -> UniversalField<Other>
  where Other.Scalar == Scalar {
    UniversalField<Other>(known: known, unknown: other, mixing: mixing)
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {
    visit("known", &known)
    visit("unknown", &unknown)
  }
}

extension UniversalField where Unknown == SymbolicField<Double> {
  /// All of it in formulas, terms collected.
  public var equations: SymbolicField<Double> {
    known.adding(mixing.map(unknown.mixed(by:)) ?? unknown)
  }
}
