// Hamiltonians with the structure that mechanics gives them.

/// ½ xᵀ A x with one positive definite matrix: the kinetic energy of momenta, A the inverse mass; the energy of springs.
public struct QuadraticEnergy<Scalar: FloatingScalar>: EnergyFunction {
  /// A.
  public var matrix: PositiveMatrix<Scalar>

  /// - Parameter diagonal: of A's Cholesky factor at the start.
  public init(_ dimensions: Int, diagonal: Double = 1) {
    matrix = PositiveMatrix(constant: dimensions, diagonal: diagonal)
  }

  public func callAsFunction(_ x: Tensor<Scalar>) -> Tensor<Scalar> { matrix.quadraticForm(x, x) * 0.5 }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) { visit("matrix", &matrix) }
}

/// H(q, p) = T(p) + V(q): what explicit symplectic methods can step.
public struct SeparableHamiltonian<Kinetic: EnergyFunction, Potential: EnergyFunction>: EnergyFunction
where Kinetic.Scalar == Potential.Scalar {
  public typealias Scalar = Kinetic.Scalar

  /// T: momenta [rows, n] -> [rows].
  public var kinetic: Kinetic
  /// V: positions [rows, n] -> [rows].
  public var potential: Potential

  /// - Parameters:
  ///   - kinetic: T, of momenta [rows, n].
  ///   - potential: V, of positions [rows, n].
  public init(kinetic: Kinetic, potential: Potential) {
    self.kinetic = kinetic
    self.potential = potential
  }

  public func callAsFunction(_ x: Tensor<Scalar>) -> Tensor<Scalar> {
    let x = phaseHalves(x, "SeparableHamiltonian")
    return kinetic.energies(x.p) + potential.energies(x.q)
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {
    visit("kinetic", &kinetic)
    visit("potential", &potential)
  }
}

/// H(q, p) = ½ pᵀ M⁻¹(q) p + V(q), the inverse mass matrix by its Cholesky factor, a network of the positions (Zhong et al.
/// 2020, equation 8). With one mass for all positions it is `SeparableHamiltonian` of a `QuadraticEnergy`.
public struct MechanicalHamiltonian<Potential: EnergyFunction>: EnergyFunction {
  public typealias Scalar = Potential.Scalar

  /// M⁻¹, constant or of positions [rows, n].
  public var inverseMass: PositiveMatrix<Scalar>
  /// V: positions [rows, n] -> [rows].
  public var potential: Potential

  /// - Parameters:
  ///   - inverseMass: M⁻¹, n x n.
  ///   - potential: V, of positions [rows, n].
  public init(inverseMass: PositiveMatrix<Scalar>, potential: Potential) {
    self.inverseMass = inverseMass
    self.potential = potential
  }

  public func callAsFunction(_ x: Tensor<Scalar>) -> Tensor<Scalar> {
    let x = phaseHalves(x, "MechanicalHamiltonian")
    return inverseMass.quadraticForm(x.q, x.p) * 0.5 + potential.energies(x.q)
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {
    visit("inverseMass", &inverseMass)
    visit("potential", &potential)
  }
}
