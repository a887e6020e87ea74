import Foundation

/// Sequentially thresholded least squares (Brunton, Proctor, Kutz 2016, "Discovering governing equations from data by sparse
/// identification of nonlinear dynamical systems", supplement 2): fit, drop what is small, fit the rest, until nothing is dropped.
///
/// Columns are scaled to root mean square 1, so that a threshold is a share: a term is dropped whose root mean square over
/// the data is less than `threshold` times the target's. Least squares are solved by QR factors (`leastSquares`) in Double.
public struct SparseRegression: Sendable, Hashable {
  /// Ascending; not negative.
  public var thresholds: [Double]
  /// Each gives a path of its own: it adds ridge |c|^2 to the mean squares while terms are being dropped, c being the scaled coefficients
  /// relative to the target's root mean square. It tells terms apart that are nearly dependent on the data (all polynomials are, along one
  /// short trajectory), of which the plain fit makes large numbers that cancel, and no threshold drops. The fits that are returned
  /// have none, where there is such a fit. Not negative.
  public var ridges: [Double]
  /// How fits of the path follow from each other.
  public var search: Search

  /// Which sets of columns are fitted.
  public enum Search: Sendable, Hashable, CaseIterable {
    /// Every threshold starts from all terms, as in the paper, and again from what the threshold before it left: among terms that
    /// are nearly dependent the first fit shares out what belongs to one, and a high threshold drops them all at once.
    case thresholds
    /// No thresholds: from all terms on, the one whose absence costs least goes, one at a time (backward elimination; Boninsegna,
    /// Nüske, Clementi 2018, use the smallest coefficient): a fit of every size.
    case elimination
  }

  /// 10^-3 to 1, ten a decade.
  public static let defaultThresholds = (0...30).map { Foundation.pow(10, -3 + Double($0) / 10) }

  /// - Parameters:
  ///   - thresholds: in any order, finite and not negative; none only with `.elimination`, which has no use for them.
  ///   - ridges: at least one, finite and not negative.
  public init(
    thresholds: [Double] = SparseRegression.defaultThresholds, ridges: [Double] = [0, 1e-6],
    search: Search = .thresholds
  ) {
    require(
      thresholds.allSatisfy { $0.isFinite && $0 >= 0 } && (!thresholds.isEmpty || search == .elimination),
      "SparseRegression: thresholds must be finite and not negative, got \(thresholds)")
    require(
      !ridges.isEmpty && ridges.allSatisfy { $0.isFinite && $0 >= 0 },
      "SparseRegression: the ridges must be finite and not negative, got \(ridges)")
    self.thresholds = thresholds.sorted()
    self.ridges = ridges
    self.search = search
  }

  /// One fit of a path.
  public struct Fit: Sendable, Hashable {
    /// The columns that are left, ascending.
    public let support: [Int]
    /// One a column of the support, in the target's units.
    public let coefficients: [Double]
    /// Sum of squares.
    public let residuals: Double
  }

  /// The different fits for one target, fewest terms first; of fits of the same columns there is one. Columns that depend on each
  /// other, but for round-off, have no plain fit: they keep that with the ridge, where there is one, and without a ridge those go
  /// that the columns before them make.
  /// - Parameters:
  ///   - columns: [rows, terms] finite numbers, at least as many rows as terms.
  ///   - target: [rows].
  public func path(_ columns: Tensor<Double>, _ target: Tensor<Double>) -> [Fit] {
    require(
      columns.rank == 2 && target.shape == [columns.shape[0]] && columns.shape[0] >= columns.shape[1],
      "SparseRegression: columns \(columns.shape) and a target \(target.shape); [rows, terms] with rows >= terms and "
        + "[rows] are needed")
    var fits: [[Int]: Fit] = [:]
    for ridge in ridges {
      var problem = ScaledProblem(columns, target, ridge: ridge)
      for support in search == .thresholds ? thresholded(&problem) : eliminated(&problem)
      where fits[support] == nil {
        fits[support] = problem.fit(support)
      }
    }
    // Columns of zeros only: none of them is a fit.
    if fits.isEmpty { fits[[]] = ScaledProblem(columns, target, ridge: 0).fit([]) }
    return fits.values.sorted { ($0.support.count, $0.residuals) < ($1.support.count, $1.residuals) }
  }

  private func thresholded(_ problem: inout ScaledProblem) -> [[Int]] {
    var supports: [[Int]] = [], last = problem.everything
    for threshold in thresholds.sorted() {
      for start in [problem.everything, last] {
        var support = start
        while !support.isEmpty {
          let fit = problem.ridged(support)
          let left = zip(fit.support, fit.coefficients).filter { abs($1) >= threshold }.map(\.0)
          if left.count == support.count { break }
          support = left
        }
        supports.append(support)
      }
      last = supports.last!
    }
    return supports
  }

  private func eliminated(_ problem: inout ScaledProblem) -> [[Int]] {
    var supports = [problem.ridged(problem.everything).support]
    while let support = supports.last, !support.isEmpty {
      let rests = support.indices.map { leaving in
        support.indices.filter { $0 != leaving }.map { support[$0] }
      }
      let costs = rests.map { problem.ridged($0).residuals }
      supports.append(rests[costs.indices.min { costs[$0] < costs[$1] }!])
    }
    return supports
  }
}

/// Columns and target with root mean square 1, and the fits that were made of them.
private struct ScaledProblem {
  private let columns: [[Double]]
  private let target: [Double]
  private let scales: [Double]
  private let targetScale: Double
  private let ridge: Double
  private var known: [[Int]: Ridged] = [:]

  typealias Ridged = (support: [Int], coefficients: [Double], residuals: Double)

  init(_ columns: Tensor<Double>, _ target: Tensor<Double>, ridge: Double) {
    let rows = columns.shape[0], count = columns.shape[1], numbers = columns.scalars
    // Squares of what is divided by the largest: none overflows.
    func rootMeanSquare(_ x: [Double]) -> Double {
      let largest = x.reduce(0) { max($0, abs($1)) }
      guard largest > 0 else { return 0 }
      return (x.reduce(0) { $0 + ($1 / largest) * ($1 / largest) } / Double(rows)).squareRoot() * largest
    }
    let raw = (0..<count).map { j in (0..<rows).map { numbers[$0 * count + j] } }
    require(
      numbers.allSatisfy(\.isFinite) && target.scalars.allSatisfy(\.isFinite),
      "SparseRegression: a term or the target is not finite on the data")
    // A column or target of zeros stays one.
    scales = raw.map { max(rootMeanSquare($0), .leastNormalMagnitude) }
    targetScale = max(rootMeanSquare(target.scalars), .leastNormalMagnitude)
    self.columns = zip(raw, scales).map { column, scale in column.map { $0 / scale } }
    self.target = target.scalars.map { [targetScale] in $0 / targetScale }
    self.ridge = ridge
  }

  /// All columns that are not zero.
  var everything: [Int] { columns.indices.filter { scales[$0] > .leastNormalMagnitude } }

  /// Scaled coefficients, with the ridge; residuals are without it. Without a ridge the support loses the columns that those
  /// before them make.
  mutating func ridged(_ support: [Int]) -> Ridged {
    if let found = known[support] { return found }
    var independent = support
    var found = solve(independent, ridge: ridge)
    // One at a time: behind a dependent column the factors say nothing.
    while let position = found.dependent {
      independent.remove(at: position)
      found = solve(independent, ridge: ridge)
    }
    known[support] = (independent, found.coefficients, found.residuals)
    return known[support]!
  }

  /// The fit in the target's units, plain if it can be; nil where there is none.
  func fit(_ support: [Int]) -> SparseRegression.Fit? {
    var found = solve(support, ridge: 0)
    if found.dependent != nil { found = solve(support, ridge: ridge) }
    guard found.dependent == nil else { return nil }
    return SparseRegression.Fit(
      support: support, coefficients: zip(support, found.coefficients).map { $1 * targetScale / scales[$0] },
      residuals: found.residuals * targetScale * targetScale)
  }

  /// `dependent`: the position in the support of the first column that those before it make, but for round-off; then there
  /// are no coefficients.
  private typealias Solved = (coefficients: [Double], residuals: Double, dependent: Int?)

  private func solve(_ support: [Int], ridge: Double) -> Solved {
    let rows = target.count, count = support.count
    guard count > 0 else { return ([], target.reduce(0) { $0 + $1 * $1 }, nil) }
    var matrix = (0..<rows).flatMap { row in support.map { columns[$0][row] } }
    var right = target
    if ridge > 0 {
      let weight = (ridge * Double(rows)).squareRoot()
      for i in 0..<count {
        matrix += (0..<count).map { $0 == i ? weight : 0 }
        right.append(0)
      }
    }
    let (q, r) = qr(Tensor(matrix, shape: [right.count, count]))
    let least = 1e-11 * Double(rows).squareRoot(), factors = r.scalars
    if let dependent = (0..<count).first(where: { !(abs(factors[$0 * (count + 1)]) > least) }) {
      return ([], .infinity, dependent)
    }
    let solved = triangularSolve(
      r, matmul(q, Tensor(right, shape: [right.count, 1]), transposeA: true), upper: true
    )
    .scalars
    let residuals = (0..<rows).reduce(0.0) { sum, row in
      let error = zip(support, solved).reduce(target[row]) { $0 - columns[$1.0][row] * $1.1 }
      return sum + error * error
    }
    return (solved, residuals, nil)
  }
}
