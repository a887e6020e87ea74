/// The terms that a sparse regression may choose from, each once, in order.
///
/// ```swift
/// let library = TermLibrary.polynomials(of: 2, degree: 5) + .functions([.sin], of: 2)
/// ```
public struct TermLibrary: Sendable, Hashable {
  /// Of every term.
  public let variableCount: Int
  /// Each once, in the order of the columns that they make of states.
  public let terms: [Term]

  /// Terms of as many variables; repeated ones are dropped.
  public init(_ terms: [Term]) {
    require(!terms.isEmpty, "TermLibrary: no terms")
    variableCount = terms[0].variableCount
    require(
      terms.allSatisfy { $0.variableCount == terms[0].variableCount },
      "TermLibrary: terms of different numbers of variables: \(terms.map(\.variableCount))")
    var seen: Set<Term> = []
    self.terms = terms.filter { seen.insert($0).inserted }
  }

  /// All monomials of `variables` variables up to a total degree, by degree, the constant first.
  public static func polynomials(of variables: Int, degree: Int, constant: Bool = true) -> TermLibrary {
    require(
      variables > 0 && degree >= 0 && (constant || degree > 0),
      "TermLibrary.polynomials: \(variables) variables and degree \(degree) give no terms")
    func powers(_ variables: Int, _ degree: Int) -> [[Int]] {
      variables == 1
        ? [[degree]]
        : (0...degree).reversed().flatMap { first in
          powers(variables - 1, degree - first).map { [first] + $0 }
        }
    }
    return TermLibrary(
      ((constant ? 0 : 1)...degree).flatMap { powers(variables, $0).map(Term.init(powers:)) })
  }

  /// Each function of each variable, at each frequency.
  public static func functions(
    _ functions: [Term.Function], of variables: Int, frequencies: [Double] = [1]
  ) -> TermLibrary {
    TermLibrary(
      functions.flatMap { function in
        frequencies.flatMap { frequency in
          (0..<variables).map { Term(function, of: $0, variables: variables, frequency: frequency) }
        }
      })
  }

  /// The terms of both.
  public static func + (a: TermLibrary, b: TermLibrary) -> TermLibrary { TermLibrary(a.terms + b.terms) }

  /// Every product of a term of one with a term of the other.
  public static func * (a: TermLibrary, b: TermLibrary) -> TermLibrary {
    TermLibrary(a.terms.flatMap { term in b.terms.map { term * $0 } })
  }

  public var count: Int { terms.count }

  /// The formulas of all terms.
  public func formulas(_ names: [String]) -> [String] { terms.map { $0.formula(names) } }

  /// The terms at the states x [rows, variables]: [rows, terms].
  public func callAsFunction<S: FloatingScalar>(_ x: Tensor<S>) -> Tensor<S> {
    require(
      x.rank == 2 && x.shape[1] == variableCount,
      "TermLibrary: states \(x.shape) for terms of \(variableCount) variables; [rows, variables] are needed")
    let columns = x.split(counts: [Int](repeating: 1, count: variableCount), axis: 1)
    return Tensor.concatenated(terms.map { $0.value(columns) }, axis: 1)
  }
}
