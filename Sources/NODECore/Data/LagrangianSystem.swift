import Foundation

/// A system with a known Lagrangian, its accelerations and energy in closed form: something to learn, and to be measured
/// against.
public protocol LagrangianSystem<Scalar>: Lagrangian {
  /// n.
  var coordinates: Int { get }
  /// In closed form: [rows, n] of q and v [rows, n].
  func acceleration(_ q: Tensor<Scalar>, _ v: Tensor<Scalar>) -> Tensor<Scalar>
  /// [rows] of states [q, v], [rows, 2n].
  func energy(_ y: Tensor<Scalar>) -> Tensor<Scalar>
  /// What errors of energies are divided by.
  var energyScale: Double { get }
  /// What coordinates are to a network.
  var encoding: CoordinateEncoding { get }
}

/// Two point masses on massless rods, one hanging from the other; angles from straight down. Chaotic.
public struct DoublePendulum<Scalar: FloatingScalar>: LagrangianSystem {
  /// Of the upper and the lower pendulum, in kg and m; positive.
  public var masses: (Double, Double), lengths: (Double, Double)
  /// In m/s²; positive.
  public var gravity: Double

  /// As in Cranmer et al. 2020: unit masses and lengths, g = 9.8. Everything positive.
  public init(masses: (Double, Double) = (1, 1), lengths: (Double, Double) = (1, 1), gravity: Double = 9.8) {
    for number in [masses.0, masses.1, lengths.0, lengths.1, gravity] {
      require(
        number > 0 && number.isFinite,
        "DoublePendulum: masses, lengths and gravity must be positive, got \(number)")
    }
    self.masses = masses
    self.lengths = lengths
    self.gravity = gravity
  }

  public var coordinates: Int { 2 }
  public var encoding: CoordinateEncoding { .circle }

  /// Half of the span of the potential energy: 29.4 J for unit masses and lengths.
  public var energyScale: Double {
    (masses.0 + masses.1) * gravity * lengths.0 + masses.1 * gravity * lengths.1
  }

  public func callAsFunction(_ q: Tensor<Scalar>, _ v: Tensor<Scalar>) -> Tensor<Scalar> {
    let (kinetic, potential) = energies(q, v)
    return kinetic - potential
  }

  public func energy(_ y: Tensor<Scalar>) -> Tensor<Scalar> {
    let (q, v) = halves(y, "DoublePendulum.energy")
    let (kinetic, potential) = energies(q, v)
    return kinetic + potential
  }

  private func energies(_ q: Tensor<Scalar>, _ v: Tensor<Scalar>) -> (Tensor<Scalar>, Tensor<Scalar>) {
    require(
      q.rank == 2 && q.shape[1] == 2 && v.shape == q.shape,
      "DoublePendulum: angles and velocities are [rows, 2], got \(q.shape) and \(v.shape)")
    let (q1, q2, v1, v2) = (q[0..., 0], q[0..., 1], v[0..., 0], v[0..., 1])
    let (m1, m2) = masses, (l1, l2) = lengths
    let kinetic =
      square(v1) * (0.5 * (m1 + m2) * l1 * l1) + square(v2) * (0.5 * m2 * l2 * l2)
      + v1 * v2 * cos(q1 - q2) * (m2 * l1 * l2)
    return (kinetic, cos(q1) * (-(m1 + m2) * gravity * l1) - cos(q2) * (m2 * gravity * l2))
  }

  public func acceleration(_ q: Tensor<Scalar>, _ v: Tensor<Scalar>) -> Tensor<Scalar> {
    let (q1, q2, v1, v2) = (q[0..., 0], q[0..., 1], v[0..., 0], v[0..., 1])
    let (m1, m2) = masses, (l1, l2) = lengths
    // The two equations are a1 + c1 a2 = f1 and c2 a1 + a2 = f2.
    let c1 = cos(q1 - q2) * (l2 / l1 * m2 / (m1 + m2)), c2 = cos(q1 - q2) * (l1 / l2)
    let f1 = square(v2) * sin(q1 - q2) * (-l2 / l1 * m2 / (m1 + m2)) - sin(q1) * (gravity / l1)
    let f2 = square(v1) * sin(q1 - q2) * (l1 / l2) - sin(q2) * (gravity / l2)
    let determinant = 1 - c1 * c2
    return .stacked([(f1 - c1 * f2) / determinant, (f2 - c2 * f1) / determinant], axis: 1)
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {}
}

/// A particle of mass m on a line under a constant force, with the speed of light 1: L = -m √(1 - v²) + F q.
///
/// Its kinetic energy is no square of the velocity, which a Hamiltonian network needs the momenta m v / √(1 - v²) for and a
/// Lagrangian one does not (Cranmer et al. 2020, section 4.2, whose Lagrangian of this name is 1/√(1 - v²) - 1 + F q: another
/// one, with another motion).
public struct RelativisticParticle<Scalar: FloatingScalar>: LagrangianSystem {
  /// Positive.
  public var mass: Double
  /// Constant and finite, of either sign.
  public var force: Double

  /// - Parameters:
  ///   - mass: finite and positive.
  ///   - force: finite.
  public init(mass: Double = 1, force: Double = 1) {
    require(mass > 0 && mass.isFinite, "RelativisticParticle: the mass must be positive, got \(mass)")
    require(force.isFinite, "RelativisticParticle: the force must be finite, got \(force)")
    self.mass = mass
    self.force = force
  }

  public var coordinates: Int { 1 }
  public var encoding: CoordinateEncoding { .plain }
  /// The rest energy.
  public var energyScale: Double { mass }

  /// NaN for speeds of 1 and more.
  public func callAsFunction(_ q: Tensor<Scalar>, _ v: Tensor<Scalar>) -> Tensor<Scalar> {
    q[0..., 0] * force - sqrt(1 - square(v[0..., 0])) * mass
  }

  /// m / √(1 - v²) - F q.
  public func energy(_ y: Tensor<Scalar>) -> Tensor<Scalar> {
    let (q, v) = halves(y, "RelativisticParticle.energy")
    return rsqrt(1 - square(v[0..., 0])) * mass - q[0..., 0] * force
  }

  /// F / m (1 - v²)^(3/2).
  public func acceleration(_ q: Tensor<Scalar>, _ v: Tensor<Scalar>) -> Tensor<Scalar> {
    let rest = 1 - square(v)
    return rest * sqrt(rest) * (force / mass)
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {}
}
