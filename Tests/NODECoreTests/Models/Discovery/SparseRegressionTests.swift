import Foundation
import NODECore
import Testing

@Suite struct SparseRegressionTests {
  /// Exact derivatives along a trajectory: the terms are the system's own, and no others.
  @Test(arguments: [DynamicalSystem.lotkaVolterra, .lorenz, .vanDerPol])
  func cleanDataGiveTheExactEquations(system: DynamicalSystem) throws {
    let states = try system.trajectory().evaluated()
    let rows = stride(from: 0, to: states.shape[0], by: max(1, states.shape[0] / 200))
    let some = Tensor(rows.flatMap { states[$0].scalars }, shape: [Array(rows).count, states.shape[1]])
    let library = TermLibrary.polynomials(of: states.shape[1], degree: 3)
    for search in SparseRegression.Search.allCases {
      // Lorenz has twenty terms; eliminating them one at a time is tried on the small systems.
      if search == .elimination && states.shape[1] > 2 { continue }
      let sindy = SINDy(library: library, regression: SparseRegression(search: search))
      let found = sindy.discover(
        system.field.variables, states: some, values: system.derivatives(at: some)
      ).field
      for (found, truth) in zip(found.equations, system.field.equations) {
        #expect(Set(found.map(\.term)) == Set(truth.map(\.term)), "\(search)")
        for (term, coefficient) in found {
          let expected = try #require(truth.first { $0.term == term }).coefficient
          #expect(abs(coefficient - expected) < 1e-8 * abs(expected))
        }
      }
    }
  }

  /// With noise on the target the criteria choose as many terms as there are, whatever the seed.
  @Test func criteriaChooseTheRightSize() throws {
    let system = DynamicalSystem.vanDerPol, states = try system.trajectory().evaluated()
    let library = TermLibrary.polynomials(of: 2, degree: 3)
    for seed in 0..<3 {
      let clean = system.derivatives(at: states)
      let noisy =
        clean + .normal(shape: clean.shape, standardDeviation: 0.1, key: RandomKey(seed: UInt64(seed)))
      for criterion in [InformationCriterion.bic, .extendedBIC] {
        let found = SINDy(library: library, criterion: criterion)
          .discover(["x", "v"], states: states, values: noisy)
        #expect(
          found.field.terms.map { Set($0) } == system.field.terms.map { Set($0) },
          "\(criterion) \(found.field)")
      }
    }
  }

  /// Parabolas with noise at twelve points, polynomials of degree 0 to 6: Akaike's criterion chooses too high a degree more often than
  /// not by accident, the corrected one hardly ever does.
  @Test func theCorrectionForFewObservationsChoosesTheRightDegree() {
    let x = (0..<12).map { Double($0) / 6 - 1 }
    var right: [InformationCriterion: Int] = [:]
    for seed in 0..<20 {
      let noise = Tensor<Double>.normal(
        shape: [12], standardDeviation: 0.2, key: RandomKey(seed: UInt64(seed)))
      let y = Tensor(x.map { 1 - 2 * $0 + 3 * $0 * $0 }) + noise
      let residuals = (0...6).map { degree in
        let powers = Tensor(x.map { x in (0...degree).map { pow(x, Double($0)) } })
        return square(matmul(powers, leastSquares(powers, y)) - y).sum().scalar
      }
      for criterion in [InformationCriterion.aic, .aicc] {
        let scores = residuals.enumerated().map {
          criterion.score(residuals: $1, observations: 12, parameters: $0 + 1)
        }
        right[criterion, default: 0] += scores.min() == scores[2] ? 1 : 0
      }
    }
    #expect(right[.aicc]! >= 17 && right[.aicc]! > right[.aic]!, "\(right)")
  }

  @Test func criteriaHaveTheirFormulas() {
    let fit = 20 * log(5.0 / 20)
    #expect(
      abs(InformationCriterion.aic.score(residuals: 5, observations: 20, parameters: 2) - (fit + 6)) < 1e-12)
    #expect(
      abs(
        InformationCriterion.aicc.score(residuals: 5, observations: 20, parameters: 2) - (fit + 6 + 24.0 / 16)
      )
        < 1e-12)
    #expect(
      abs(InformationCriterion.bic.score(residuals: 5, observations: 20, parameters: 2) - (fit + 3 * log(20)))
        < 1e-12)
    let extended = InformationCriterion.extendedBIC
    #expect(
      abs(
        extended.score(residuals: 5, observations: 20, parameters: 2, candidates: 10)
          - (fit + 3 * log(20) + 2 * log(45))) < 1e-12)
    #expect(InformationCriterion.aicc.score(residuals: 5, observations: 4, parameters: 2) == .infinity)
  }

  /// What is dropped does not depend on units of the columns or of the target.
  @Test func thresholdsAreShares() {
    let key = RandomKey(seed: 4)
    let columns = Tensor<Double>.normal(shape: [40, 3], key: key)
    let weights = Tensor<Double>([2, 0.01, -1])
    let target = matmul(columns, weights)
    let units = Tensor<Double>([1e-6, 1e3, 50])
    let regression = SparseRegression(thresholds: [0.1])
    let plain = regression.path(columns, target), scaled = regression.path(columns * units, target * 1e4)
    #expect(plain.map(\.support) == [[0, 2]] && scaled.map(\.support) == [[0, 2]])
    for (a, b) in zip(zip(plain[0].coefficients, scaled[0].coefficients), [1e-6, 50]) {
      #expect(abs(a.1 * b / 1e4 - a.0) < 1e-12)
    }
    // Least squares of the two columns that are left, by the normal equations.
    let two = Tensor.concatenated([columns[.all, 0..<1], columns[.all, 2..<3]], axis: 1)
    let normal = solve(
      matmul(two, two, transposeA: true), matmul(two, target.expandingShape(at: 1), transposeA: true))
    for (a, b) in zip(plain[0].coefficients, normal.scalars) { #expect(abs(a - b) < 1e-12) }
  }

  /// Dependent columns: without a ridge one of them stays, with one they share.
  @Test func theRidgeSurvivesDependentColumns() {
    let x = Tensor<Double>.normal(shape: [30, 1], key: RandomKey(seed: 5))
    let columns = Tensor.concatenated([x, x, square(x)], axis: 1)
    let target = (x * 2).reshaped(to: [30])
    let path = SparseRegression(thresholds: [0.1], ridges: [1e-6]).path(columns, target)
    #expect(path.map(\.support) == [[0, 1]])
    // Equal columns have no plain fit: that with the ridge shares alike.
    #expect(path[0].coefficients.allSatisfy { abs($0 - 1) < 1e-5 }, "\(path[0].coefficients)")
    #expect(path[0].residuals < 1e-8)
    for search in SparseRegression.Search.allCases {
      let path = SparseRegression(thresholds: [0.1], ridges: [0], search: search).path(columns, target)
      let fit = path.first { $0.support == [0] || $0.support == [1] }
      #expect(fit.map { abs($0.coefficients[0] - 2) < 1e-12 && $0.residuals < 1e-20 } == true, "\(path)")
    }
    // No threshold: all that do not depend on those before them.
    #expect(SparseRegression(thresholds: [0], ridges: [0]).path(columns, target).map(\.support) == [[0, 2]])
    // Behind a dependent column an independent one, of unit vectors.
    let units = Tensor<Double>((0..<8).map { row in [0, 0, 1].map { row == $0 ? 1 : 0 } })
    let ofLast = SparseRegression(thresholds: [0.1], ridges: [0]).path(units, units[0..., 2])
    #expect(ofLast.map(\.support) == [[2]] && ofLast[0].residuals < 1e-20, "\(ofLast)")
    let zero = SparseRegression(thresholds: [0.1]).path(columns, Tensor<Double>.zeros([30]))
    #expect(zero.map(\.support) == [[]])
  }

  /// S + I + R = 1 makes a third of all quadratic terms of the others; exact derivatives want no ridge.
  @Test func aConservedSumDoesNotHideTheEquations() throws {
    let system = DynamicalSystem.sir, states = try system.trajectory()
    let values = system.derivatives(at: states)
    let found = SINDy(
      library: .polynomials(of: 3, degree: 2), regression: SparseRegression(ridges: [0])
    ).discover(system.field.variables, states: states, values: values)
    let again = found.field(states)
    #expect(abs(again - values).max().scalar < 1e-9 * abs(values).max().scalar, "\(found.field)")
  }

  /// On a circle x² + y² is the constant: with it nine terms fit anything by numbers of 1e12 that cancel. The oscillator is
  /// found all the same.
  @Test(arguments: [0, 1e-6, 1e-2]) func termsThatDependOnEachOtherAreToldApart(noise: Double) {
    let times = (0..<200).map { Double($0) * 0.05 }
    let states = Tensor<Double>(times.map { [Foundation.cos($0), Foundation.sin($0)] })
    let errors = Tensor<Double>.normal(shape: [200, 2], key: RandomKey(seed: 4)) * noise
    let values = Tensor<Double>(times.map { [-Foundation.sin($0), Foundation.cos($0)] }) + errors
    let found = SINDy(library: .polynomials(of: 2, degree: 3)).discover(
      ["x", "y"], states: states, values: values)
    let x = Term(powers: [1, 0]), y = Term(powers: [0, 1])
    #expect(found.field.terms == [[y], [x]], "\(found.field)")
    for (coefficient, truth) in zip(found.field.equations.joined().map(\.coefficient), [-1.0, 1]) {
      #expect(abs(coefficient - truth) < 1e-8 + noise)
    }
    // A state that never moves tells nothing apart, and no number is large.
    let still = SINDy(library: .polynomials(of: 2, degree: 2)).discover(
      ["x", "y"], states: .ones([31, 2]), values: .ones([31, 2]))
    #expect(still.field.equations.joined().allSatisfy { abs($0.coefficient) < 10 }, "\(still.field)")
  }
}
