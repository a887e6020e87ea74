import NODECore

/// The calls, by name.
extension BadCall {
  typealias Call = @Sendable (inout Arguments) throws -> Void

  private static func evaluate<S>(_ tensors: Tensor<S>...) throws {
    for tensor in tensors { _ = try tensor.evaluated() }
  }

  static let elementwise: [(String, Call)] = [
    (
      "add",
      { a in
        let x = a.tensor(); try evaluate(x + a.like(x))
      }
    ),
    (
      "power",
      { a in
        let x = a.tensor(); try evaluate(pow(x, a.like(x)))
      }
    ),
    (
      "where",
      { a in
        let x = a.tensor(); try evaluate(`where`(x .> a.like(x), a.like(x), a.like(x)))
      }
    ),
    (
      "maximum",
      { a in
        let x = a.tensor(); try evaluate(maximum(x, a.like(x)), sqrt(x), log(x), rsqrt(x))
      }
    ),
    ("converted", { a in try evaluate(a.tensor().converted(to: Int32.self)) }),
    ("converted back", { a in try evaluate(a.integers().converted(to: Float.self)) }),
  ]

  static let structure: [(String, Call)] = [
    (
      "reshaped",
      { a in
        let x = a.tensor(); try evaluate(x.reshaped(to: a.shape()))
      }
    ),
    ("flattened", { a in try evaluate(a.tensor().flattened(from: a.integer())) }),
    ("expandingShape", { a in try evaluate(a.tensor().expandingShape(at: a.integer())) }),
    ("squeezed", { a in try evaluate(a.tensor().squeezed(axes: a.integer())) }),
    ("permuted", { a in try evaluate(a.tensor().permuted(to: a.list())) }),
    ("transposed", { a in try evaluate(a.tensor().transposed()) }),
    ("reversed", { a in try evaluate(a.tensor().reversed(axes: a.integer())) }),
    ("padded", { a in try evaluate(a.tensor().padded(before: a.list(), after: a.list())) }),
    (
      "sliced",
      { a in
        let low = a.below(6) - 1
        try evaluate(a.tensor().sliced(low..<low + a.below(5), axis: a.integer(), step: a.integer()))
      }
    ),
    (
      "split",
      { a in for part in a.tensor().split(counts: a.list(), axis: a.integer()) { try evaluate(part) } }
    ),
    (
      "concatenated",
      { a in
        let x = a.tensor()
        try evaluate(Tensor.concatenated([x, a.like(x)], axis: a.integer()))
      }
    ),
    (
      "stacked",
      { a in
        let x = a.tensor()
        try evaluate(Tensor.stacked(a.below(6) == 0 ? [] : [x, a.like(x)], axis: a.integer()))
      }
    ),
    ("subscript", { a in try evaluate(a.tensor()[a.integer()]) }),
    (
      "subscript 2",
      { a in
        let low = a.below(5) - 1
        try evaluate(a.tensor()[a.integer(), low..<low + a.below(4)])
      }
    ),
    (
      "broadcast",
      { a in
        let x = a.tensor(); try evaluate(x.broadcast(to: a.shape()))
      }
    ),
    ("gather", { a in try evaluate(a.tensor().gather(at: a.integers(), axis: a.integer())) }),
    (
      "scatterAdded",
      { a in
        try evaluate(a.tensor().scatterAdded(at: a.integers(), entries: a.integer(), axis: a.integer()))
      }
    ),
    (
      "takenAlong",
      { a in
        let x = a.tensor()
        try evaluate(x.takenAlong(axis: a.integer(), at: a.integers(a.truth() ? x.shape : nil)))
      }
    ),
    (
      "addedAlong",
      { a in
        let x = a.tensor()
        try evaluate(
          x.addedAlong(axis: a.integer(), at: a.integers(a.truth() ? x.shape : nil), entries: a.integer()))
      }
    ),
    ("sum", { a in try evaluate(a.tensor().sum(axes: a.list()), a.tensor().mean(axes: a.list())) }),
    ("max", { a in try evaluate(a.tensor().max(axes: a.list(), keepingDimensions: a.truth())) }),
    ("variance", { a in try evaluate(a.tensor().variance(axes: a.list())) }),
    ("softmax", { a in try evaluate(softmax(a.tensor(), axis: a.integer())) }),
    ("logSumExp", { a in try evaluate(logSumExp(a.tensor(), axis: a.integer())) }),
    (
      "cumulativeSum", { a in try evaluate(a.tensor().cumulativeSum(axis: a.integer(), reversed: a.truth())) }
    ),
    ("sorted", { a in try evaluate(a.tensor().sorted(axis: a.integer(), descending: a.truth())) }),
    ("argsorted", { a in try evaluate(a.tensor().argsorted(axis: a.integer())) }),
  ]

  static let matrices: [(String, Call)] = [
    (
      "matmul",
      { a in
        let x = a.tensor()
        try evaluate(matmul(x, a.like(x), transposeA: a.truth(), transposeB: a.truth()))
      }
    ),
    (
      "dot",
      { a in
        let x = a.tensor(); try evaluate(dot(x, a.like(x)))
      }
    ),
    (
      "solve",
      { a in
        let x = a.square(); try evaluate(NODECore.solve(x, a.like(x)))
      }
    ),
    ("inverse", { a in try evaluate(inverse(a.square())) }),
    ("determinant", { a in try evaluate(determinant(a.square())) }),
    ("logAbsDeterminant", { a in try evaluate(logAbsDeterminant(a.square()).logarithm) }),
    (
      "triangularSolve",
      { a in
        let x = a.square()
        try evaluate(triangularSolve(x, a.like(x), upper: a.truth(), transposed: a.truth()))
      }
    ),
    (
      "choleskySolve",
      { a in
        let x = a.square(); try evaluate(choleskySolve(x, a.like(x)))
      }
    ),
    ("cholesky", { a in try evaluate(cholesky(a.square()), logDeterminant(a.square())) }),
    (
      "leastSquares",
      { a in
        let x = a.tensor(); try evaluate(leastSquares(x, a.like(x)))
      }
    ),
    ("qr", { a in try evaluate(qr(a.tensor()).r) }),
    ("symmetricEigen", { a in try evaluate(symmetricEigen(a.square()).values) }),
  ]

  static let images: [(String, Call)] = [
    (
      "conv2d",
      { a in
        let x = a.truth() ? a.tensor([2, 5, 4, 3]) : a.tensor(),
          f = a.truth() ? a.tensor([3, 3, 3, 2]) : a.tensor()
        try evaluate(conv2d(x, f, stride: a.integer(), padding: a.truth() ? .same : .valid))
      }
    ),
    (
      "maxPool2d",
      { a in
        let x = a.truth() ? a.tensor([2, 5, 4, 3]) : a.tensor()
        try evaluate(maxPool2d(x, size: a.integer(), stride: a.truth() ? nil : a.integer()))
      }
    ),
    (
      "averagePool2d",
      { a in
        let x = a.truth() ? a.tensor([2, 5, 4, 3]) : a.tensor()
        try evaluate(averagePool2d(x, size: a.integer(), stride: a.truth() ? nil : a.integer()))
      }
    ),
    ("groupNorm", { a in try evaluate(groupNorm(a.tensor(), groups: a.integer(), epsilon: a.real())) }),
    (
      "softmaxCrossEntropy",
      { a in
        let x = a.tensor()
        try evaluate(
          softmaxCrossEntropy(logits: x, labels: a.integers(a.truth() && x.rank > 0 ? [x.shape[0]] : nil)))
      }
    ),
  ]

  static let solves: [(String, Call)] = [
    (
      "odeint",
      { a in
        let x = a.tensor(), other = a.like(x)
        let times = (0..<a.below(4)).map { _ in a.real() }.sorted()
        try evaluate(
          odeint(
            from: x, at: a.truth() ? times : times.reversed(), method: a.pick(Method.all),
            rtol: a.truth() ? nil : a.real(), maxSteps: a.truth() ? 50 : a.integer()
          ) { t, y in a.below(8) == 0 ? other : y * t - other }.states)
      }
    ),
    (
      "odeint per lane",
      { a in
        let x = a.tensor(), times = a.tensor(), mixes = a.below(3) == 0
        try evaluate(
          odeint(from: x, at: times, method: a.pick(Method.all), controller: .perLane, maxSteps: 50) { t, y in
            mixes ? y - y.mean() : y * t
          }.states)
      }
    ),
    (
      "odeint gradient",
      { a in
        let x = a.tensor(), w = a.like(x)
        let bytes = a.integer(), method = a.pick(Method.all)
        let (value, gradient) = try valueAndGradient(at: [x, w]) { x in
          try odeint(
            from: x[0], t0: 0, t1: 1, method: method,
            sensitivity: a.truth() ? .backsolve : .exact(memory: .bytes(bytes)),
            maxSteps: 60
          ) { _, y in sin(y) * x[1] }.final.sum()
        }
        try evaluate(value, gradient[0], gradient[1])
      }
    ),
    (
      "Controller.fixed",
      { a in
        let step = a.real()
        try evaluate(
          odeint(from: a.tensor(), t0: 0, t1: 1, controller: .fixed(step: step), maxSteps: 50) { _, y in -y }
            .final)
      }
    ),
    (
      "Controller.stepsPerInterval",
      { a in
        let steps = a.integer()
        // So many are taken, whatever maxSteps says: that would be right and take for ever.
        guard steps <= 100_000 || steps > 1 << 31 else { return }
        try evaluate(
          odeint(from: a.tensor(), t0: 0, t1: 1, controller: .fixed(stepsPerInterval: steps), maxSteps: 50) {
            _, y in -y
          }.final)
      }
    ),
    (
      "Controller.adaptive",
      { a in
        let controller = Controller.adaptive(
          rtol: a.real(), atol: a.real(), safety: a.pick([0.9, 0.5, a.real()]),
          firstStep: a.truth() ? nil : a.real(),
          minimumStep: a.pick([0, 0, a.real()]), maximumStep: a.truth() ? nil : a.real(),
          maxSteps: a.pick([40, a.integer()]))
        try evaluate(
          odeint(from: a.tensor(), t0: 0, t1: 1, controller: controller, maxSteps: 50) { _, y in -y }.final)
      }
    ),
    (
      "scan",
      { a in
        let x = a.tensor(), rows = a.tensor()
        let (carry, outputs) = scan(from: x, over: rows) { h, row in (a.below(5) == 0 ? row : h * 0.5, row) }
        try evaluate(carry, outputs)
      }
    ),
  ]

  static let others: [(String, Call)] = [
    ("Tensor", { a in try evaluate(Tensor<Double>((0..<a.below(5)).map(Double.init), shape: a.shape())) }),
    (
      "Tensor rows",
      { a in
        try evaluate(Tensor<Double>((0..<a.below(3)).map { _ in (0..<a.below(3)).map(Double.init) }))
      }
    ),
    ("Shape", { a in _ = Shape(a.list()) }),
    ("zeros", { a in try evaluate(Tensor<Float>.zeros(Shape(a.list().map { min($0, 1000) }))) }),
    ("identityMatrix", { a in try evaluate(Tensor<Double>.identityMatrix(a.below(5) - 1)) }),
    ("iota", { a in try evaluate(Tensor<Double>.iota(a.below(5) - 1)) }),
    ("scalar", { a in _ = a.tensor().scalar }),
    (
      "gradient",
      { a in
        let x = a.tensor(), y = a.like(x)
        try evaluate(gradient(at: x) { a.truth() ? ($0 * y).sum() : $0 * y })
      }
    ),
    (
      "jvp",
      { a in
        let x = a.tensor()
        try evaluate(jvp(at: x, along: a.like(x)) { $0 * $0 }.tangent)
      }
    ),
    (
      "vjp",
      { a in
        let x = a.tensor()
        let (value, back) = vjp(at: x) { $0.sum(axes: [0]) }
        try evaluate(value, back(a.tensor()))
      }
    ),
    (
      "hvp",
      { a in
        let x = a.tensor(); try evaluate(hvp(at: x, along: a.like(x)) { ($0 * $0).sum() })
      }
    ),
    ("jacobian", { a in try evaluate(jacobian(at: a.tensor()) { $0 * $0 }) }),
    ("hessian", { a in try evaluate(hessian(at: a.tensor()) { ($0 * $0 * $0).sum() }) }),
    (
      "uniform",
      { a in
        let (x, y) = (a.real(), a.real())
        guard !x.isNaN, !y.isNaN else { return }
        try evaluate(
          Tensor<Float>.uniform(
            shape: a.shape(), in: Swift.min(x, y)..<Swift.max(x, y), key: RandomKey(seed: 1)))
      }
    ),
    (
      "normal",
      { a in
        try evaluate(
          Tensor<Double>.normal(
            shape: a.shape(), mean: a.real(), standardDeviation: a.real(), key: RandomKey(seed: 1)))
      }
    ),
    (
      "bernoulli",
      { a in
        try evaluate(
          Tensor<Double>.bernoulli(shape: a.shape(), probability: a.real(), key: RandomKey(seed: 1)))
      }
    ),
    (
      "RandomKey.fold",
      { a in
        let index = a.integer()
        _ = RandomKey(seed: 1).fold(in: index)
      }
    ),
    (
      "Runtime.threads",
      { a in
        let count = a.integer()
        try withThreads(count > 8 && count < 2000 ? 4 : count) { try evaluate(a.tensor() + 1.0) }
      }
    ),
    (
      "compiled",
      { a in
        let f = compiled { (x: Tensor<Double>, y: Tensor<Double>) in x + y }
        try evaluate(f(a.tensor(), a.tensor()))
      }
    ),
  ]
}
