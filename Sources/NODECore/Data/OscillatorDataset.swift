import Foundation

/// d²x/dt² = -2 gamma v - (gamma² + omega²) x: x = e^(-gamma t) (a cos omega t + b sin omega t).
public struct DampedOscillator<Scalar: FloatingScalar>: AccelerationField {
  /// Rate of the decay, and angular frequency of the damped motion; `exact` needs an omega that is not 0.
  public var gamma: Double, omega: Double

  /// The defaults are the settings of `OscillatorDataset.dampedOscillators`.
  public init(gamma: Double = 0.1, omega: Double = 1) {
    self.gamma = gamma
    self.omega = omega
  }

  public func callAsFunction(_ t: Tensor<Scalar>, _ x: Tensor<Scalar>, _ v: Tensor<Scalar>) -> Tensor<Scalar>
  {
    v * (-2 * gamma) - x * (gamma * gamma + omega * omega)
  }

  /// Position and velocity at t for those at 0.
  public func exact(_ t: Double, from x0: Double, _ v0: Double) -> (x: Double, v: Double) {
    let b = (v0 + gamma * x0) / omega, decay = Foundation.exp(-gamma * t)
    let c = Foundation.cos(omega * t), s = Foundation.sin(omega * t)
    let x = decay * (x0 * c + b * s)
    return (x, -gamma * x + omega * decay * (b * c - x0 * s))
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {}
}

/// d²x/dt² = mu (1 - x²) v - x + A cos(omega t): an oscillator with a limit cycle, driven from outside.
public struct ForcedVanDerPol<Scalar: FloatingScalar>: AccelerationField {
  /// Strength of the damping; amplitude A and angular frequency of the drive.
  public var mu: Double, amplitude: Double, omega: Double

  /// The defaults are the settings of `OscillatorDataset.forcedVanDerPol`.
  public init(mu: Double = 8.53, amplitude: Double = 1.4, omega: Double = .pi / 5) {
    self.mu = mu
    self.amplitude = amplitude
    self.omega = omega
  }

  public func callAsFunction(_ t: Tensor<Scalar>, _ x: Tensor<Scalar>, _ v: Tensor<Scalar>) -> Tensor<Scalar>
  {
    (1.0 - square(x)) * v * mu - x + cos(t * omega) * amplitude
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {}
}

/// Trajectories of second-order systems, with the settings of Norcliffe et al. 2020 (the authors'
/// damped_oscillators and vdp_oscillator).
public enum OscillatorDataset: String, Sendable, Hashable, CaseIterable {
  /// Starts uniform on (-2.5, 2.5) in position and velocity, 100 times from 0 to 10.
  case dampedOscillators = "damped oscillators"
  /// One start, x = 0.1 and v = 0, 200 times from 0 to 200; the first 70 are for training.
  case forcedVanDerPol = "forced Van der Pol"

  /// The paper's number of trajectories.
  public var count: Int { self == .dampedOscillators ? 30 : 1 }

  /// At equal intervals, both ends among them.
  public var times: [Double] {
    let (count, end) = self == .dampedOscillators ? (100, 10.0) : (200, 200.0)
    return (0..<count).map { end * Double($0) / Double(count - 1) }
  }

  /// Positions and velocities [times, count, 2] of trajectories that start as `key` says, integrated at a
  /// tolerance of 1e-9.
  public func trajectories(_ count: Int? = nil, key: RandomKey) throws -> Tensor<Double> {
    let count = count ?? self.count
    require(count > 0, "OscillatorDataset: the number of trajectories must be positive, got \(count)")
    switch self {
    case .dampedOscillators:
      let starts = Tensor<Double>.uniform(shape: [count, 2], in: -2.5..<2.5, key: key)
      return try path(DampedOscillator(), starts)
    case .forcedVanDerPol:
      return try path(ForcedVanDerPol(), Tensor([0.1, 0]).broadcast(to: [count, 2]))
    }
  }

  private func path<A: AccelerationField>(
    _ acceleration: A, _ starts: Tensor<Double>
  ) throws -> Tensor<Double> where A.Scalar == Double {
    let field = SecondOrderField(acceleration)
    return try odeint(from: starts, at: times, method: .dopri5, rtol: 1e-9, atol: 1e-9) { t, y in
      try field(t, y)
    }.states
  }
}
