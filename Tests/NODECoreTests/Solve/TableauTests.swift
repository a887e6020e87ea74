import Foundation
import Testing

@testable import NODECore

@Suite struct TableauTests {
  @Test func rootedTreesAreAsManyAsKnown() {
    // OEIS A000081.
    #expect(RootedTree.all(upTo: 10).map(\.count) == [1, 1, 2, 4, 9, 20, 48, 115, 286, 719])
    let five = RootedTree.all(upTo: 5)[4]
    #expect(Set(five).count == 9)
    #expect(five.map(\.density).sorted() == [5, 10, 15, 20, 20, 30, 40, 60, 120])
  }

  /// What is derived, against what the papers say.
  @Test(arguments: [
    ("euler", 1, 0, 1, false, 2, 1), ("midpoint", 2, 0, 2, false, 3, 2), ("heun", 2, 1, 2, false, 3, 2),
    ("rk4", 4, 0, 3, false, 5, 4), ("bosh3", 3, 2, 3, true, 4, 3), ("dopri5", 5, 4, 4, true, 7, 6),
    ("tsit5", 5, 4, 4, true, 7, 6),
  ])
  func derivedPropertiesAreThoseOfThePaper(
    name: String, order: Int, embedded: Int, dense: Int, isFSAL: Bool, stages: Int, evaluations: Int
  ) throws {
    let tableau = try #require(Method.all.first { $0.name == name }).tableau
    #expect(tableau.order == order)
    #expect(tableau.embeddedOrder == embedded)
    #expect(tableau.denseOrder == dense)
    #expect(tableau.isFSAL == isFSAL)
    #expect(tableau.stages == stages)
    #expect(tableau.evaluationsPerStep == evaluations)
  }

  @Test func namesAreDistinct() { #expect(Set(Method.all.map(\.name)).count == Method.all.count) }

  @Test(arguments: Method.all) func conditionsHoldAndNotBeyondTheOrder(method: Method) {
    let t = method.tableau
    for i in t.c.indices {
      #expect(abs(t.a[i].reduce(0, +) - t.c[i]) < 1e-15)
      for j in i..<t.stages { #expect(t.a[i][j] == 0) }
    }
    // Bushy trees are the quadrature conditions: sum b c^(q - 1) = 1 / q, written down without trees.
    for q in 1...t.order {
      let moment = zip(t.b, t.c).reduce(0.0) { $0 + $1.0 * pow($1.1, Double(q - 1)) }
      #expect(abs(moment - 1 / Double(q)) < 1e-12)
    }
    let next = RootedTree.all(upTo: t.order + 1)[t.order]
    #expect(
      next.contains { Tableau.residual($0, weights: t.b, a: t.a) > 1e-6 }, "the declared order is too low")
    for i in t.dense.indices { #expect(abs(t.dense[i].reduce(0, +) - t.b[i]) < 1e-14) }
  }

  /// Derivative of the dense output: f(t, y) at x = 0, and where stages allow it f(t + h, y1) at x = 1.
  @Test(arguments: Method.all) func denseOutputIsContinuouslyDifferentiable(method: Method) {
    let t = method.tableau
    for i in t.dense.indices {
      #expect(abs(t.dense[i][0] - (i == 0 ? 1 : 0)) < 1e-14)
      let slope = t.dense[i].enumerated().reduce(0.0) { $0 + Double($1.offset + 1) * $1.element }
      #expect(abs(slope - (i == t.stages - 1 ? 1 : 0)) < 1e-12)
    }
  }

  /// Any single entry of a or b that is off breaks a condition, and the message says which method and by how much.
  @Test(arguments: Method.all) func aWrongEntryIsNoticed(method: Method) throws {
    let t = method.tableau
    let rows = (0..<t.stepStages).map { i in Array(t.a[i].prefix(i)) }
    let b = Array(t.b.prefix(t.stepStages))
    func flaw(_ rows: [[Double]], _ b: [Double]) -> String? {
      Tableau.flaw(name: "wrong", order: t.order, rows: rows, b: b, bHat: nil, dense: .cubicHermite)
    }
    #expect(flaw(rows, b) == nil)
    for i in b.indices {
      var b = b
      b[i] += 1e-9
      let text = try #require(flaw(rows, b))
      #expect(text.contains("wrong") && text.contains("residual"))
    }
    for i in rows.indices {
      for j in rows[i].indices where b[i] != 0 && t.order > 1 {
        var rows = rows
        rows[i][j] += 1e-9
        #expect(flaw(rows, b) != nil)
      }
    }
  }

  @Test func malformedTablesAreDescribed() {
    func flaw(
      order: Int = 1, rows: [[Double]] = [[]], b: [Double] = [1], bHat: [Double]? = nil,
      dense: Tableau.DenseOutput = .cubicHermite
    ) -> String {
      Tableau.flaw(name: "x", order: order, rows: rows, b: b, bHat: bHat, dense: dense) ?? "none"
    }
    #expect(flaw() == "none")
    #expect(flaw(order: 0).contains("order must be at least 1"))
    // More trees than can be listed.
    #expect(flaw(order: 99).contains("conditions are checked up to order 10, got 99"))
    #expect(flaw(order: 11).contains("got 11") && flaw(order: 10).contains("residual"))
    #expect(flaw(rows: []).contains("0 rows of a, but 1 weights b"))
    #expect(flaw(rows: [[], [1, 2]], b: [1, 0]).contains("row 1 of a has 2 entries"))
    #expect(flaw(b: [.nan]).contains("not finite"))
    #expect(flaw(b: [0.5]).contains("the sum of b has residual 0.5"))
    #expect(flaw(rows: [[], [1]], b: [1, 0], bHat: [1]).contains("1 embedded weights for 2 stages"))
    #expect(flaw(rows: [[], [1]], b: [1, 0], bHat: [1, 0]).contains("estimate no error"))
    #expect(flaw(rows: [[], [1]], b: [1, 0], bHat: [1, 1]).contains("the embedded weights sum"))
    #expect(flaw(dense: .weights([[0.5, 0.25]])).contains("at x = 1 is b with residual 0.25"))
    #expect(flaw(dense: .weights([[0, 1]])).contains("sum to x"))
    #expect(flaw(dense: .weights([])).contains("one polynomial"))
    #expect(flaw(dense: .weights([[.nan]])).contains("residual nan"))
  }

  @Test func aWrongTableCannotBeBuilt() async {
    await #expect(processExitsWith: .failure) {
      _ = Tableau(name: "bad", order: 2, rows: [[], [0.4]], b: [0, 1], dense: .cubicHermite)
    }
  }
}
