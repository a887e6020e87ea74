/// The coefficients of an explicit Runge-Kutta method, known to be right: a table that breaks a row length, a
/// declared order or its own dense output cannot be built.
///
/// Stage i is k_i = f(t + c_i h, y + h sum_j a_ij k_j), the step is y + h sum_i b_i k_i, the dense output at t + x h
/// is y + h sum_i b_i(x) k_i with polynomials b_i. Given are a, b, the embedded weights and the polynomials; *derived*
/// are c (row sums), FSAL, the order of the embedded solution and that of the dense output.
public struct Tableau: Sendable, Hashable {
  /// How a step is interpolated.
  public enum DenseOutput: Sendable, Hashable {
    /// weights[i][d - 1] is the coefficient of x^d in b_i(x).
    case weights([[Double]])
    /// The cubic through y, f(t, y), y1, f(t + h, y1) (Hairer, Norsett, Wanner I, II.6, eq. 6.7). A method that is
    /// not FSAL gets one more stage for f(t + h, y1), evaluated only where a save time lies inside of the step.
    case cubicHermite
  }

  /// The method's name in messages.
  public let name: String
  /// Order of the solution that is propagated, 1 to `mostOrder`.
  public let order: Int
  /// Order of the embedded solution; 0: no error estimate, so no adaptive steps.
  public let embeddedOrder: Int
  /// Order to which the dense output satisfies the order conditions for every x.
  public let denseOrder: Int
  /// Stages of a step. Further ones (at most one) serve the dense output only.
  public let stepStages: Int
  /// The last stage of a step is the first of the next.
  public let isFSAL: Bool
  /// a[i][j] (square, stages x stages), b, c, the error weights b - bHat (zeros without an embedded solution) and
  /// dense[i][d - 1].
  public let a: [[Double]], b: [Double], c: [Double], bError: [Double], dense: [[Double]]

  /// Stages, those of the dense output included.
  public var stages: Int { b.count }
  /// Evaluations of the field in one step after the first.
  public var evaluationsPerStep: Int { isFSAL ? stepStages - 1 : stepStages }

  /// Rounding that published decimal coefficients may carry, in an order condition.
  static let tolerance = 1e-12

  /// Highest order whose conditions are checked: there are 1,205 up to it, and no method of 15 stages is known to have a
  /// higher one.
  public static let mostOrder = 10

  /// - Parameters:
  ///   - order: 1 to `mostOrder`.
  ///   - rows: row i holds a_i0 ... a_i(i-1); the first row is empty.
  ///   - bHat: the embedded solution's weights.
  /// - Precondition: the table is right; the message names the method, the condition and its residual.
  public init(
    name: String, order: Int, rows: [[Double]], b: [Double], bHat: [Double]? = nil, dense: DenseOutput
  ) {
    if let flaw = Tableau.flaw(name: name, order: order, rows: rows, b: b, bHat: bHat, dense: dense) {
      fatalError(flaw)
    }
    let steps = b.count
    func square(_ rows: [[Double]]) -> [[Double]] {
      rows.map { $0 + [Double](repeating: 0, count: rows.count - $0.count) }
    }
    let isFSAL = steps > 1 && rows[steps - 1] + [0] == b
    var rows = rows
    var b = b
    var bHat = bHat ?? b
    if case .cubicHermite = dense, !isFSAL {
      rows.append(b)
      b.append(0)
      bHat.append(0)
    }
    self.name = name
    self.order = order
    self.isFSAL = isFSAL
    stepStages = steps
    a = square(rows)
    self.b = b
    // A sum of fractions may miss 1 by an ulp, but a stage at the end of a step is exactly there: with an FSAL method it is
    // the next step's first one.
    c = rows.map { row in
      let sum = row.reduce(0, +)
      return abs(sum - 1) < 1e-14 ? 1 : sum
    }
    bError = zip(b, bHat).map(-)
    let polynomials = Tableau.polynomials(dense, b: b)
    self.dense = polynomials
    let trees = RootedTree.all(upTo: order + 1)
    embeddedOrder = bError.allSatisfy { $0 == 0 } ? 0 : Tableau.order(of: bHat, a: a, trees)
    let stages = a
    denseOrder = trees.prefix { Tableau.denseResidual($0, a: stages, polynomials) <= Tableau.tolerance }.count
  }

  package var coefficients: TableauCoefficients {
    TableauCoefficients(
      stages: stages, stepStages: stepStages, order: order, embeddedOrder: embeddedOrder, isFSAL: isFSAL,
      denseDegree: dense[0].count, a: a, b: b, c: c, bError: bError, dense: dense)
  }

  /// The cubic's weights: y1 - y = h sum b k, so with the Hermite basis
  /// b_i(x) = (3 x^2 - 2 x^3) b_i + (x - 2 x^2 + x^3) [i first] + (x^3 - x^2) [i last].
  private static func polynomials(_ dense: DenseOutput, b: [Double]) -> [[Double]] {
    switch dense {
    case .weights(let weights): return weights
    case .cubicHermite:
      return b.indices.map { i in
        let first = i == 0 ? 1.0 : 0, last = i == b.count - 1 ? 1.0 : 0
        return [first, 3 * b[i] - 2 * first - last, -2 * b[i] + first + last]
      }
    }
  }
}
