import Synchronization
import Testing

@testable import NODECore

struct CompiledTests {
  /// Counts how often a closure is traced.
  private final class Counter: Sendable {
    let count = Mutex(0)
    func increment() { count.withLock { $0 += 1 } }
    var value: Int { count.withLock { $0 } }
  }

  @Test func closuresOfOneToFourTensors() throws {
    let x = Tensor<Double>([1, 2]), y = Tensor<Double>([3, 4])
    #expect(try compiled { (x: Tensor<Double>) in x * x }(x).scalars == [1, 4])
    #expect(try compiled { (x: Tensor<Double>, y: Tensor<Double>) in x * y }(x, y).scalars == [3, 8])
    let three = compiled { (x: Tensor<Double>, y: Tensor<Double>, z: Tensor<Double>) in x * y + z }
    #expect(try three(x, y, x).scalars == [4, 10])
    let four = compiled { (a: Tensor<Double>, b: Tensor<Double>, c: Tensor<Double>, d: Tensor<Double>) in
      a * b + c * d
    }
    #expect(try four(x, y, x, y).scalars == [6, 16])
  }

  @Test func tuplesAndArraysInAndOut() throws {
    let tuple = compiled { (x: Tensor<Double>) in (x + 1, x.sum()) }
    let (a, b) = try tuple(Tensor<Double>([1, 2]))
    #expect(a.scalars == [2, 3] && b.scalar == 3)
    let array = compiled { (xs: [Tensor<Double>]) in xs.map { $0 * 2 } }
    #expect(try array([a, b]).map(\.scalars) == [[4, 6], [6]])
    let mixed = compiled { (x: Tensor<Float>, n: [Tensor<Int32>]) in
      (x * 2, n.map { $0.converted(to: Float.self) })
    }
    let (c, d) = try mixed(Tensor<Float>(2), [Tensor<Int32>([1, 2])])
    #expect(c.scalar == 4 && d[0].scalars == [1, 2])
  }

  @Test func tracedOncePerSignature() throws {
    let traces = Counter()
    let function = compiled { (x: Tensor<Float>) in
      traces.increment()
      return (x * 2).sum()
    }
    #expect(function.program == nil)
    for _ in 0..<3 { #expect(try function(Tensor<Float>([1, 2, 3])).scalar == 12) }
    #expect(traces.value == 1 && function.signatureCount == 1)
    #expect(try function(Tensor<Float>([1, 2])).scalar == 6)
    #expect(traces.value == 2 && function.signatureCount == 2)
    #expect(function.program?.inputTypes == [TensorType(.float32, [2])])
    _ = try function(Tensor<Float>([0, 0, 0]))
    #expect(traces.value == 2)
    #expect(function.program?.inputTypes == [TensorType(.float32, [3])])
    #expect(try function.program(for: Tensor<Float>([1])).inputTypes == [TensorType(.float32, [1])])
  }

  @Test func structuresWithTheSameTensorsAreTold() throws {
    let function = compiled { (xs: [[Tensor<Double>]]) in xs.map { $0.reduce(Tensor<Double>(0)) { $0 + $1 } }
    }
    let one = Tensor<Double>(1), two = Tensor<Double>(2), three = Tensor<Double>(3)
    #expect(try function([[one], [two, three]]).map(\.scalar) == [1, 5])
    #expect(try function([[one, two], [three]]).map(\.scalar) == [3, 3])
  }

  @Test func keysGiveNewNumbersAtEachCall() throws {
    let draw = compiled { (key: RandomKey) in Tensor<Float>.normal(shape: [16], key: key) }
    let a = try draw(RandomKey(seed: 1)).scalars, b = try draw(RandomKey(seed: 2)).scalars
    #expect(a != b)
    #expect(try draw(RandomKey(seed: 1)).scalars == a)
    #expect(Tensor<Float>.normal(shape: [16], key: RandomKey(seed: 1)).scalars == a)
    #expect(draw.signatureCount == 1)
  }

  @Test func capturedTensorsAreData() throws {
    let weights = exp(Tensor<Double>((0..<64).map { Double($0) / 64 }))
    let function = compiled { (x: Tensor<Double>) in (x * weights).sum() }
    let expected = weights.scalars.reduce(0, +) * 2
    #expect(abs(try function(Tensor<Double>(2)).scalar - expected) < 1e-10)
    #expect(function.program?.inputTypes.count == 2, "the captured tensor enters as an input")
  }

  @Test func derivativesGoThrough() throws {
    let cube = compiled { (x: Tensor<Double>) in x * x * x }
    let x = Tensor<Double>(2)
    #expect(try cube(x).scalar == 8)
    #expect(try gradient(at: x) { try cube($0) }.scalar == 12)
    #expect(try gradient(at: x) { x in try gradient(at: x) { try cube($0) } }.scalar == 12)
    // And a compiled function of a derivative is one program.
    let slope = compiled { (x: Tensor<Double>) in gradient(at: x) { $0 * $0 * $0 } }
    #expect(try slope(x).scalar == 12)
    #expect(slope.signatureCount == 1)
  }

  @Test func compiledFunctionsNest() throws {
    let inner = compiled { (x: Tensor<Double>) in x + 1 }
    let outer = compiled { (x: Tensor<Double>) in try inner(x) * 2 }
    #expect(try outer(Tensor<Double>([1, 2])).scalars == [4, 6])
    #expect(inner.signatureCount == 0, "inside of a trace it is the plain closure")
  }

  @Test func resultsHaveNoHistory() throws {
    let step = compiled { (x: Tensor<Double>) in x * 0.5 }
    var x = Tensor<Double>(1024)
    for _ in 0..<10 { x = try step(x) }
    #expect(x.scalar == 1)
    #expect(x.value.node.operands.isEmpty)
  }

  @Test func callsFromManyTasksAgree() async throws {
    let function = compiled { (x: Tensor<Double>) in tanh(x).sum() }
    let expected = try (0..<8).map { try function(Tensor<Double>([Double($0), 1])).scalar }
    try await withThrowingTaskGroup(of: (Int, Double).self) { group in
      for task in 0..<64 {
        group.addTask { (task % 8, try function(Tensor<Double>([Double(task % 8), 1])).scalar) }
      }
      for try await (index, result) in group { #expect(result == expected[index]) }
    }
  }
}
