/// A Hamiltonian system that loses energy and is driven from outside (van der Schaft, Jeltsema 2014, "Port-Hamiltonian Systems
/// Theory", section 2; learned: Zhong et al. 2020, "Symplectic ODE-Net" and "Dissipative SymODEN"):
///
///     x' = (J - R(x)) ∇H(x) + G(q) u(t, x),   x = [q, p],   J = [[0, 1], [-1, 0]],   R symmetric positive semidefinite
///
/// with the input on the momenta: p' = -∂H/∂q - ... + g(q) u. Along solutions H' = yᵀ u - ∇Hᵀ R ∇H with the output
/// y = g(q)ᵀ ∂H/∂p, whatever the parameters are: without input the energy never grows.
///
/// Without dissipation it is the controlled Hamiltonian system; without input, the dissipative one.
public struct PortHamiltonianField<Energy: EnergyFunction>: VectorField {
  public typealias Scalar = Energy.Scalar
  /// u(t, x): [rows, m] or [m], for rows x. What it captures (the inputs of a batch, a policy) receives gradients.
  public typealias Control = @Sendable (_ t: Tensor<Scalar>, _ x: Tensor<Scalar>) -> Tensor<Scalar>

  /// How energy is lost.
  public enum Dissipation: Module {
    case none
    /// Rayleigh's: friction D(q) on the velocities, n x n: p' has -D(q) ∂H/∂p.
    case rayleigh(PositiveMatrix<Scalar>)
    /// R(x) of positions and momenta, 2n x 2n.
    case full(PositiveMatrix<Scalar>)

    public mutating func visitParameters(_ visit: inout ParameterVisitor) {
      switch self {
      case .none: break
      case .rayleigh(var matrix):
        visit("rayleigh", &matrix)
        self = .rayleigh(matrix)
      case .full(var matrix):
        visit("full", &matrix)
        self = .full(matrix)
      }
    }
  }

  /// H of rows [q, p], [rows, 2n] -> [rows].
  public var energy: Energy
  /// R.
  public var dissipation: Dissipation
  /// g; a control needs one.
  public var input: InputMatrix<Scalar>?
  /// No parameter. Nothing drives the system where there is none.
  public var control: Control?

  /// - Parameters:
  ///   - energy: H of rows [q, p], [rows, 2n].
  ///   - input: g; nil: nothing can be put in, and there is no control.
  ///   - control: u; nil: nothing drives the system.
  public init(
    _ energy: Energy, dissipation: Dissipation = .none, input: InputMatrix<Scalar>? = nil,
    control: Control? = nil
  ) {
    self.energy = energy
    self.dissipation = dissipation
    self.input = input
    self.control = control
  }

  /// The same system under another control.
  public func driven(by control: @escaping Control) -> PortHamiltonianField {
    var copy = self
    copy.control = control
    return copy
  }

  public func callAsFunction(_ t: Tensor<Scalar>, _ x: Tensor<Scalar>) -> Tensor<Scalar> {
    let q = phaseHalves(x, "PortHamiltonianField").q
    let gradient = energy.gradient(x)
    let slope = phaseHalves(gradient, "PortHamiltonianField")
    var force = -slope.q
    if case .rayleigh(let matrix) = dissipation { force = force - matrix.product(q, slope.p) }
    if let control {
      guard let input else {
        fatalError("PortHamiltonianField: there is a control, but no input matrix g(q) that it acts through")
      }
      force = force + input.product(q, control(t, x))
    }
    let field: Tensor<Scalar> = .concatenated([slope.p, force], axis: 1)
    if case .full(let matrix) = dissipation { return field - matrix.product(x, gradient) }
    return field
  }

  /// y = g(q)ᵀ ∂H/∂p, [rows, m]: what the input does work on. Its product with u is the power that comes in.
  public func output(_ x: Tensor<Scalar>) -> Tensor<Scalar> {
    guard let input else { fatalError("PortHamiltonianField.output: there is no input matrix g(q)") }
    let q = phaseHalves(x, "PortHamiltonianField").q
    let velocity = phaseHalves(energy.gradient(x), "PortHamiltonianField").p
    return input.transposedProduct(q, velocity)
  }

  /// ∇Hᵀ R ∇H, [rows], not negative: the power that is lost.
  public func dissipatedPower(_ x: Tensor<Scalar>) -> Tensor<Scalar> {
    let q = phaseHalves(x, "PortHamiltonianField").q
    let gradient = energy.gradient(x)
    switch dissipation {
    case .none: return .zeros([x.shape[0]])
    case .rayleigh(let matrix):
      return matrix.quadraticForm(q, phaseHalves(gradient, "PortHamiltonianField").p)
    case .full(let matrix): return matrix.quadraticForm(x, gradient)
    }
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {
    visit("energy", &energy)
    visit("dissipation", &dissipation)
    visit("input", &input)
  }
}

/// g(q), n x m: how m inputs act on n momenta.
public struct InputMatrix<Scalar: FloatingScalar>: Module {
  /// n and m.
  public let momenta: Int, inputs: Int
  /// [n, m], or of the network [rows, n m].
  public var entries: MatrixEntries<Scalar>

  /// One matrix [n, m] for all positions, learned from there.
  public init(constant matrix: Tensor<Scalar>) {
    require(
      matrix.rank == 2 && matrix.count > 0, "InputMatrix: needs a matrix [n, m], got shape \(matrix.shape)")
    (momenta, inputs) = (matrix.shape[0], matrix.shape[1])
    entries = .constant(matrix)
  }

  /// A network of the n positions.
  public init(
    momenta: Int, inputs: Int, hidden: [Int], activation: Activation = .tanh,
    key: RandomKey = RandomKey(seed: 0)
  ) {
    require(
      momenta > 0 && inputs > 0, "InputMatrix: extents must be positive, got \(momenta) and \(inputs)")
    self.momenta = momenta
    self.inputs = inputs
    entries = .network(MLP(sizes: [momenta] + hidden + [momenta * inputs], activation: activation, key: key))
  }

  /// g(q) u, [rows, n], for positions q [rows, n] and inputs u [rows, m] or [m].
  public func product(_ q: Tensor<Scalar>, _ u: Tensor<Scalar>) -> Tensor<Scalar> {
    requireColumns(q)
    requireEntries()
    let rows = q.shape[0]
    require(
      u.shape == [rows, inputs] || u.shape == [inputs],
      "InputMatrix: \(rows) rows need inputs [\(rows), \(inputs)] or [\(inputs)], got \(u.shape)")
    switch entries {
    case .constant(let matrix):
      let product = matmul(u.reshaped(to: [u.count / inputs, inputs]), matrix.transposed())
      return u.rank == 1 ? product + Tensor.zeros([rows, momenta]) : product
    case .network(let net):
      let g = net(q).reshaped(to: [rows, momenta, inputs])
      return (g * u.reshaped(to: [u.count / inputs, 1, inputs])).sum(axes: 2)
    }
  }

  private func requireEntries() {
    guard case .constant(let matrix) = entries else { return }
    require(
      matrix.shape == [momenta, inputs],
      "InputMatrix: the entries of a matrix [\(momenta), \(inputs)] have shape \(matrix.shape)")
  }

  private func requireColumns(_ x: Tensor<Scalar>) {
    require(
      x.rank == 2 && x.shape[1] == momenta,
      "InputMatrix: a matrix [\(momenta), \(inputs)] acts on rows of \(momenta) momenta, got shape \(x.shape)"
    )
  }

  /// g(q)ᵀ v, [rows, m], for v [rows, n].
  public func transposedProduct(_ q: Tensor<Scalar>, _ v: Tensor<Scalar>) -> Tensor<Scalar> {
    requireColumns(q)
    requireColumns(v)
    requireEntries()
    require(
      q.shape == v.shape,
      "InputMatrix: positions \(q.shape) and momenta \(v.shape) must have the same shape")
    switch entries {
    case .constant(let matrix): return matmul(v, matrix)
    case .network(let net):
      let rows = q.shape[0]
      return (net(q).reshaped(to: [rows, momenta, inputs]) * v.reshaped(to: [rows, momenta, 1])).sum(axes: 1)
    }
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) { visit("entries", &entries) }
}
