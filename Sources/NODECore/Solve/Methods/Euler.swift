extension Method {
  /// Euler's method, order 1, one evaluation a step. L. Euler, Institutionum calculi integralis I (1768), section 650.
  public static let euler = Method(
    Tableau(name: "euler", order: 1, rows: [[]], b: [1], dense: .cubicHermite))
}
