extension Tableau {
  /// What is wrong with a table, in one sentence with the residual; nil: nothing.
  static func flaw(
    name: String, order: Int, rows: [[Double]], b: [Double], bHat: [Double]?, dense: DenseOutput
  ) -> String? {
    let stages = b.count
    guard order >= 1 else { return "Tableau \(name): the order must be at least 1, got \(order)" }
    guard order <= mostOrder else {
      return "Tableau \(name): conditions are checked up to order \(mostOrder), got \(order)"
    }
    guard stages >= 1, stages <= 15 else {
      return "Tableau \(name): 1 to 15 stages are possible, got \(stages)"
    }
    guard rows.count == stages else {
      return "Tableau \(name): \(rows.count) rows of a, but \(stages) weights b"
    }
    for (i, row) in rows.enumerated() where row.count != i {
      return "Tableau \(name): row \(i) of a has \(row.count) entries, an explicit method has \(i) there"
    }
    guard (rows.joined() + b + (bHat ?? [])).allSatisfy(\.isFinite) else {
      return "Tableau \(name): a coefficient is not finite"
    }
    let a = rows.map { $0 + [Double](repeating: 0, count: stages - $0.count) }
    let trees = RootedTree.all(upTo: order)
    for tree in trees.joined() {
      let residual = residual(tree, weights: b, a: a)
      if residual > tolerance { return "Tableau \(name): \(condition(tree)) of b has residual \(residual)" }
    }
    if let bHat {
      guard bHat.count == stages else {
        return "Tableau \(name): \(bHat.count) embedded weights for \(stages) stages"
      }
      guard bHat != b else {
        return "Tableau \(name): the embedded weights equal b, so they estimate no error"
      }
      let residual = residual(trees[0][0], weights: bHat, a: a)
      if residual > tolerance {
        return "Tableau \(name): the embedded weights sum to 1 with residual \(residual)"
      }
    }
    return flaw(name: name, dense, b: b, a: a)
  }

  private static func flaw(name: String, _ dense: DenseOutput, b: [Double], a: [[Double]]) -> String? {
    guard case .weights(let weights) = dense else { return nil }
    guard weights.count == b.count, let degree = weights.first?.count, (1...8).contains(degree),
      weights.allSatisfy({ $0.count == degree })
    else {
      return "Tableau \(name): dense output needs one polynomial of equal degree (1 to 8) per stage"
    }
    for i in b.indices {
      let residual = abs(weights[i].reduce(0, +) - b[i])
      // Also catches NaN.
      if !(residual <= tolerance) {
        return "Tableau \(name): dense weight \(i) at x = 1 is b with residual \(residual)"
      }
    }
    let residual = denseResidual(RootedTree.all(upTo: 1)[0], a: a, weights)
    return residual <= tolerance
      ? nil : "Tableau \(name): the dense weights sum to x with residual \(residual)"
  }

  private static func condition(_ tree: RootedTree) -> String {
    tree.order == 1 ? "the sum" : "an order condition of order \(tree.order) (density \(Int(tree.density)))"
  }

  static func residual(_ tree: RootedTree, weights: [Double], a: [[Double]]) -> Double {
    let sum = zip(weights, tree.stageWeights(a)).reduce(0) { $0 + $1.0 * $1.1 }
    return abs(sum - 1 / tree.density)
  }

  /// The order that weights reach with these stages, at most the trees'.
  static func order(of weights: [Double], a: [[Double]], _ trees: [[RootedTree]]) -> Int {
    trees.prefix { $0.allSatisfy { residual($0, weights: weights, a: a) <= tolerance } }.count
  }

  /// Largest coefficient of sum_i b_i(x) Phi_i(tau) - x^|tau| / gamma(tau) over trees of one order: the dense output
  /// has that order where it vanishes identically in x (Hairer, Norsett, Wanner I, theorem II.6.1).
  static func denseResidual(_ trees: [RootedTree], a: [[Double]], _ dense: [[Double]]) -> Double {
    trees.reduce(0) { worst, tree in
      let weights = tree.stageWeights(a)
      let degree = max(dense[0].count, tree.order)
      let residuals = (1...degree).map { power in
        let sum = weights.indices.reduce(0.0) { sum, i in
          power <= dense[i].count ? sum + dense[i][power - 1] * weights[i] : sum
        }
        return abs(sum - (power == tree.order ? 1 / tree.density : 0))
      }
      return residuals.reduce(worst, max)
    }
  }
}
