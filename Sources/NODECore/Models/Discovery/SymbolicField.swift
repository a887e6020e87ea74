import Foundation

/// A vector field in formulas: each component is a sum of terms with coefficients, which are the parameters. What a
/// regression recovers, and what is known beforehand in a universal differential equation.
///
/// ```swift
/// let x = Term(powers: [1, 0]), y = Term(powers: [0, 1])
/// let field = SymbolicField<Double>(
///   variables: ["x", "y"], equations: [[(x, 1.3), (x * y, -0.9)], [(x * y, 0.8), (y, -1.8)]])
/// print(field)       // dx/dt = 1.3 x - 0.9 x y, dy/dt = 0.8 x y - 1.8 y
/// let path = try odeint(from: y0, at: times) { t, y in field(t, y) }
/// ```
public struct SymbolicField<Scalar: FloatingScalar>: VectorField, Layer, CustomStringConvertible {
  /// The names of the variables, in the state's order.
  public let variables: [String]
  /// What stands before " = " in each printed equation.
  public var headings: [String]
  /// terms[i]: those of component i, each with its place in `coefficients`.
  public let terms: [[Term]]
  /// [terms of all components], component by component.
  public var coefficients: Tensor<Scalar>
  /// Whether the coefficients are parameters. If not, they are numbers that `visitParameters` does not show.
  public var isLearned: Bool

  /// - Parameters:
  ///   - variables: names of the state's components.
  ///   - equations: the terms of each component of the result with their coefficients. As many components as variables where the
  ///     field is integrated; any number for a function of the state.
  public init(variables: [String], equations: [[(term: Term, coefficient: Double)]], isLearned: Bool = true) {
    require(!variables.isEmpty && !equations.isEmpty, "SymbolicField: no variables or no components")
    require(
      Set(variables).count == variables.count,
      "SymbolicField: variables must have names of their own, got \(variables)")
    for (term, coefficient) in equations.joined() {
      require(
        coefficient.isFinite,
        "SymbolicField: the coefficient of \(term.powers) must be finite, got \(coefficient)")
      require(
        term.variableCount == variables.count,
        "SymbolicField: a term of \(term.variableCount) variables among \(variables.count)")
    }
    self.variables = variables
    headings =
      equations.count == variables.count
      ? variables.map { "d\($0)/dt" } : equations.indices.map { "u\($0 + 1)" }
    terms = equations.map { $0.map(\.term) }
    coefficients = Tensor(equations.flatMap { $0.map { Scalar($0.coefficient) } })
    self.isLearned = isLearned
  }

  /// The terms of each component with the numbers of their coefficients. Reads them: not for symbols of a trace.
  public var equations: [[(term: Term, coefficient: Double)]] {
    let numbers = coefficients.count == 0 ? [] : coefficients.scalars.map(\.asDouble)
    var next = 0
    return terms.map { row in
      row.map { term in
        defer { next += 1 }
        return (term, numbers[next])
      }
    }
  }

  /// The right sides at the state y [..., variables]: [..., components].
  public func callAsFunction(_ t: Tensor<Scalar>, _ y: Tensor<Scalar>) -> Tensor<Scalar> { self(y) }

  /// The right sides at the state y [..., variables]: [..., components].
  public func callAsFunction(_ y: Tensor<Scalar>) -> Tensor<Scalar> {
    require(
      y.rank > 0 && y.shape[y.rank - 1] == variables.count,
      "SymbolicField: a state \(y.shape) for \(variables.count) variables, which are its last axis")
    let count = terms.reduce(0) { $0 + $1.count }
    require(
      coefficients.shape == [count],
      "SymbolicField: \(count) terms need coefficients [\(count)], got \(coefficients.shape)")
    let columns = y.split(counts: [Int](repeating: 1, count: variables.count), axis: y.rank - 1)
    // A term that stands in several equations is computed once.
    var values: [Term: Tensor<Scalar>] = [:]
    var next = 0
    let sums = terms.map { row in
      var sum: Tensor<Scalar>?
      for term in row {
        let value = values[term] ?? term.value(columns)
        values[term] = value
        let product = value * coefficients.sliced(next..<next + 1, axis: 0)
        sum = sum.map { $0 + product } ?? product
        next += 1
      }
      return sum ?? Tensor<Scalar>.zeros(columns[0].shape)
    }
    return Tensor.concatenated(sums, axis: y.rank - 1)
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {
    if isLearned { visit("coefficients", &coefficients) }
  }

  /// "dx/dt = 1.3 x - 0.9 x y", a line for every component, four significant digits.
  public var description: String { text(digits: 4).joined(separator: "\n") }

  /// One equation a component.
  public func text(digits: Int = 4) -> [String] {
    zip(headings, equations).map { heading, row in
      var text = heading + " ="
      for (index, (term, coefficient)) in row.enumerated() {
        let isNegative = coefficient.sign == .minus
        text += index == 0 ? (isNegative ? " -" : " ") : (isNegative ? " - " : " + ")
        let number = String(format: "%.\(digits)g", abs(coefficient)), formula = term.formula(variables)
        text += formula == "1" ? number : number == "1" ? formula : "\(number) \(formula)"
      }
      return row.isEmpty ? text + " 0" : text
    }
  }

  /// The sum of both fields: coefficients of one term are added. All are parameters of the result.
  public func adding(_ other: SymbolicField) -> SymbolicField {
    require(
      variables == other.variables && terms.count == other.terms.count,
      "SymbolicField.adding: \(terms.count) components of \(variables) and \(other.terms.count) of \(other.variables)"
    )
    let rows = zip(equations, other.equations).map { a, b in
      var row = a
      for (term, coefficient) in b {
        if let index = row.firstIndex(where: { $0.term == term }) {
          row[index].coefficient += coefficient
        } else {
          row.append((term, coefficient))
        }
      }
      return row
    }
    return SymbolicField(variables: variables, equations: rows)
  }

  /// The field times a matrix [components, others]: component j of the result is sum_i self_i matrix_ij. Zeros leave no term.
  public func mixed(by matrix: [[Double]]) -> SymbolicField {
    require(
      matrix.count == terms.count && matrix.allSatisfy { $0.count == matrix[0].count },
      "SymbolicField.mixed: \(matrix.count) rows for \(terms.count) components")
    let equations = equations
    let columns = (0..<matrix[0].count).map { j in
      matrix.indices.reduce(into: [(term: Term, coefficient: Double)]()) { row, i in
        guard matrix[i][j] != 0 else { return }
        for (term, coefficient) in equations[i] {
          let scaled = coefficient * matrix[i][j]
          if let index = row.firstIndex(where: { $0.term == term }) {
            row[index].coefficient += scaled
          } else {
            row.append((term, scaled))
          }
        }
      }
    }
    return SymbolicField(variables: variables, equations: columns)
  }
}
