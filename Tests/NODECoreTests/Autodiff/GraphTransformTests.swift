import NODECore
import Testing

@testable import ProgramFuzzing

@Suite struct GraphTransformTests {
  @Test func chainOfAMillionNodesDifferentiates() {
    let x = Graph.constant([0.5], [])
    let start = x.identity
    var y = start
    for _ in 0..<1_000_000 { y = y + 1e-9 }
    let gradient = pullback(of: [y], cotangents: [y.splat(1)], to: [start])[0]
    #expect(gradient?.splatValue == 1)
  }

  @Test func gradientNodesAreProportionalToTheGraph() {
    func size(_ depth: Int) -> Int {
      let x = Tensor<Double>([0.1, 0.2])
      let g = gradient(at: x) { x in (0..<depth).reduce(x) { y, _ in tanh(y * x) }.sum() }
      return Graph.order(of: [g.value]).count
    }
    // Linear: equal increments of depth give equal increments of size.
    #expect(size(30) - size(20) == size(20) - size(10))
  }

  @Test func closuresCaptureTensorsOfAnOuterDerivative() {
    // d/dx of (d/dy of x^2 y^3) at x = 2, y = 3: 2 x 3 y^2.
    let mixed = gradient(at: Tensor<Double>(2.0)) { x in
      gradient(at: Tensor<Double>(3.0)) { y in square(x) * (y * y * y) }
    }
    #expect(mixed.interpreted == [108])
  }

  @Test func argumentsThatAreNotUsedGetZeros() {
    let (dx, dy) = gradient(at: Tensor<Double>([1, 2]), Tensor<Double>([[3, 4]])) { x, _ in x.sum() }
    #expect(dx.interpreted == [1, 1])
    #expect(dy.shape == [1, 2] && dy.interpreted == [0, 0])
  }

  @Test func stoppedGradientsAreZeroButTheValueStays() {
    let (value, slope) = valueAndGradient(at: Tensor<Double>([3.0])) { (stopGradient($0) * $0).sum() }
    #expect(value.interpreted == [9])
    #expect(slope.interpreted == [3])
  }

  @Test func jacobiansInBothModesAndHessians() {
    let x = Tensor<Double>([1, 2, 3])
    let f = { (x: Tensor<Double>) in Tensor.stacked([x[0] * x[1], square(x[2])]) }
    let expected: [Double] = [2, 1, 0, 0, 0, 6]
    for mode in DerivativeMode.allCases {
      let j = jacobian(at: x, mode: mode, of: f)
      #expect(j.shape == [2, 3] && j.interpreted == expected)
    }
    let h = hessian(at: x) { ($0[0] * $0[1] * $0[2]).sum() }
    #expect(h.shape == [3, 3] && h.interpreted == [0, 3, 2, 3, 0, 1, 2, 1, 0])
    let product = hvp(at: x, along: Tensor<Double>([1, 0, 1])) { ($0[0] * $0[1] * $0[2]).sum() }
    #expect(product.interpreted == [2, 4, 2])
  }

  @Test func vjpGivesAReusablePullback() {
    let (value, back) = vjp(at: Tensor<Double>([2, 3])) { square($0) }
    #expect(value.interpreted == [4, 9])
    #expect(back(Tensor<Double>([1, 0])).interpreted == [4, 0])
    #expect(back(Tensor<Double>([0, 2])).interpreted == [0, 12])
  }

  @Test func substituteRebuildsOnlyWhatDepends() {
    let x = Graph.constant([1.0, 2], [2]), w = Graph.constant([3.0, 4], [2])
    let untouched = w.map(.exp)
    let y = x.map(.sin) * untouched
    let replaced = Graph.substitute([y, untouched], replacing: [x: w])
    #expect(replaced[1] == untouched)
    #expect(replaced[0].node.operands[1] == untouched)
    var interpreter = Interpreter()
    let values = interpreter.evaluate([replaced[0], w.map(.sin) * untouched])
    #expect(values[0] == values[1])
  }

  @Test func hoistingCutsAtTheLargestIndependentValues() {
    let y = Graph.input("y", TensorType(.float64, [4, 2]))
    let weights = spreadOut([2, 20]), bias = spreadOut([20], seed: 2), unused = spreadOut([20], seed: 3)
    let scaled = weights.map(.exp) * 2
    let hidden = Value.matmul(y, scaled) + bias.broadcast(to: [4, 20], axes: [1])
    let output = hidden.map(.tanh) * 0.5
    let (body, captures) = hoist(outputs: [output, unused], parameters: [y])
    // The product with a number is inside of the capture, the broadcast of the bias is not.
    #expect(captures == [scaled, bias, unused])
    #expect(body.parameters.map(\.shape) == [[4, 2], [2, 20], [20], [20]])
    let leaves = Graph.order(of: body.outputs).filter { $0.operands.isEmpty }
    let inputs = Set(body.parameters.map(\.node.id))
    for leaf in leaves where !inputs.contains(leaf.id) {
      if case .splat = leaf.operation { continue }
      Issue.record("a leaf that is neither a parameter nor a number: \(leaf.operation.name)")
    }
    let state = (0..<8).map { Double($0) / 10 }
    var whole = Interpreter([y: state])
    let expected = whole.evaluate([output, unused] + captures)
    var cut = Interpreter([body.parameters[0]: state])
    for (parameter, elements) in zip(body.parameters.dropFirst(), expected.dropFirst(2)) {
      cut.bind(parameter, elements)
    }
    #expect(cut.evaluate(body.outputs) == Array(expected.prefix(2)))
  }

  @Test func smallConstantsStayInside() {
    let y = Graph.input("y", TensorType(.float64, [3]))
    let (body, captures) = hoist(outputs: [y * spreadOut([3])], parameters: [y])
    #expect(captures.isEmpty && body.parameters.count == 1)
  }

  /// Rows that lanes may own are no constants of the body.
  @Test func smallConstantsOfRowsAreCaptures() {
    let y = Graph.input("y", TensorType(.float64, [3]))
    let (body, captures) = hoist(outputs: [y * spreadOut([3])], parameters: [y], rows: 3)
    #expect(captures.count == 1 && body.parameters.count == 2)
  }
}
