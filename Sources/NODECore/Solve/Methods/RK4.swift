extension Method {
  /// The classical method, order 4, four evaluations a step.
  /// W. Kutta, Z. Math. Phys. 46 (1901); Hairer, Norsett, Wanner I, table II.1.2, left.
  public static let rk4 = Method(
    Tableau(
      name: "rk4", order: 4,
      rows: [[], [1.0 / 2], [0, 1.0 / 2], [0, 0, 1]],
      b: [1.0 / 6, 1.0 / 3, 1.0 / 3, 1.0 / 6],
      dense: .cubicHermite))
}
