extension Method {
  /// Bogacki and Shampine's pair, order 3(2), three evaluations a step (FSAL). Its interpolant is the cubic Hermite one.
  /// P. Bogacki, L. F. Shampine, Appl. Math. Lett. 2 (1989) 321, eq. (5).
  public static let bosh3 = Method(
    Tableau(
      name: "bosh3", order: 3,
      rows: [[], [1.0 / 2], [0, 3.0 / 4], [2.0 / 9, 1.0 / 3, 4.0 / 9]],
      b: [2.0 / 9, 1.0 / 3, 4.0 / 9, 0],
      bHat: [7.0 / 24, 1.0 / 4, 1.0 / 3, 1.0 / 8],
      dense: .cubicHermite))
}
