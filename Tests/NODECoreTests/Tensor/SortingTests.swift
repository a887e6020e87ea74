import NODECore
import Testing

@Suite struct SortingTests {
  private func random(_ shape: Shape, _ seed: UInt64) -> Tensor<Double> {
    Tensor.normal(shape: shape, key: RandomKey(seed: seed))
  }

  @Test func runningSumsAlongEveryAxis() {
    let x = Tensor<Double>([[1, 2, 3], [10, 20, 30]])
    #expect(x.cumulativeSum(axis: 0).scalars == [1, 2, 3, 11, 22, 33])
    #expect(x.cumulativeSum(axis: 1).scalars == [1, 3, 6, 10, 30, 60])
    #expect(x.cumulativeSum(axis: -1, reversed: true).scalars == [6, 5, 3, 60, 50, 30])
    #expect(x.cumulativeSum(axis: 0, reversed: true).scalars == [11, 22, 33, 10, 20, 30])
    #expect(Tensor<Double>.zeros([2, 0]).cumulativeSum(axis: 1).scalars.isEmpty)
  }

  /// A hundred thousand additions of a tenth in Float: rounded once each from a sum in Double.
  @Test func runningSumsOfFloatsAddInDouble() {
    let n = 100_000, tenth = Float(0.1)
    let sums = Tensor<Float>(repeating: tenth, shape: [n]).cumulativeSum(axis: 0).scalars
    var exact = 0.0
    for i in 0..<n {
      exact += Double(tenth)
      #expect(sums[i] == Float(exact))
    }
  }

  /// Lengths below, at and beyond the runs that insertion sorts, against the standard library; ties keep their order.
  @Test(arguments: [1, 2, 7, 8, 9, 16, 17, 31, 100, 1000], [false, true])
  func sortsStably(_ n: Int, _ descending: Bool) {
    let x = (random([3, n], UInt64(n)) * 3.0).converted(to: Int32.self).converted(to: Double.self)
    let values = x.scalars
    let order = x.argsorted(descending: descending).scalars, sorted = x.sorted(descending: descending).scalars
    for row in 0..<3 {
      let elements = Array(values[row * n..<(row + 1) * n])
      let expected = elements.indices.sorted { a, b in
        elements[a] == elements[b] ? a < b : (elements[a] < elements[b]) != descending
      }
      #expect(order[row * n..<(row + 1) * n].map { Int($0) } == expected)
      #expect(Array(sorted[row * n..<(row + 1) * n]) == expected.map { elements[$0] })
    }
  }

  @Test func notANumberIsTheLargest() {
    let x = Tensor<Float>([.nan, 2, -.infinity, .infinity, .nan, -1])
    #expect(x.argsorted().scalars == [2, 5, 1, 3, 0, 4])
    #expect(x.argsorted(descending: true).scalars == [0, 4, 3, 1, 5, 2])
  }

  @Test func otherAxesAndGivenPlaces() {
    let x = Tensor<Double>([[3, 1], [2, 5], [7, 0]])
    #expect(x.sorted(axis: 0).scalars == [2, 0, 3, 1, 7, 5])
    let places = Tensor<Int32>([[2, 0], [2, 1]])
    let taken = x.takenAlong(axis: 0, at: places)
    #expect(taken.scalars == [7, 1, 7, 5])
    #expect(taken.addedAlong(axis: 0, at: places, entries: 3).scalars == [0, 1, 0, 5, 14, 0])
  }

  @Test func anIndexOutsideOfItsRowIsAnError() {
    let x = Tensor<Double>([[3, 1], [2, 5]])
    for index: Int32 in [-1, 2] {
      #expect(throws: (any Error).self) {
        try evaluated(x.takenAlong(axis: 1, at: Tensor<Int32>([[0], [index]])))
      }
      #expect(throws: (any Error).self) {
        try evaluated(x.addedAlong(axis: 1, at: Tensor<Int32>([[0, 1], [0, index]]), entries: 2))
      }
    }
  }

  @Test func gatherAndScatterAlongEveryAxis() {
    let x = random([2, 3, 4], 1), indices = Tensor<Int32>([[2, 0], [1, 1]])
    let picked = x.gather(at: indices, axis: 1)
    #expect(picked.shape == [2, 2, 2, 4])
    let elements = x.scalars, rows = picked.scalars, at = indices.scalars
    for (i, place) in at.enumerated() {
      for a in 0..<2 {
        for c in 0..<4 {
          #expect(rows[(a * 4 + i) * 4 + c] == elements[(a * 3 + Int(place)) * 4 + c])
        }
      }
    }
    // Transposes: <gather(x), w> = <x, scatterAdd(w)>.
    for axis in [0, 1, 2, -1] {
      let indices = Tensor<Int32>([1, 0, 1])
      let y = x.gather(at: indices, axis: axis), w = random(y.shape, 2)
      let back = w.scatterAdded(at: indices, entries: x.shape.dimensions[(axis + 3) % 3], axis: axis)
      #expect(back.shape == x.shape)
      #expect(abs(dot(y, w).scalar - dot(x, back).scalar) < 1e-12)
    }
  }

  @Test func derivatives() throws {
    let x = random([3, 5], 3), w = random([3, 5], 4)
    let places = Tensor<Int32>([[4, 0, 0], [1, 1, 2], [3, 2, 0]])
    let functions: [(String, @Sendable (Tensor<Double>) -> Tensor<Double>)] = [
      ("cumulativeSum", { square($0).cumulativeSum(axis: 0) * w }),
      ("reversed", { sin($0).cumulativeSum(axis: 1, reversed: true) }),
      ("sorted", { square($0.sorted()) * w }),
      ("descending", { exp($0.sorted(axis: 0, descending: true)) * w }),
      ("takenAlong", { square($0).takenAlong(axis: 1, at: places) }),
      ("addedAlong", { square($0[0..., 0..<3]).addedAlong(axis: 1, at: places, entries: 5) }),
      ("gather", { square($0).gather(at: Tensor<Int32>([1, 1, 4]), axis: 1) }),
      (
        "scatterAdded", { square($0).scatterAdded(at: Tensor<Int32>([0, 2, 0, 1, 2]), entries: 4, axis: -1) }
      ),
    ]
    for (name, f) in functions {
      let report = try checkGradient(of: f, at: x, order: 2)
      #expect(report.passed, "\(name): \(report)")
    }
  }

  /// Sorting inside of a vector field: rows stay lanes of their own.
  @Test func insideOfASolve() throws {
    let y0 = random([4, 5], 5)
    let solved = try odeint(from: y0, at: [0, 1], rtol: 1e-9, atol: 1e-9) { _, y in
      -y.sorted() * 0.3 - y.cumulativeSum(axis: 1) * 0.1
    }
    // One row alone takes other steps, across the kinks where elements change places too.
    let alone = try odeint(from: y0[2..<3], at: [0, 1], rtol: 1e-9, atol: 1e-9) { _, y in
      -y.sorted() * 0.3 - y.cumulativeSum(axis: 1) * 0.1
    }
    let a = solved.states[1, 2].scalars, b = alone.states[1, 0].scalars
    for (x, y) in zip(a, b) { #expect(abs(x - y) < 1e-6) }
  }
}
