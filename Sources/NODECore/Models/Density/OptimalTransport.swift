import Foundation

/// Which of `columns` each row is paired with so that the sum of costs is least: every row gets one, no column two.
///
/// Shortest augmenting paths with potentials (Jonker and Volgenant 1987; Crouse 2016, "On implementing 2D rectangular
/// assignment algorithms"), O(rows² columns).
/// - Parameters:
///   - cost: rows x columns, row-major, finite.
///   - rows: at most as many as columns.
public func leastCostAssignment(_ cost: [Double], rows: Int, columns: Int) -> [Int] {
  require(
    rows >= 0 && rows <= columns && cost.count == rows * columns,
    "leastCostAssignment: \(cost.count) costs are not those of \(rows) rows and at least as many (\(columns)) columns"
  )
  require(cost.allSatisfy(\.isFinite), "leastCostAssignment: costs must be finite")
  var rowPotential = [Double](repeating: 0, count: rows)
  var columnPotential = [Double](repeating: 0, count: columns)
  var rowOf = [Int](repeating: -1, count: columns)
  var columnOf = [Int](repeating: -1, count: rows)
  var distance = [Double](repeating: 0, count: columns)
  var from = [Int](repeating: 0, count: columns)
  var isDone = [Bool](repeating: false, count: columns)

  for start in 0..<rows {
    for column in 0..<columns {
      distance[column] = .infinity
      isDone[column] = false
    }
    var row = start, reached = 0.0, end = -1
    var doneRows = [start]
    // Dijkstra's algorithm on reduced costs, until it meets a column that nobody has.
    while end < 0 {
      var nearest = -1
      for column in 0..<columns where !isDone[column] {
        let through = reached + cost[row * columns + column] - rowPotential[row] - columnPotential[column]
        if through < distance[column] {
          distance[column] = through
          from[column] = row
        }
        if nearest < 0 || distance[column] < distance[nearest]
          || (distance[column] == distance[nearest] && rowOf[column] < 0 && rowOf[nearest] >= 0)
        {
          nearest = column
        }
      }
      reached = distance[nearest]
      isDone[nearest] = true
      if rowOf[nearest] < 0 {
        end = nearest
      } else {
        row = rowOf[nearest]
        doneRows.append(row)
      }
    }
    rowPotential[start] += reached
    for row in doneRows.dropFirst() { rowPotential[row] += reached - distance[columnOf[row]] }
    for column in 0..<columns where isDone[column] { columnPotential[column] -= reached - distance[column] }
    var column = end
    while true {
      let row = from[column]
      rowOf[column] = row
      swap(&columnOf[row], &column)
      if row == start { break }
    }
  }
  return columnOf
}

/// How much of each row's weight goes to which column.
public struct TransportPlan: Sendable {
  /// rows x columns, row-major.
  public var weights: [Double]
  /// The largest |sum of a row x rows - 1|; columns have their sums to rounding.
  public var rowError: Double
  /// Scalings of rows and columns that were made; at least one.
  public var iterations: Int
}

/// The transport plan between two uniform distributions that minimises cost minus `regularisation` times entropy (Cuturi
/// 2013), by Sinkhorn's iterations. Its rows tend to sums 1 / rows, its columns have sums 1 / columns.
///
/// Ends when `rowError` is at most `tolerance`, or after `iterations`: the smaller the regularisation is beside the costs, the
/// more it takes.
public func sinkhornPlan(
  _ cost: [Double], rows: Int, columns: Int, regularisation: Double, tolerance: Double = 1e-6,
  iterations: Int = 10_000
) -> TransportPlan {
  require(
    rows > 0 && columns > 0 && cost.count == rows * columns,
    "sinkhornPlan: \(cost.count) costs are not those of \(rows) rows and \(columns) columns")
  requireSetting("sinkhornPlan", "the regularisation", regularisation, .positive)
  require(
    cost.allSatisfy { ($0 / regularisation).isFinite },
    "sinkhornPlan: costs must be finite, in units of the regularisation \(regularisation) too")
  requireSetting("sinkhornPlan", "the tolerance", tolerance, .positive)
  require(iterations > 0, "sinkhornPlan: iterations must be positive, got \(iterations)")
  var plan = SinkhornIteration(cost.map { -$0 / regularisation }, rows: rows, columns: columns)
  var done = 1
  plan.scaleColumns()
  while plan.rowError > tolerance, done < iterations {
    plan.scaleRows()
    plan.scaleColumns()
    done += 1
  }
  return TransportPlan(weights: plan.weights, rowError: plan.rowError, iterations: done)
}

/// Scaling of a kernel's rows and columns in turns. Factors that become large are put into the kernel's exponents, which is
/// then computed again (Schmitzer 2019, "Stabilized sparse scaling algorithms for entropy regularized transport problems", section
/// 3.1): no exponential in most iterations, and no overflow.
private struct SinkhornIteration {
  let logarithms: [Double], rows: Int, columns: Int
  /// Potentials in units of the regularisation: the kernel is exp(logarithms + u + v).
  private var u: [Double], v: [Double]
  private var kernel: [Double]
  private var rowFactors: [Double], columnFactors: [Double], rowSums: [Double]

  init(_ logarithms: [Double], rows: Int, columns: Int) {
    self.logarithms = logarithms
    self.rows = rows
    self.columns = columns
    u = (0..<rows).map { row in
      // The largest entry of every row is one.
      -logarithms[row * columns..<(row + 1) * columns].max()!
    }
    v = Array(repeating: 0, count: columns)
    for column in 0..<columns {
      var largest = -Double.infinity
      for row in 0..<rows { largest = max(largest, logarithms[row * columns + column] + u[row]) }
      v[column] = -largest
    }
    kernel = []
    rowFactors = Array(repeating: 1, count: rows)
    columnFactors = Array(repeating: 1, count: columns)
    rowSums = Array(repeating: 1, count: rows)
    exponentiate()
    sumRows()
    scaleRows()
  }

  /// What the rows' sums are off by, relatively.
  var rowError: Double {
    zip(rowFactors, rowSums).reduce(0) { max($0, abs($1.0 * $1.1 * Double(rows) - 1)) }
  }

  var weights: [Double] {
    kernel.indices.map { rowFactors[$0 / columns] * kernel[$0] * columnFactors[$0 % columns] }
  }

  mutating func scaleColumns() {
    var sums = [Double](repeating: 0, count: columns)
    for row in 0..<rows {
      let factor = rowFactors[row]
      for column in 0..<columns { sums[column] += factor * kernel[row * columns + column] }
    }
    for column in 0..<columns { columnFactors[column] = 1 / (sums[column] * Double(columns)) }
    sumRows()
  }

  mutating func scaleRows() {
    for row in 0..<rows { rowFactors[row] = 1 / (rowSums[row] * Double(rows)) }
    let limit = 1e80
    if !(rowFactors + columnFactors).allSatisfy({ $0 < limit && $0 > 1 / limit }) { absorb() }
  }

  /// Without the rows' factors.
  private mutating func sumRows() {
    for row in 0..<rows {
      var sum = 0.0
      for column in 0..<columns { sum += kernel[row * columns + column] * columnFactors[column] }
      rowSums[row] = sum
    }
  }

  private mutating func absorb() {
    for row in 0..<rows { u[row] += Foundation.log(rowFactors[row]) }
    for column in 0..<columns { v[column] += Foundation.log(columnFactors[column]) }
    rowFactors = Array(repeating: 1, count: rows)
    columnFactors = Array(repeating: 1, count: columns)
    exponentiate()
  }

  private mutating func exponentiate() {
    kernel = logarithms.indices.map { Foundation.exp(logarithms[$0] + u[$0 / columns] + v[$0 % columns]) }
  }
}

/// Why there is no transport between two samples.
public enum TransportError: Error, Hashable, CustomStringConvertible {
  /// A row of one of the samples (0: the first, 1: the second) is not finite, or so far away that its squared distances are not,
  /// in units of a regularisation where there is one.
  case notFinite(sample: Int, row: Int)
  /// The regularisation is so small beside the distances that Sinkhorn's iterations did not come to an end.
  case notConverged(rowError: Double, iterations: Int)

  public var description: String {
    switch self {
    case .notFinite(let sample, let row):
      "row \(row) of the \(sample == 0 ? "first" : "second") sample is not finite, or its squared distances (in units of a regularisation) are not"
    case .notConverged(let error, let iterations):
      "Sinkhorn's iterations are off by \(error) after \(iterations): take a larger regularisation, or the exact assignment"
    }
  }
}

/// Squared Euclidean distances of the rows of x [m, d] and y [n, d]: m x n, row-major, all finite.
func squaredDistances<Scalar: FloatingScalar>(_ x: Tensor<Scalar>, _ y: Tensor<Scalar>) throws -> [Double] {
  let d = x.shape[1], m = x.shape[0], n = y.shape[0]
  let x = try x.evaluated().scalars.map(\.asDouble), y = try y.evaluated().scalars.map(\.asDouble)
  for (sample, numbers) in [x, y].enumerated() {
    // The square of twice this, d times, is finite.
    let limit = 1e150 / Double(d)
    if let index = numbers.firstIndex(where: { !(abs($0) <= limit) }) {
      throw TransportError.notFinite(sample: sample, row: index / d)
    }
  }
  var result = [Double](repeating: 0, count: m * n)
  for i in 0..<m {
    for j in 0..<n {
      var sum = 0.0
      for k in 0..<d {
        let difference = x[i * d + k] - y[j * d + k]
        sum += difference * difference
      }
      result[i * n + j] = sum
    }
  }
  return result
}

/// The 2-Wasserstein distance of two samples of one size [n, d], by exact assignment. Throws `TransportError.notFinite`.
public func wasserstein2<Scalar: FloatingScalar>(_ x: Tensor<Scalar>, _ y: Tensor<Scalar>) throws -> Double {
  require(
    x.rank == 2 && x.shape == y.shape && x.count > 0,
    "wasserstein2: needs two samples [n, d] of one shape, got \(x.shape) and \(y.shape)")
  let n = x.shape[0], cost = try squaredDistances(x, y)
  let columns = leastCostAssignment(cost, rows: n, columns: n)
  return (columns.indices.reduce(0) { $0 + cost[$1 * n + columns[$1]] } / Double(n)).squareRoot()
}

extension TransportError: LocalizedError {
  /// As in print.
  public var errorDescription: String? { description }
}
