/// Where a coordinate of a `VariationalIntegrator` lives.
public enum ConfigurationSpace: String, Sendable, Hashable, CaseIterable {
  /// T = m (q1 - q0)² / (2h).
  case line
  /// An angle, in radians: T = m (1 - cos(q1 - q0)) / h, which is that of the rotation matrices. Angles are never wrapped;
  /// give them a `PeriodicPotential`. A step turns by less than a quarter: it exists where |s(q[n] - q[n-1]) + h² W F| < 1, and
  /// what would be more (a step size too large for the speed) stops at the largest sine, 1 - 1e-4. Such a step is not
  /// symplectic and does not read the same backward.
  case circle
}

/// What a state of a `VariationalIntegrator` holds, each [rows, n], the present positions first.
public enum VariationalForm: String, Sendable, Hashable, CaseIterable {
  /// The present and the previous positions: no velocity is ever needed (Störmer and Verlet).
  case positions
  /// Positions and velocities (velocity Verlet).
  case velocities
}

/// A network of mechanics whose layers are steps of a variational integrator (Saemundsson, Terenin, Hofmann, Deisenroth 2020,
/// "Variational Integrator Networks for Physically Structured Embeddings", sections 3 and 4): what is learned is a potential,
/// and the step follows from a discrete Lagrangian,
///
///     L(q0, q1) = T(q1 - q0) - h/2 (V(q0) + V(q1)),     D2 L(q[n-1], q[n]) + D1 L(q[n], q[n+1]) = 0.
///
/// So it is symplectic for any weights (in the coordinates of `phases`, positions and momenta: two positions on a circle are not
/// canonical, and `symplecticityDefect` of that form is no round-off), keeps the momenta of every symmetry of the discrete Lagrangian (of V and the masses both),
/// reads the same backward, and its energy stays
/// near its start for as long as one likes, where a residual network's drifts.
///
/// ```swift
/// let map = VariationalIntegrator(potential: net, coordinates: 1, stepSize: 0.1)     // net: q [rows, 1] -> [rows]
/// let path = map.phases(from: phase, steps: 100)                                     // [101, rows, 2]
/// ```
/// With s(x) = x on a line and sin x on a circle, W the inverse masses and F = -∇V, all forms are
///
///     s(q[n+1] - q[n]) = s(q[n] - q[n-1]) + h² W F(q[n])
///
/// of the two positions (Störmer and Verlet; on a circle the paper's SO(2) form), or cut in the middle, where
/// h v = s(q[n] - q[n-1]) + h²/2 W F(q[n]) is the velocity (velocity Verlet). Both make the same positions.
public struct VariationalIntegrator<Potential: Layer>: StepMap {
  public typealias Scalar = Potential.Scalar

  /// V: [rows, n] -> [rows] or [rows, 1]; rows do not mix.
  public var potential: Potential
  /// [n], learned: the logarithms of the inverse masses. nil: all masses are one.
  public var logInverseMass: Tensor<Scalar>?
  /// n.
  public let coordinates: Int
  /// Of all coordinates.
  public var space: ConfigurationSpace
  public var form: VariationalForm
  public var stepSize: Double

  /// - Parameters:
  ///   - coordinates: n, columns of the positions.
  ///   - stepSize: h, finite and not zero; negative to go back in time.
  ///   - learnsMass: whether masses are parameters, starting at one.
  public init(
    potential: Potential, coordinates: Int, space: ConfigurationSpace = .line,
    form: VariationalForm = .velocities, stepSize: Double,
    learnsMass: Bool = false
  ) {
    require(coordinates > 0, "VariationalIntegrator: there must be a coordinate, got \(coordinates)")
    require(
      stepSize.isFinite && stepSize != 0,
      "VariationalIntegrator: the step size must be finite and not zero, got \(stepSize)")
    self.potential = potential
    self.coordinates = coordinates
    self.space = space
    self.form = form
    self.stepSize = stepSize
    logInverseMass = learnsMass ? .zeros([coordinates]) : nil
  }

  /// A step: [rows, 2n] -> [rows, 2n].
  public func callAsFunction(_ state: Tensor<Scalar>) -> Tensor<Scalar> {
    let (q, second) = halves(state)
    switch form {
    case .positions:
      return .concatenated([next(q, displacement: discrete(q - second) + kick(q)), q], axis: 1)
    case .velocities:
      let increment = second * stepSize + 0.5 * kick(q), moved = next(q, displacement: increment)
      return .concatenated([moved, (increment + 0.5 * kick(moved)) / stepSize], axis: 1)
    }
  }

  public func rollout(from state: Tensor<Scalar>, steps: Int) -> Tensor<Scalar> {
    let (q, second) = halves(state)
    guard form == .velocities else {
      return repeated(from: state, first: state, steps: steps) { state in
        let next = self(state)
        return (next, next)
      }
    }
    // The force at the end of a step is that at the start of the next one: one evaluation a step.
    return repeated(from: [q, second * stepSize, kick(q)], first: state, steps: steps) { carry in
      let increment = carry[1] + 0.5 * carry[2], moved = next(carry[0], displacement: increment)
      let force = kick(moved), speed = increment + 0.5 * force
      return ([moved, speed, force], .concatenated([moved, speed / stepSize], axis: 1))
    }
  }

  /// Where the state holds previous positions: those that a step leads from to the present ones with the phase's velocity.
  public func state(ofPhase phase: Tensor<Scalar>) -> Tensor<Scalar> {
    guard form == .positions else { return phase }
    let (q, velocity) = halves(phase)
    return .concatenated([q, q - continuous(velocity * stepSize - 0.5 * kick(q))], axis: 1)
  }

  public func phase(ofState state: Tensor<Scalar>) -> Tensor<Scalar> {
    guard form == .positions else { return state }
    let (q, previous) = halves(state)
    return .concatenated([q, (discrete(q - previous) + 0.5 * kick(q)) / stepSize], axis: 1)
  }

  /// The momenta W⁻¹ v of velocities, [rows, n] both. Positions and momenta are what a step keeps the symplectic form of.
  public func momenta(ofVelocities velocity: Tensor<Scalar>) -> Tensor<Scalar> {
    logInverseMass.map { velocity * exp(-$0) } ?? velocity
  }

  /// The discrete Lagrangian of two successive positions [rows, n]: [rows]. Steps are what makes its sum over a path
  /// stationary.
  public func discreteLagrangian(_ q0: Tensor<Scalar>, _ q1: Tensor<Scalar>) -> Tensor<Scalar> {
    require(
      q0.rank == 2 && q0.shape[1] == coordinates && q1.shape == q0.shape,
      "VariationalIntegrator: positions must be [rows, \(coordinates)], got \(q0.shape) and \(q1.shape)")
    let distance =
      switch space {
      case .line: square(q1 - q0) * 0.5
      // 1 - cos without cancellation.
      case .circle: 2 * square(sin((q1 - q0) * 0.5))
      }
    let kinetic = momenta(ofVelocities: distance).sum(axes: 1) / stepSize
    return kinetic - (energies(q0) + energies(q1)) * (stepSize / 2)
  }

  /// V of positions [rows, n]: [rows].
  public func energies(_ q: Tensor<Scalar>) -> Tensor<Scalar> {
    let energies = potential(q)
    require(
      energies.shape == [q.shape[0]] || energies.shape == [q.shape[0], 1],
      "VariationalIntegrator: the potential of positions \(q.shape) must have one number a row, got shape "
        + "\(energies.shape)")
    return energies.reshaped(to: [q.shape[0]])
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {
    visit("potential", &potential)
    visit("logInverseMass", &logInverseMass)
  }
}

extension VariationalIntegrator {
  /// h² W F(q), [rows, n].
  private func kick(_ q: Tensor<Scalar>) -> Tensor<Scalar> {
    let force = gradient(at: q) { q in energies(q).sum() } * (-stepSize * stepSize)
    return logInverseMass.map { force * exp($0) } ?? force
  }

  private func next(_ q: Tensor<Scalar>, displacement: Tensor<Scalar>) -> Tensor<Scalar> {
    q + continuous(displacement)
  }

  /// s.
  private func discrete(_ difference: Tensor<Scalar>) -> Tensor<Scalar> {
    switch space {
    case .line: difference
    case .circle: sin(difference)
    }
  }

  /// The inverse of s; beyond its range (`ConfigurationSpace.circle`) the authors' stops, too.
  private func continuous(_ displacement: Tensor<Scalar>) -> Tensor<Scalar> {
    switch space {
    case .line: return displacement
    case .circle:
      let sine = clamp(displacement, Tensor(Scalar(-0.9999)), Tensor(Scalar(0.9999)))
      return atan(sine * rsqrt((1 - sine) * (1 + sine)))
    }
  }

  private func halves(_ state: Tensor<Scalar>) -> (Tensor<Scalar>, Tensor<Scalar>) {
    require(
      stepSize.isFinite && stepSize != 0,
      "VariationalIntegrator: the step size must be finite and not zero, got \(stepSize)")
    require(
      state.rank == 2 && state.shape[1] == 2 * coordinates,
      "VariationalIntegrator: a state of \(coordinates) coordinates is [rows, \(2 * coordinates)], got shape "
        + "\(state.shape)")
    return phaseHalves(state, "VariationalIntegrator")
  }
}

/// A potential of angles [rows, n], made of their cosines and sines: 2π more or less does not change it.
public struct PeriodicPotential<Net: Layer>: Layer {
  public typealias Scalar = Net.Scalar

  /// [rows, 2n], all cosines and then all sines, to [rows] or [rows, 1].
  public var net: Net

  public init(_ net: Net) { self.net = net }

  public func callAsFunction(_ q: Tensor<Scalar>) -> Tensor<Scalar> {
    net(.concatenated([cos(q), sin(q)], axis: 1))
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) { visit("net", &net) }
}

/// Of an energy of cosines and sines it is one of angles, and so a potential for Hamiltonians, too.
extension PeriodicPotential: EnergyFunction where Net: EnergyFunction {}
