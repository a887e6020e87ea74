/// Motions to learn from accelerations, by the systems of the paper of Lagrangian networks (Cranmer et al. 2020).
public enum LagrangianTask: String, Sendable, Hashable, CaseIterable {
  case doublePendulum = "double-pendulum"
  case relativisticParticle = "relativistic-particle"

  /// The system with its default constants.
  public func system<Scalar: FloatingScalar>(_ type: Scalar.Type = Scalar.self) -> any LagrangianSystem<
    Scalar
  > {
    switch self {
    case .doublePendulum: DoublePendulum<Scalar>()
    case .relativisticParticle: RelativisticParticle<Scalar>()
    }
  }

  /// How long a motion is followed, in seconds (light crosses a unit of length in one).
  public var duration: Double {
    switch self {
    case .doublePendulum: 100
    case .relativisticParticle: 2
    }
  }

  /// The largest speed that states to learn from have; the authors' for the pendulum, whose motions
  /// from `starts` reach 8.
  public var speed: Double {
    switch self {
    case .doublePendulum: 10
    case .relativisticParticle: 0.95
    }
  }

  /// Independent states [q, q̇] to learn accelerations at, [count, 2n]: angles over a turn (positions in [-3, 3)), velocities
  /// in [-speed, speed).
  public func states<Scalar: FloatingScalar>(
    _ count: Int, speed: Double? = nil, key: RandomKey
  ) -> Tensor<Scalar> {
    require(count > 0, "LagrangianTask: the number of states must be positive, got \(count)")
    let keys = key.split(2), speed = speed ?? self.speed
    let q: Tensor<Scalar>
    switch self {
    case .doublePendulum: q = .uniform(shape: [count, 2], in: 0..<2 * .pi, key: keys[0])
    case .relativisticParticle: q = .uniform(shape: [count, 1], in: -3..<3, key: keys[0])
    }
    return .concatenated([q, .uniform(shape: q.shape, in: -speed..<speed, key: keys[1])], axis: 1)
  }

  /// Independent states to follow motions from, [count, 2n]: the pendulum's at angles over a turn with velocities in
  /// [0, 0.1), as the authors'; the particle's in [-1, 1) with velocities in [-0.5, 0.5), so that it stays among the states
  /// to learn from.
  public func starts<Scalar: FloatingScalar>(_ count: Int, key: RandomKey) -> Tensor<Scalar> {
    require(count > 0, "LagrangianTask: the number of starts must be positive, got \(count)")
    let keys = key.split(2)
    func state(_ n: Int, _ q: Range<Double>, _ v: Range<Double>) -> Tensor<Scalar> {
      .concatenated(
        [
          .uniform(shape: [count, n], in: q, key: keys[0]), .uniform(shape: [count, n], in: v, key: keys[1]),
        ], axis: 1)
    }
    switch self {
    case .doublePendulum: return state(2, 0..<2 * .pi, 0..<0.1)
    case .relativisticParticle: return state(1, -1..<1, -0.5..<0.5)
    }
  }
}
