import Foundation

/// The one-dimensional systems of Saemundsson et al. 2020 (section 5; the constants are those of the authors' program), with
/// mass and length one. A phase is position and velocity, [rows, 2].
public enum Oscillator: String, Sendable, Hashable, CaseIterable {
  /// q'' = -g sin q, g = 9.82: q is the angle from the lowest point.
  case pendulum
  /// q'' = -k q, k = 2.
  case spring

  /// g or k.
  public var stiffness: Double {
    switch self {
    case .pendulum: 9.82
    case .spring: 2
    }
  }

  /// The derivative of the phase, [rows, 2].
  public func field<S: FloatingScalar>(_ phase: Tensor<S>) -> Tensor<S> {
    let q = phase.sliced(0..<1, axis: 1), velocity = phase.sliced(1..<2, axis: 1)
    let pull =
      switch self {
      case .pendulum: sin(q)
      case .spring: q
      }
    return .concatenated([velocity, pull * -stiffness], axis: 1)
  }

  /// V of positions [rows, 1]: [rows], zero where the force is.
  public func potential<S: FloatingScalar>(_ q: Tensor<S>) -> Tensor<S> {
    switch self {
    case .pendulum: (2 * stiffness * square(sin(q * 0.5))).sum(axes: 1)
    case .spring: (square(q) * (stiffness / 2)).sum(axes: 1)
    }
  }

  /// The energy of phases [rows, 2]: [rows].
  public func energy<S: FloatingScalar>(_ phase: Tensor<S>) -> Tensor<S> {
    square(phase[.all, 1]) * 0.5 + potential(phase.sliced(0..<1, axis: 1))
  }

  /// The energy, to be watched along a trajectory.
  public func energyInvariant<S: FloatingScalar>(_ type: S.Type = S.self) -> Invariant<S> {
    Invariant("energy") { energy($0) }
  }

  /// Phases to start from, [rows, 2], as the authors draw them: the pendulum 0.1 to π/2 from its highest point on either side,
  /// with a velocity in [-1, 1) (it may go over the top); the spring at a distance of 0.5 to 1.5, with a velocity in
  /// [-0.5, 0.5).
  public func starts<S: FloatingScalar>(_ rows: Int, key: RandomKey) -> Tensor<S> {
    require(rows > 0, "Oscillator: the number of rows must be positive, got \(rows)")
    let keys = key.split(3)
    let side = floor(Tensor<S>.uniform(shape: [rows], in: 0..<2, key: keys[0])) * 2 - 1
    func uniform(_ range: Range<Double>, _ key: RandomKey) -> Tensor<S> {
      .uniform(shape: [rows], in: range, key: key)
    }
    switch self {
    case .pendulum:
      return .stacked(
        [side * (Double.pi - uniform(0.1..<Double.pi / 2, keys[1])), uniform(-1..<1, keys[2])], axis: 1)
    case .spring:
      return .stacked([side * uniform(0.5..<1.5, keys[1]), uniform(-0.5..<0.5, keys[2])], axis: 1)
    }
  }

  /// The phases at times 0, h, ..., steps h, [steps + 1, rows, 2], solved to 1e-11.
  /// - Parameters:
  ///   - start: [rows, 2].
  ///   - stepSize: h, positive.
  ///   - noise: standard deviation of the noise on positions and velocities; the authors' is 0.33.
  ///   - key: of the noise.
  public func trajectory(
    from start: Tensor<Double>, steps: Int, stepSize: Double = 0.1, noise: Double = 0,
    key: RandomKey = RandomKey(seed: 0)
  ) throws -> Tensor<Double> {
    require(
      steps > 0 && stepSize > 0 && stepSize.isFinite && noise >= 0 && noise.isFinite,
      "Oscillator: steps \(steps) and their size \(stepSize) must be positive, the noise \(noise) not negative"
    )
    let states = try odeint(
      from: start, at: (0...steps).map { Double($0) * stepSize }, method: .dopri5, rtol: 1e-11, atol: 1e-11
    ) { _, y in field(y) }.states
    guard noise > 0 else { return try states.evaluated() }
    return try (states + noise * Tensor.normal(shape: states.shape, key: key)).evaluated()
  }
}
