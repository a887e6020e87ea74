import Foundation
import NODECore
import Testing

@Suite struct TermTests {
  private static let x = Term(powers: [1, 0]), y = Term(powers: [0, 1])

  @Test func polynomialsAreAllMonomialsOfTheDegree() {
    // Binomial coefficients: (variables + degree) choose degree.
    for (variables, degree, count) in [(1, 4, 5), (2, 5, 21), (3, 3, 20), (4, 2, 15)] {
      let library = TermLibrary.polynomials(of: variables, degree: degree)
      #expect(library.count == count)
      #expect(Set(library.terms).count == count)
      #expect(library.terms.allSatisfy { $0.degree <= degree })
      #expect(TermLibrary.polynomials(of: variables, degree: degree, constant: false).count == count - 1)
    }
    let formulas = TermLibrary.polynomials(of: 2, degree: 2).formulas(["x", "y"])
    #expect(formulas == ["1", "x", "y", "x²", "x y", "y²"])
  }

  @Test func formulasAreWrittenAsPeopleDo() {
    let sine = Term(.sin, of: 1, variables: 2, frequency: 2)
    #expect((Self.x * Self.x * Self.y * sine).formula(["u", "v"]) == "u² v sin(2 v)")
    #expect(Term(.reciprocal, of: 0, variables: 2).formula(["u", "v"]) == "1/(u)")
    #expect(Term(powers: [12, 0]).formula(["u", "v"]) == "u¹²")
  }

  @Test func productsAreTheSameHoweverTheyAreWritten() {
    let a = Term(.sin, of: 0, variables: 2), b = Term(.cos, of: 1, variables: 2)
    #expect(a * b * Self.x == Self.x * b * a)
    #expect(a * a != a)
    let library = TermLibrary([Self.x, Self.y]) * TermLibrary([Self.x, Self.y])
    #expect(library.formulas(["x", "y"]) == ["x²", "x y", "y²"])
  }

  @Test(arguments: Term.Function.allCases) func functionsHaveTheirValues(function: Term.Function) {
    let expected: (Double) -> Double =
      switch function {
      case .sin: Foundation.sin
      case .cos: Foundation.cos
      case .exp: Foundation.exp
      case .tanh: Foundation.tanh
      case .log: Foundation.log
      case .sqrt: Foundation.sqrt
      case .reciprocal: { 1 / $0 }
      }
    let states = Tensor<Double>([[0.3, 2], [1.1, 0.4]])
    let library = TermLibrary.functions([function], of: 2, frequencies: [1, 1.5]) * TermLibrary([Self.y])
    let values = library(states).scalars
    #expect(library.count == 4)
    for (row, (x, y)) in [(0.3, 2.0), (1.1, 0.4)].enumerated() {
      for (column, argument) in [x, y, 1.5 * x, 1.5 * y].enumerated() {
        #expect(abs(values[4 * row + column] - expected(argument) * y) < 1e-14 * 10)
      }
    }
  }

  /// Powers have exact values and derivatives at 0 and below, where a general exponent has none.
  @Test func monomialsAreSmoothAtZero() throws {
    let field = SymbolicField<Double>(
      variables: ["x", "y"], equations: [[(Term(powers: [5, 2]), 2)], [(Term(powers: [3, 0]), 1)]])
    let x = Tensor<Double>([[0, 1], [-2, 3]])
    #expect(field(x).scalars == [0, 0, -576, -8])
    let gradient = gradient(at: x) { field($0).sum() }.scalars
    // 10 x⁴ y² + 3 x² and 4 x⁵ y.
    let expected: [Double] = [0, 0, 1452, -384]
    #expect(gradient == expected)
  }
}

@Suite struct SymbolicFieldTests {
  private static let x = Term(powers: [1, 0]), y = Term(powers: [0, 1])

  @Test func equationsArePrinted() {
    #expect(
      DynamicalSystem.lotkaVolterra.field.description == "dx/dt = 1.3 x - 0.9 x y\ndy/dt = 0.8 x y - 1.8 y")
    let odd = SymbolicField<Double>(
      variables: ["x", "y"],
      equations: [[(Term(powers: [0, 0]), -0.5), (Self.x, 1)], [], [(Self.y, -1), (Self.x, 1.0 / 3)]])
    #expect(odd.text(digits: 3) == ["u1 = -0.5 + x", "u2 = 0", "u3 = -y + 0.333 x"])
    let x = Tensor<Double>([[2, 5]])
    #expect(odd(x).scalars == [1.5, 0, -5 + 2.0 / 3])
  }

  @Test func fieldsAddUpAndMix() {
    let a = SymbolicField<Double>(variables: ["x", "y"], equations: [[(Self.x, 1)], [(Self.y, 2)]])
    let b = SymbolicField<Double>(variables: ["x", "y"], equations: [[(Self.x, 0.5), (Self.y, 3)], []])
    #expect(a.adding(b).text() == ["dx/dt = 1.5 x + 3 y", "dy/dt = 2 y"])
    let mixed = a.mixed(by: [[-1, 1], [0, 4]])
    #expect(mixed.text() == ["dx/dt = -x", "dy/dt = x + 8 y"])
    let state = Tensor<Double>([[0.7, -1.2]])
    #expect(a.adding(b)(state).scalars == zip(a(state).scalars, b(state).scalars).map(+))
  }

  @Test func coefficientsAreParametersUnlessTheyAreKnown() {
    var field = DynamicalSystem.lotkaVolterra.field
    #expect(field.parameterCount == 4)
    field.isLearned = false
    #expect(field.parameterCount == 0)
  }
}

@Suite struct DynamicalSystemTests {
  @Test(arguments: DynamicalSystem.all) func trajectoriesFollowTheirField(system: DynamicalSystem) throws {
    let times = [0, 1e-4, 2e-4], path = try system.trajectory(at: times)
    let slope = (path[2] - path[0]) * (1 / 2e-4)
    let field = system.derivatives(at: path)[1]
    let scale = abs(field).max().scalar
    #expect(abs(slope - field).max().scalar < 1e-6 * scale)
    #expect(
      try system.observations(noise: 0, key: RandomKey(seed: 1)).shape == [
        system.times.count, system.start.count,
      ])
  }

  /// V = delta log x - gamma x + alpha log y - beta y is constant.
  @Test func preyAndPredatorsGoRound() throws {
    let path = try DynamicalSystem.lotkaVolterra.trajectory(at: (0...50).map(Double.init))
    let x = path[.all, 0], y = path[.all, 1]
    let v = (1.8 * log(x) - 0.8 * x + 1.3 * log(y) - 0.9 * y).scalars
    #expect(v.allSatisfy { abs($0 - v[0]) < 1e-9 })
  }

  @Test(arguments: [DynamicalSystem.sir, .seir]) func nobodyIsLost(system: DynamicalSystem) throws {
    let sums = try system.trajectory(at: (0...60).map(Double.init)).sum(axes: [1]).scalars
    #expect(sums.allSatisfy { abs($0 - 1) < 1e-14 * 10 })
  }

  /// log(S_inf / S_0) = -(beta / gamma) (S_0 + I_0 - S_inf) (Kermack, McKendrick 1927).
  @Test func theEpidemicEndsWhereTheFinalSizeEquationSays() throws {
    let last = try DynamicalSystem.sir.trajectory(at: [0, 1000])[1].scalars
    #expect(abs(log(last[0] / 0.999) + 2.5 * (1 - last[0])) < 1e-9)
    #expect(last[1] < 1e-11)
  }
}
