import Foundation

/// A function of the state that an equation may contain: powers of the variables times elementary functions of single
/// variables, x0^p0 x1^p1 ... f(w x_i) ... . Terms are closed under products, and two spellings of one product are equal. What is the same by
/// an identity of functions is not, but for cos(-x) = cos(x).
public struct Term: Sendable, Hashable {
  /// An elementary function of one variable. The list is closed: a new function is a case, with its numbers in `callAsFunction`.
  public enum Function: String, Sendable, Hashable, CaseIterable, Comparable {
    case sin, cos, exp, tanh, log, sqrt, reciprocal

    func callAsFunction<S: FloatingScalar>(_ x: Tensor<S>) -> Tensor<S> {
      switch self {
      case .sin: NODECore.sin(x)
      case .cos: NODECore.cos(x)
      case .exp: NODECore.exp(x)
      case .tanh: NODECore.tanh(x)
      case .log: NODECore.log(x)
      case .sqrt: NODECore.sqrt(x)
      case .reciprocal: NODECore.reciprocal(x)
      }
    }

    public static func < (a: Function, b: Function) -> Bool { a.rawValue < b.rawValue }
  }

  /// `function` of `frequency` times one variable.
  public struct Factor: Sendable, Hashable, Comparable {
    public let function: Function
    /// Its place among the variables, from 0.
    public let variable: Int
    /// Finite and not 0; that of a cosine is positive.
    public let frequency: Double

    public static func < (a: Factor, b: Factor) -> Bool {
      (a.function.rawValue, a.variable, a.frequency) < (b.function.rawValue, b.variable, b.frequency)
    }
  }

  /// One exponent a variable.
  public let powers: [Int]
  /// In a fixed order.
  public let factors: [Factor]

  /// x0^powers[0] x1^powers[1] ...; exponents are not negative.
  public init(powers: [Int]) { self.init(powers: powers, factors: []) }

  /// `function`(`frequency` x), x being one of `variables` variables.
  public init(_ function: Function, of variable: Int, variables: Int, frequency: Double = 1) {
    require(
      (0..<variables).contains(variable), "Term: variable \(variable) of \(variables) variables")
    require(
      frequency.isFinite && frequency != 0, "Term: the frequency must be finite and not 0, got \(frequency)")
    self.init(
      powers: [Int](repeating: 0, count: variables),
      factors: [
        Factor(
          function: function, variable: variable, frequency: function == .cos ? abs(frequency) : frequency)
      ])
  }

  private init(powers: [Int], factors: [Factor]) {
    require(!powers.isEmpty, "Term: a term needs a variable")
    require(powers.allSatisfy { $0 >= 0 }, "Term: exponents must not be negative, got \(powers)")
    self.powers = powers
    self.factors = factors.sorted()
  }

  /// Of the state, whether they are in the term or not.
  public var variableCount: Int { powers.count }
  /// The sum of the exponents, plus one for every function.
  public var degree: Int { powers.reduce(factors.count, +) }

  /// Of terms of one number of variables.
  public static func * (a: Term, b: Term) -> Term {
    require(
      a.variableCount == b.variableCount,
      "Term: a product of terms of \(a.variableCount) and \(b.variableCount) variables")
    return Term(powers: zip(a.powers, b.powers).map(+), factors: a.factors + b.factors)
  }

  /// "x² y sin(2 y)"; "1" for the constant. One name a variable.
  public func formula(_ names: [String]) -> String {
    require(
      names.count == variableCount, "Term.formula: \(names.count) names for \(variableCount) variables")
    let monomials = zip(names, powers).compactMap { name, power in
      power == 0 ? nil : power == 1 ? name : name + Self.superscript(power)
    }
    let functions = factors.map { factor in
      let argument = factor.frequency == 1 ? "" : String(format: "%.4g ", factor.frequency)
      return factor.function == .reciprocal
        ? "1/(\(argument)\(names[factor.variable]))"
        : "\(factor.function.rawValue)(\(argument)\(names[factor.variable]))"
    }
    let parts = monomials + functions
    return parts.isEmpty ? "1" : parts.joined(separator: " ")
  }

  private static func superscript(_ power: Int) -> String {
    let digits = Array("⁰¹²³⁴⁵⁶⁷⁸⁹")
    return String(String(power).map { digits[$0.wholeNumberValue!] })
  }

  /// The term at columns x0, x1, ... of one shape, one a variable.
  func value<S: FloatingScalar>(_ columns: [Tensor<S>]) -> Tensor<S> {
    var product: Tensor<S>?
    func multiply(_ factor: Tensor<S>) { product = product.map { $0 * factor } ?? factor }
    for (x, power) in zip(columns, powers) {
      // By squaring: exact derivatives at 0, which `pow` with a general exponent has not.
      var square = x, left = power
      while left > 0 {
        if left % 2 == 1 { multiply(square) }
        left /= 2
        if left > 0 { square = NODECore.square(square) }
      }
    }
    for factor in factors {
      let x = columns[factor.variable]
      multiply(factor.function(factor.frequency == 1 ? x : x * factor.frequency))
    }
    return product ?? Tensor<S>(repeating: S(1.0), shape: columns[0].shape)
  }
}
