import NODECore

/// Random solves and loops, against the same steps written out in the graph.
enum RandomLoop {
  typealias Function = ([Tensor<Double>]) throws -> Tensor<Double>

  private static func draw(_ shapes: [Shape], _ generator: inout SplitMix) -> [Tensor<Double>] {
    shapes.map { shape in
      Tensor((0..<shape.count).map { _ in Double.random(in: -0.9...0.9, using: &generator) }, shape: shape)
    }
  }

  /// Values and gradients of two functions that are the same, with the same bits for any number of threads.
  private static func compare(
    _ function: Function, _ writtenOut: Function, _ x: [Tensor<Double>], bound: Double,
    _ result: inout ProgramFuzzer.Case
  ) throws {
    func loss(_ f: Function, _ x: [Tensor<Double>]) throws -> Tensor<Double> {
      let y = try f(x)
      return (y * (y * 0.5 + cos(y))).sum()
    }
    let expected = try valueAndGradient(at: x) { try loss(writtenOut, $0) }
    var bits: [[UInt64]]?
    for threads in [1, 2, 3] {
      try withThreads(threads) {
        let found = try valueAndGradient(at: x) { try loss(function, $0) }
        let tensors = [found.value] + found.gradient, oracle = [expected.value] + expected.gradient
        if threads == 1 { result.operations.formUnion(ProgramFuzzer.names(tensors.map(\.value))) }
        let numbers = try tensors.map { try $0.evaluated().scalars }
        for (index, (a, b)) in zip(numbers, oracle).enumerated() {
          let error = difference(a, try b.evaluated().scalars)
          result.expect(
            error <= bound, "\(index == 0 ? "value" : "gradient \(index - 1)") is off by \(error)")
        }
        let pattern = numbers.map { $0.map(\.bitPattern) }
        result.expect(bits == nil || bits == pattern, "other bits with \(threads) threads")
        bits = pattern
      }
    }
    // Forward mode, by duality: w^T (J v) against (w^T J) v.
    let directions = x.map { cos($0 * 7.0) }
    let tangent = try jvp(at: x, along: directions) { try loss(function, $0) }.tangent.evaluated().scalar
    let reverse = zip(expected.gradient, directions).map { ($0 * $1).sum().scalar }.reduce(0, +)
    result.expect(
      (tangent - reverse).magnitude <= 10 * bound * Swift.max(1, reverse.magnitude),
      "forward mode: \(tangent), reverse mode: \(reverse)")
  }

  /// (carry, output) = body(carry, row), against the loop in Swift.
  static func scan(_ generator: inout SplitMix) throws -> ProgramFuzzer.Case {
    let lanes = [1, 2, 5, 8, 17].randomElement(using: &generator)!
    let features = [1, 2, 3, 8, 11].randomElement(using: &generator)!
    let count = [1, 2, 3, 6].randomElement(using: &generator)!
    let isReversed = Bool.random(using: &generator)
    let field = RandomField(features: features, mixesLanes: true, using: &generator)
    let x = draw([[lanes, features], [count, lanes, features]] + field.captureShapes(), &generator)
    func body(_ h: Tensor<Double>, _ row: Tensor<Double>, _ x: [Tensor<Double>]) -> (
      Tensor<Double>, Tensor<Double>
    ) {
      let next = field(row.mean(), h + row, Array(x[2...]))
      return (next, next * row - 0.1)
    }
    var result = ProgramFuzzer.Case(kind: "scan")
    try compare(
      { x in
        let (carry, outputs) = NODECore.scan(from: x[0], over: x[1], reversed: isReversed) { body($0, $1, x) }
        return carry + outputs.sum(axes: 0)
      },
      { x in
        var h = x[0], outputs: [Tensor<Double>] = []
        for i in isReversed ? Array((0..<count).reversed()) : Array(0..<count) {
          let (next, output) = body(h, x[1][i], x)
          h = next
          outputs.append(output)
        }
        return h + Tensor.stacked(outputs).sum(axes: 0)
      }, x, bound: 1e-10, &result)
    return result
  }

  /// Every method with fixed steps against the steps written out; with adaptive ones, what has to hold for any.
  static func solve(_ generator: inout SplitMix) throws -> ProgramFuzzer.Case {
    let lanes = [1, 2, 5, 8, 17, 40].randomElement(using: &generator)!
    let features = [1, 2, 3, 8, 11].randomElement(using: &generator)!
    let method = Method.all.randomElement(using: &generator)!
    let steps = Int.random(in: 1...4, using: &generator)
    let isPerLane = Int.random(in: 0..<3, using: &generator) == 0
    let isAdaptive = method.isAdaptive && Bool.random(using: &generator)
    let field = RandomField(features: features, mixesLanes: !isPerLane, using: &generator)
    let x = draw([[lanes, features]] + field.captureShapes(), &generator)
    let sign = Bool.random(using: &generator) ? 1.0 : -1.0
    var times = [Double.random(in: -1...1, using: &generator)]
    for _ in 0..<Int.random(in: 1...3, using: &generator) {
      times.append(times.last! + sign * Double.random(in: 0.05...0.6, using: &generator))
    }
    let memory: SensitivityMethod.Memory =
      Bool.random(using: &generator)
      ? .automatic : .bytes(lanes * features * 8 * Int.random(in: 1...3, using: &generator))
    let fixed = Controller.fixed(stepsPerInterval: steps)
    let adaptive = Controller.adaptive(rtol: 1e-7, atol: 1e-8)
    let chosen = isAdaptive ? adaptive : fixed
    func solved(_ x: [Tensor<Double>], _ controller: Controller, _ method: Method) throws -> Tensor<Double> {
      try odeint(
        from: x[0], at: times, method: method, controller: isPerLane ? controller.perLane : controller,
        sensitivity: .exact(memory: memory)
      ) { t, y in field(t, y, Array(x[1...])) }.states
    }
    var result = ProgramFuzzer.Case(
      kind: "odeint \(isAdaptive ? "adaptive" : "fixed")\(isPerLane ? " per lane" : "")")
    if !isAdaptive {
      try compare(
        { try solved($0, chosen, method) },
        { x in writtenOut(method.tableau.coefficients, times, steps, x[0]) { field($0, $1, Array(x[1...])) }
        },
        x, bound: 1e-9, &result)
      return result
    }
    // The oracle of adaptive steps are many small ones. Both gradients are those of the steps that were taken.
    try compare(
      { try solved($0, chosen, method) }, { try solved($0, .fixed(stepsPerInterval: 48), .dopri5) }, x,
      bound: method.order < 4 ? 1e-3 : 1e-4, &result)
    if isPerLane, lanes > 1 {
      let all = try solved(x, chosen, method).scalars
      let kept = 1 + lanes / 2
      let fewer = try solved([x[0][0..<kept]] + x[1...], chosen, method)
      let same = Tensor(all, shape: [times.count, lanes, features])[..., 0..<kept, 0..<features].scalars
      result.expect(
        fewer.scalars.map(\.bitPattern) == same.map(\.bitPattern), "a lane's bits depend on the others")
    }
    return result
  }

  /// States at every time by equal steps, `count` of them between neighbouring times.
  private static func writtenOut(
    _ tableau: TableauCoefficients, _ times: [Double], _ count: Int, _ y0: Tensor<Double>,
    _ field: (Tensor<Double>, Tensor<Double>) -> Tensor<Double>
  ) -> Tensor<Double> {
    var y = y0, states = [y0]
    for (start, end) in zip(times, times.dropFirst()) {
      let h = (end - start) / Double(count)
      for n in 0..<count {
        let t = start + Double(n) * h
        var k: [Tensor<Double>] = []
        for stage in 0..<tableau.stepStages {
          var at = y
          for (slope, a) in zip(k, tableau.a[stage]) where a != 0 { at = at + slope * (h * a) }
          k.append(field(Tensor(t + tableau.c[stage] * h), at))
        }
        for (slope, b) in zip(k, tableau.b) where b != 0 { y = y + slope * (h * b) }
      }
      states.append(y)
    }
    return Tensor.stacked(states)
  }
}
