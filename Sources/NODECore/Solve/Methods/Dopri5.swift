extension Method {
  /// Dormand and Prince's pair, order 5(4), six evaluations a step (FSAL), with Shampine's interpolant of order 4.
  /// J. R. Dormand, P. J. Prince, J. Comput. Appl. Math. 6 (1980) 19, table 2; the interpolant as in
  /// Hairer, Norsett, Wanner I, section II.6, eq. (6.12), and their code DOPRI5 (coefficients D1, D3...D7).
  public static let dopri5 = Method(
    Tableau(
      name: "dopri5", order: 5,
      rows: [
        [],
        [1.0 / 5],
        [3.0 / 40, 9.0 / 40],
        [44.0 / 45, -56.0 / 15, 32.0 / 9],
        [19372.0 / 6561, -25360.0 / 2187, 64448.0 / 6561, -212.0 / 729],
        [9017.0 / 3168, -355.0 / 33, 46732.0 / 5247, 49.0 / 176, -5103.0 / 18656],
        Array(dopri5Weights.dropLast()),
      ],
      b: dopri5Weights,
      bHat: [
        5179.0 / 57600, 0, 7571.0 / 16695, 393.0 / 640, -92097.0 / 339200, 187.0 / 2100, 1.0 / 40,
      ],
      dense: .weights(dopri5Dense)))

  private static let dopri5Weights: [Double] = [
    35.0 / 384, 0, 500.0 / 1113, 125.0 / 192, -2187.0 / 6784, 11.0 / 84, 0,
  ]

  /// DOPRI5 evaluates y + x (r + (1 - x) (s + x (u + (1 - x) v))) with, as weights of the stages,
  /// r = b, s = e1 - b, u = 2 b - e1 - e7, v = d; expanded in powers of x that is
  /// x e1 + x^2 (u + d - s) - x^3 (u + 2 d) + x^4 d.
  private static let dopri5Dense: [[Double]] = {
    let d: [Double] = [
      -12_715_105_075.0 / 11_282_082_432, 0, 87_487_479_700.0 / 32_700_410_799,
      -10_690_763_975.0 / 1_880_347_072, 701_980_252_875.0 / 199_316_789_632, -1_453_857_185.0 / 822_651_844,
      69_997_945.0 / 29_380_423,
    ]
    return d.indices.map { i in
      let b = dopri5Weights[i], first = i == 0 ? 1.0 : 0, last = i == 6 ? 1.0 : 0
      let s = first - b, u = 2 * b - first - last
      return [first, u + d[i] - s, -u - 2 * d[i], d[i]]
    }
  }()
}
