extension Method {
  /// The explicit midpoint rule, order 2, two evaluations a step.
  /// C. Runge, Math. Ann. 46 (1895), eq. (4).
  public static let midpoint = Method(
    Tableau(name: "midpoint", order: 2, rows: [[], [1.0 / 2]], b: [0, 1], dense: .cubicHermite))
}
