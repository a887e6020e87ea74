/// Rooted trees, which index the order conditions of Runge-Kutta methods.
///
/// A method has order p exactly when sum_i b_i Phi_i(tau) = 1 / gamma(tau) for every rooted tree tau of at most p
/// vertices (Hairer, Norsett, Wanner, Solving Ordinary Differential Equations I, theorem II.2.13).
struct RootedTree: Sendable, Hashable {
  /// The subtrees that hang on the root, as a multiset in canonical order.
  let branches: [RootedTree]

  /// Number of vertices.
  var order: Int { 1 + branches.reduce(0) { $0 + $1.order } }

  /// gamma(tau): the number of vertices times the product of the branches' densities.
  var density: Double { branches.reduce(Double(order)) { $0 * $1.density } }

  /// Phi_i(tau) = prod_branches sum_j a_ij Phi_j(branch), for every stage i.
  func stageWeights(_ a: [[Double]]) -> [Double] {
    var weights = [Double](repeating: 1, count: a.count)
    for branch in branches {
      let inner = branch.stageWeights(a)
      for i in a.indices {
        weights[i] *= zip(a[i], inner).reduce(0) { $0 + $1.0 * $1.1 }
      }
    }
    return weights
  }

  /// All trees of 1...order vertices, `trees[n - 1]` those of n: 1, 1, 2, 4, 9, 20, 48, ...
  static func all(upTo order: Int) -> [[RootedTree]] {
    var trees: [[RootedTree]] = []
    for n in 1...max(order, 1) {
      // Candidates for branches, in one fixed order: taking them with non-decreasing index lists each multiset once.
      let candidates = trees.flatMap { $0 }, orders = candidates.map(\.order)
      var found: [RootedTree] = []
      func extend(_ branches: [RootedTree], vertices: Int, from index: Int) {
        if vertices == 0 { return found.append(RootedTree(branches: branches)) }
        // Orders ascend.
        for next in index..<candidates.count {
          if orders[next] > vertices { break }
          extend(branches + [candidates[next]], vertices: vertices - orders[next], from: next)
        }
      }
      extend([], vertices: n - 1, from: 0)
      trees.append(found)
    }
    return trees
  }
}
