/// Hamilton's equations of a learned energy (Greydanus, Dzamba, Yosinski 2019, "Hamiltonian Neural Networks"):
/// q' = ∂H/∂p, p' = -∂H/∂q for rows [q, p], [rows, 2n].
///
/// Whatever the energy's parameters are, the exact flow keeps H and volume in phase space; how well a solve does is the method's
/// matter: see `symplecticPath`.
///
/// ```swift
/// let field = HamiltonianField(NetworkEnergy<Float>(2))
/// var trainer = Trainer(field, optimizer: .adam(learningRate: 1e-3)) {
///   (field: HamiltonianField<NetworkEnergy<Float>>, batch: Tensor<Float>) in      // [2, rows, 2]: x and dx
///   meanSquaredError(field(batch[0]), batch[1])       // on derivatives; or through `odeint`, on states
/// }
/// ```
public struct HamiltonianField<Energy: EnergyFunction>: VectorField {
  public typealias Scalar = Energy.Scalar

  /// H of rows [q, p], [rows, 2n] -> [rows].
  public var energy: Energy

  public init(_ energy: Energy) { self.energy = energy }

  /// J ∇H at rows x [rows, 2n], of x's shape.
  public func callAsFunction(_ x: Tensor<Scalar>) -> Tensor<Scalar> {
    let slope = phaseHalves(energy.gradient(x), "HamiltonianField")
    return .concatenated([slope.p, -slope.q], axis: 1)
  }

  public func callAsFunction(_ t: Tensor<Scalar>, _ y: Tensor<Scalar>) -> Tensor<Scalar> { self(y) }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) { visit("energy", &energy) }
}
