extension Method {
  /// The explicit trapezoidal rule with Euler's method embedded, order 2(1), two evaluations a step.
  /// K. Heun, Z. Math. Phys. 45 (1900); the pair: Hairer, Norsett, Wanner I, II.4.
  public static let heun = Method(
    Tableau(
      name: "heun", order: 2, rows: [[], [1]], b: [1.0 / 2, 1.0 / 2], bHat: [1, 0], dense: .cubicHermite))
}
