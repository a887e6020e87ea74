import Testing

@testable import NODECore

@Suite struct OptimalTransportTests {
  private func costs(_ count: Int, seed: UInt64, integers: Bool = false) throws -> [Double] {
    let u: [Double] = try Tensor<Double>.uniform(shape: [count], key: RandomKey(seed: seed)).evaluated()
      .scalars
    return integers ? u.map { ($0 * 4).rounded(.down) } : u
  }

  private func permutations(_ n: Int) -> [[Int]] {
    n == 0
      ? [[]]
      : permutations(n - 1).flatMap { rest in
        (0...rest.count).map { rest[..<$0] + [n - 1] + rest[$0...] }.map(Array.init)
      }
  }

  /// Against all permutations; with ties, too.
  @Test(arguments: 1...6, [false, true]) func theAssignmentIsTheBest(n: Int, ties: Bool) throws {
    for seed in 0..<20 {
      let cost = try costs(n * n, seed: UInt64(seed), integers: ties)
      func total(_ columns: [Int]) -> Double { (0..<n).reduce(0) { $0 + cost[$1 * n + columns[$1]] } }
      let found = leastCostAssignment(cost, rows: n, columns: n)
      #expect(Set(found) == Set(0..<n))
      let best = permutations(n).map(total).min()!
      #expect(abs(total(found) - best) < 1e-12)
    }
  }

  /// No improvement by any cycle: the potentials' certificate, on sizes that no enumeration reaches, more columns than rows.
  @Test func largeAssignmentsSwapNothing() throws {
    let rows = 60, columns = 80
    let cost = try costs(rows * columns, seed: 3)
    let found = leastCostAssignment(cost, rows: rows, columns: columns)
    #expect(Set(found).count == rows)
    // Bellman and Ford on the graph of swaps: a free column may be taken, a row may take another's place.
    var price = [Double](repeating: 0, count: rows)
    for _ in 0...rows {
      for i in 0..<rows {
        for j in 0..<rows where i != j {
          let step = cost[i * columns + found[j]] - cost[i * columns + found[i]]
          price[j] = min(price[j], price[i] + step)
        }
      }
    }
    for i in 0..<rows {
      for j in 0..<rows {
        let step = cost[i * columns + found[j]] - cost[i * columns + found[i]]
        #expect(price[i] + step >= price[j] - 1e-9)
      }
      for free in Set(0..<columns).subtracting(found) {
        let step = cost[i * columns + free] - cost[i * columns + found[i]]
        #expect(price[i] + step >= -1e-9)
      }
    }
  }

  @Test func sinkhornsPlanHasItsSumsAndTendsToTheAssignment() throws {
    let n = 12
    let cost = try costs(n * n, seed: 5)
    for regularisation in [1.0, 0.1, 0.01] {
      let found = sinkhornPlan(
        cost, rows: n, columns: n, regularisation: regularisation, iterations: 1000)
      let plan = found.weights
      var worst = 0.0
      for i in 0..<n {
        let row = (0..<n).reduce(0) { $0 + plan[i * n + $1] }
        let column = (0..<n).reduce(0) { $0 + plan[$1 * n + i] }
        worst = max(worst, abs(row * Double(n) - 1))
        #expect(abs(column * Double(n) - 1) < 1e-12)
      }
      #expect(abs(found.rowError - worst) < 1e-12)
      // With the least regularisation a thousand are not enough, and the plan says so.
      #expect(regularisation == 0.01 ? found.iterations == 1000 && worst > 1e-6 : worst <= 1e-6)
      // The plan is a product of the kernel with a row's and a column's factor.
      let a = plan[0] * plan[n + 1] / (plan[1] * plan[n])
      let kernel = [cost[0], cost[n + 1], -cost[1], -cost[n]].reduce(0, +)
      #expect(abs(log(Tensor<Double>(a)).scalar + kernel / regularisation) < 1e-8)
    }
    let best = leastCostAssignment(cost, rows: n, columns: n)
    let least = (0..<n).reduce(0) { $0 + cost[$1 * n + best[$1]] } / Double(n)
    let plan = sinkhornPlan(cost, rows: n, columns: n, regularisation: 0.002).weights
    let found = zip(plan, cost).reduce(0) { $0 + $1.0 * $1.1 }
    #expect(found >= least - 1e-6 && found < least + 0.01)
  }

  @Test func theDistanceOfAShiftIsTheShift() throws {
    let x = Tensor<Double>.normal(shape: [50, 3], key: RandomKey(seed: 1))
    let y = (x + Tensor<Double>([3, 0, 4])).reversed(axes: 0)
    #expect(abs(try wasserstein2(x, y) - 5) < 1e-9)
  }

  @Test func whatIsNotFiniteIsAnError() throws {
    let x = Tensor<Double>([0, 1, .nan, 3], shape: [2, 2]), y = Tensor<Double>.ones([2, 2])
    #expect(throws: TransportError.notFinite(sample: 0, row: 1)) { _ = try wasserstein2(x, y) }
    #expect(throws: TransportError.notFinite(sample: 1, row: 0)) {
      _ = try FlowCoupling.optimalTransport.pairs(data: y, noise: y * 1e200, key: RandomKey(seed: 0))
    }
    let far = Tensor<Double>.normal(shape: [40, 2], key: RandomKey(seed: 1)) * 100
    #expect(throws: TransportError.self) {
      _ = try FlowCoupling.sinkhorn(regularisation: 1e-9).pairs(
        data: far, noise: far.reversed(axes: 1), key: RandomKey(seed: 0))
    }
  }
}
