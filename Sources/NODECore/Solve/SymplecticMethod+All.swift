extension SymplecticMethod {
  /// Kick, then drift: order 1. De Vogelaere 1956.
  public static let symplecticEuler = SymplecticMethod(
    name: "symplecticEuler", stages: [.kick(1), .drift(1)])

  /// Drift, then kick: the adjoint of `symplecticEuler`.
  public static let symplecticEulerAdjoint = SymplecticMethod(
    name: "symplecticEulerAdjoint", stages: [.drift(1), .kick(1)])

  /// Störmer and Verlet's method as kick, drift, kick: order 2, one force a step. Verlet, Phys. Rev. 159 (1967).
  public static let velocityVerlet = SymplecticMethod(
    name: "velocityVerlet", stages: [.kick(0.5), .drift(1), .kick(0.5)])

  /// Störmer and Verlet's method as drift, kick, drift.
  public static let positionVerlet = SymplecticMethod(
    name: "positionVerlet", stages: [.drift(0.5), .kick(1), .drift(0.5)])

  /// Order 3, three forces. Ruth, IEEE Trans. Nucl. Sci. 30 (1983).
  public static let ruth3 = SymplecticMethod(
    name: "ruth3",
    stages: [
      .kick(7.0 / 24), .drift(2.0 / 3), .kick(3.0 / 4), .drift(-2.0 / 3), .kick(-1.0 / 24), .drift(1),
    ])

  /// Order 4, three forces: Verlet's method composed. Forest, Ruth, Physica D 43 (1990); Yoshida, Phys. Lett. A 150 (1990).
  public static let forestRuth = SymplecticMethod(
    name: "forestRuth", stages: composed([1 / (2 - cubeRootOf2), -cubeRootOf2 / (2 - cubeRootOf2)]))

  /// Order 4, four forces, extended after Forest and Ruth: some hundred times their accuracy. Omelyan, Mryglod, Folk, Comput.
  /// Phys. Commun. 146 (2002), "PEFRL".
  public static let omelyan4: SymplecticMethod = {
    let xi = 0.1786178958448091, lambda = -0.2123418310626054, chi = -0.06626458266981849
    let half: [Stage] = [.drift(xi), .kick(0.5 - lambda), .drift(chi), .kick(lambda)]
    return SymplecticMethod(
      name: "omelyan4", stages: half + [.drift(1 - 2 * (chi + xi))] + half.reversed())
  }()

  /// Order 6, seven forces: Verlet's method composed. Yoshida, Phys. Lett. A 150 (1990), table 1, solution A.
  public static let yoshida6: SymplecticMethod = {
    let outer = [0.784513610477557263819, 0.235573213359358133685, -1.177679984178871006946]
    return SymplecticMethod(name: "yoshida6", stages: composed(outer + [1 - 2 * outer.reduce(0, +)]))
  }()

  /// Every method there is; tests measure each one's order.
  public static let all: [SymplecticMethod] = [
    .symplecticEuler, .symplecticEulerAdjoint, .velocityVerlet, .positionVerlet, .ruth3, .forestRuth,
    .omelyan4, .yoshida6,
  ]

  private static let cubeRootOf2 = 1.25992104989487316477

  /// Position Verlet with steps w[0], w[1], ..., the last once, and back to w[0]; drifts that meet are one.
  private static func composed(_ w: [Double]) -> [Stage] {
    let steps = w + w.dropLast().reversed()
    let drifts = zip([0] + steps, steps + [0]).map { ($0 + $1) / 2 }
    return zip(drifts, steps).flatMap { [.drift($0), .kick($1)] } + [.drift(drifts.last!)]
  }
}
