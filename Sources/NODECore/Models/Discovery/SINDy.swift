/// Sparse identification of nonlinear dynamics (Brunton, Proctor, Kutz 2016): which terms of a library, with which
/// coefficients, a derivative, or any other function of the state, is made of.
///
/// ```swift
/// let sindy = SINDy(library: .polynomials(of: 2, degree: 5) + .functions([.sin], of: 2))
/// let found = sindy.discover(["x", "y"], states: x, values: dxdt)
/// print(found.field)
/// ```
public struct SINDy: Sendable, Hashable {
  /// Of as many variables as states have columns.
  public var library: TermLibrary
  /// Makes the path of fits of each component.
  public var regression: SparseRegression
  /// Chooses one fit of each component's path.
  public var criterion: InformationCriterion

  /// - Parameters:
  ///   - library: of as many variables as states have columns.
  ///   - criterion: the default counts how many terms there are to choose from.
  public init(
    library: TermLibrary, regression: SparseRegression = SparseRegression(),
    criterion: InformationCriterion = .extendedBIC
  ) {
    self.library = library
    self.regression = regression
    self.criterion = criterion
  }

  /// What was found.
  public struct Discovery: Sendable {
    /// The chosen equations.
    public let field: SymbolicField<Double>
    /// paths[i]: the fits of component i, fewest terms first.
    public let paths: [[SparseRegression.Fit]]
    /// chosen[i]: the chosen fit's place in paths[i].
    public let chosen: [Int]
    /// scores[i]: the criterion for each fit of paths[i].
    public let scores: [[Double]]
    let library: TermLibrary
    let variables: [String]

    /// The equations that take fit choice[i] of paths[i].
    public func field(choosing choice: [Int]) -> SymbolicField<Double> {
      require(
        choice.count == paths.count && zip(paths, choice).allSatisfy { $0.indices.contains($1) },
        "SINDy: a choice of one fit for each of \(paths.count) components, of \(paths.map(\.count)), got \(choice)"
      )
      return SymbolicField(
        variables: variables,
        equations: zip(paths, choice).map { path, index in
          zip(path[index].support, path[index].coefficients).map { (library.terms[$0], $1) }
        })
    }

    /// The best equations by what they are worth on other data than the values they were found from: every combination of fits
    /// of at most `maximumTerms` terms a component, at least one in all, is fitted again by `fit`, and the criterion judges those residuals. Values that were
    /// read off a network err smoothly along the trajectory, which no criterion for independent errors can tell from terms; the
    /// observations that the network was fitted to err independently.
    /// - Parameters:
    ///   - observations: how many numbers the residuals are of.
    ///   - fit: the equations with their coefficients fitted, and the sum of squared residuals; nil where they cannot be.
    /// - Returns: the best, with its score; nil where nothing could be fitted, or no score is finite.
    public func selected(
      maximumTerms: Int, by criterion: InformationCriterion = .extendedBIC, observations: Int,
      fit: (SymbolicField<Double>) throws -> (field: SymbolicField<Double>, residuals: Double)?
    ) rethrows -> (field: SymbolicField<Double>, score: Double)? {
      var choices: [[Int]] = [[]]
      for path in paths {
        let short = path.indices.filter {
          path[$0].support.count <= maximumTerms && path[$0].residuals.isFinite
        }
        choices = choices.flatMap { choice in short.map { choice + [$0] } }
      }
      var best: (field: SymbolicField<Double>, score: Double)?
      for choice in choices {
        let equations = field(choosing: choice)
        guard equations.coefficients.count > 0, let (field, residuals) = try fit(equations),
          residuals.isFinite
        else { continue }
        let score = criterion.score(
          residuals: residuals, observations: Double(observations), parameters: field.coefficients.count,
          candidates: library.count * paths.count)
        if score < best?.score ?? .infinity { best = (field, score) }
      }
      return best
    }
  }

  /// Regresses each column of `values` on the library's terms at the states.
  /// - Parameters:
  ///   - variables: names of the columns of `states`.
  ///   - states: [rows, variables].
  ///   - values: [rows, components]: derivatives of the states, or outputs of a network at them.
  ///   - noise: variance of errors that all values have in common however well they are fitted (of a smoother, of a network): it is
  ///     added to the mean square of the residuals, and keeps the criterion from fitting them.
  ///   - observations: how many independent observations the rows are worth; nil: each is one. Points that were read off a smooth
  ///     curve are not.
  public func discover(
    _ variables: [String], states: Tensor<Double>, values: Tensor<Double>, noise: Double = 0,
    observations: Int? = nil
  ) -> Discovery {
    require(
      states.rank == 2 && values.rank == 2 && states.shape[0] == values.shape[0]
        && states.shape[1] == variables.count,
      "SINDy: states \(states.shape), values \(values.shape) and \(variables.count) variables; [rows, variables] and "
        + "[rows, components] are needed")
    require(
      noise >= 0 && noise.isFinite, "SINDy: the noise is a variance, finite and not negative, got \(noise)")
    for (name, numbers) in [("states", states), ("values", values)] {
      if let place = numbers.scalars.firstIndex(where: { !$0.isFinite }) {
        fatalError(
          "SINDy: row \(place / numbers.shape[1]) of the \(name) has \(numbers.scalars[place]) in column "
            + "\(place % numbers.shape[1])")
      }
    }
    let rows = states.shape[0], columns = library(states), n = Double(observations ?? rows)
    if let place = columns.scalars.firstIndex(where: { !$0.isFinite }) {
      let (row, term) = place.quotientAndRemainder(dividingBy: columns.shape[1])
      fatalError(
        "SINDy: the term \(library.terms[term].formula(variables)) is \(columns.scalars[place]) in row \(row) of the states"
      )
    }
    let paths = (0..<values.shape[1]).map { component in
      regression.path(columns, values.sliced(component..<component + 1, axis: 1).reshaped(to: [rows]))
    }
    // Residuals of 1e-10 of the values are round-off, whose size says nothing about terms.
    let rounding = square(values).mean(axes: [0]).scalars.map { 1e-20 * $0 }
    let scores = zip(paths, rounding).map { path, rounding in
      path.map { fit in
        fit.residuals.isFinite
          ? criterion.score(
            residuals: n * max(fit.residuals / Double(rows) + noise, rounding), observations: n,
            parameters: fit.support.count, candidates: library.count)
          : .infinity
      }
    }
    let chosen = scores.map { row in row.indices.min { row[$0] < row[$1] }! }
    let empty = Discovery(
      field: SymbolicField(variables: variables, equations: paths.map { _ in [] }), paths: paths,
      chosen: chosen, scores: scores, library: library, variables: variables)
    return Discovery(
      field: empty.field(choosing: chosen), paths: paths, chosen: chosen, scores: scores, library: library,
      variables: variables)
  }
}
