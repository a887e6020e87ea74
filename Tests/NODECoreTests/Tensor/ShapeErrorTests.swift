import NODECore
import Testing

/// Mistakes that have to stop the program with a message naming the operation and both shapes.
enum Mistake: String, CaseIterable, Codable, Sendable {
  case addShapes, matmulInner, matmulBatch, reshapeCount, broadcastTo, concatenateExtents, convolutionChannels
  case subscriptOutside, gatherIndices, groupCount, labelsShape, poolWindow, gradientOfVector,
    integerArithmetic
  case axisOutside, scalarCount, jvpDirection
  case solveRows, solveBatch, inverseSquare, wideLeastSquares
  case poolStride, convolutionStride, splitCounts, scatterAxis, scatterLowAxis, padding, negativeCount
  case elementCount, integerLiteral, emptyUniform, tooManyThreads, tooManySteps, tooManyStepsPerInterval
  case largeIdentity, hugeIdentity, largeIota, hugeIota, iotaOfIntegers, splitKeys, foldedSymbol,
    largeInitializer
  case closedRange, rangeThrough, poolElements
  case axisOfMin, axisOfMean, axisOfVariance, axisOfSoftmax, axisOfLogSumExp, axisOfLogSoftmax
  case scatterEntries, addedEntries, longConcatenation, bufferIndex, negativeBufferIndex, tableauOrder

  /// What the message must contain.
  var words: [String] {
    switch self {
    case .addShapes: ["add", "[2, 3]", "[4]"]
    case .matmulInner: ["matmul", "[2, 3]", "[4, 2]"]
    case .matmulBatch: ["matmul", "[2, 2, 3]", "[3, 3, 2]"]
    case .reshapeCount: ["reshape", "[2, 3]", "[5]"]
    case .broadcastTo: ["broadcast", "[2, 3]", "[2, 4]"]
    case .concatenateExtents: ["concatenate", "[2, 3]", "[4]"]
    case .convolutionChannels: ["conv2d", "[1, 4, 4, 2]", "[3, 3, 3, 1]"]
    case .subscriptOutside: ["subscript", "5", "[2, 3]"]
    case .gatherIndices: ["gather", "float64"]
    case .groupCount: ["groupNorm", "2", "[2, 3]"]
    case .labelsShape: ["softmaxCrossEntropy", "[2, 3]", "[3]"]
    case .poolWindow: ["maxPool2d", "5", "[1, 4, 4, 2]"]
    case .gradientOfVector: ["gradient", "[2, 3]"]
    case .integerArithmetic: ["multiply", "int32"]
    case .axisOutside: ["sum", "4", "[2, 3]"]
    case .scalarCount: ["Tensor", "3", "[2, 2]"]
    case .jvpDirection: ["jvp", "[4]", "[2, 3]"]
    case .solveRows: ["solve", "[3, 3]", "[4]"]
    case .solveBatch: ["solve", "[2, 3, 3]", "[4, 3, 1]"]
    case .inverseSquare: ["inverse", "[2, 3]"]
    case .wideLeastSquares: ["leastSquares", "[2, 3]"]
    case .poolStride: ["maxPool2d", "4294967296", "[1, 4, 4, 2]"]
    case .convolutionStride: ["conv2d", "4294967296", "[1, 4, 4, 2]"]
    case .splitCounts: ["split", "\(Int.max)", "[2, 3]"]
    case .scatterAxis: ["scatterAdd", "\(Int.max)", "[2, 3]"]
    case .scatterLowAxis: ["scatterAdd", "\(Int.min)", "[2, 3]"]
    case .padding: ["pad", "\(Int.max)"]
    case .negativeCount: ["iota", "-1"]
    case .elementCount: ["Shape", "[1099511627776, 1099511627776]"]
    case .integerLiteral: ["Int32", "3000000000"]
    case .emptyUniform: ["uniform", "0.1..<0.1", "Float"]
    case .tooManyThreads: ["Runtime.threads", "5000000000", "1024"]
    case .tooManySteps: ["odeint", "maxSteps", "\(Int.max)", "\(1 << 40)"]
    case .tooManyStepsPerInterval: ["stepsPerInterval", "\(Int.max)", "\(1 << 31)"]
    case .largeIdentity: ["identityMatrix", "[1048576, 1048576]", "\(1 << 43) bytes", "float64"]
    case .hugeIdentity: ["identityMatrix", "[8589934592, 8589934592]"]
    case .largeIota: ["iota", "[1099511627776]", "\(1 << 43) bytes", "\(1 << 40)"]
    case .hugeIota: ["iota", "[\(1 << 62)]"]
    case .iotaOfIntegers: ["iota", "int32", "\(1 << 32)"]
    case .splitKeys: ["split", "\(1 << 40)"]
    case .foldedSymbol: ["fold(in:)", "\(Int.max)"]
    case .largeInitializer: ["Initializer.fanIn", "[1099511627776]"]
    case .closedRange, .rangeThrough: ["subscript: position \(Int.max)"]
    case .poolElements: ["maxPool2d", "50000", "2500000000"]
    case .axisOfMin: ["Fatal error: min: axis 4"]
    case .axisOfMean: ["Fatal error: mean: axis 4"]
    case .axisOfVariance: ["Fatal error: variance: axis 4"]
    case .axisOfSoftmax: ["Fatal error: softmax: axis 4"]
    case .axisOfLogSumExp: ["Fatal error: logSumExp: axis 4"]
    case .axisOfLogSoftmax: ["Fatal error: logSoftmax: axis 4"]
    case .scatterEntries: ["scatterAdd", "entries", "-3"]
    case .addedEntries: ["addAlong", "entries", "-3"]
    case .longConcatenation: ["concatenate", "longer than can be counted"]
    case .bufferIndex: ["BatchBuffer.scalars", "tensor 4 of a batch of 1"]
    case .negativeBufferIndex: ["BatchBuffer.scalars", "tensor -1 of a batch of 1"]
    case .tableauOrder: ["Tableau x", "order 10", "99"]
    }
  }

  func make() {
    let x = Tensor<Double>.ones([2, 3]), v = Tensor<Double>.ones([4])
    let image = Tensor<Double>(spreadOut([1, 4, 4, 2]))
    switch self {
    case .addShapes: _ = x + v
    case .matmulInner: _ = matmul(x, Tensor<Double>.ones([4, 2]))
    case .matmulBatch: _ = matmul(Tensor<Double>.ones([2, 2, 3]), Tensor<Double>.ones([3, 3, 2]))
    case .reshapeCount: _ = x.reshaped(to: [5])
    case .broadcastTo: _ = x.broadcast(to: [2, 4])
    case .concatenateExtents: _ = Tensor.concatenated([x, v])
    case .convolutionChannels:
      _ = Graph.one(.conv2d(mismatched), [image.value, Tensor<Double>.ones([3, 3, 3, 1]).value])
    case .subscriptOutside: _ = x[5]
    case .gatherIndices: _ = Graph.one(.gather, [x.value, v.value])
    case .groupCount: _ = groupNorm(x, groups: 2)
    case .labelsShape: _ = softmaxCrossEntropy(logits: x, labels: Tensor<Int32>([0, 1, 2]))
    case .poolWindow: _ = maxPool2d(image, size: 5)
    case .gradientOfVector: _ = gradient(at: x) { $0 * 2.0 }
    case .integerArithmetic:
      _ = Graph.one(.elementwise(.multiply), [Graph.iota(2, .int32), Graph.iota(2, .int32)])
    case .axisOutside: _ = x.sum(axes: 4)
    case .scalarCount: _ = Tensor<Double>([1, 2, 3], shape: [2, 2])
    case .jvpDirection: _ = jvp(at: x, along: v) { $0 }
    case .solveRows: _ = solve(Tensor<Double>.ones([3, 3]), v)
    case .solveBatch: _ = solve(Tensor<Double>.ones([2, 3, 3]), Tensor<Double>.ones([4, 3, 1]))
    case .inverseSquare: _ = inverse(x)
    case .wideLeastSquares: _ = leastSquares(x, Tensor<Double>.ones([2]))
    case .poolStride: _ = maxPool2d(image, size: 2, stride: 1 << 32)
    case .convolutionStride: _ = conv2d(image, Tensor<Double>.ones([3, 3, 2, 1]), stride: 1 << 32)
    case .splitCounts: _ = x.split(counts: [.max, .max], axis: 0)
    case .scatterAxis: _ = x.scatterAdded(at: Tensor<Int32>([0, 1]), entries: 3, axis: .max)
    case .scatterLowAxis: _ = x.scatterAdded(at: Tensor<Int32>.zeros([1, 1, 1, 1]), entries: 3, axis: .min)
    case .padding: _ = x.padded(before: [.max, 0], after: [.max, 0])
    case .negativeCount: _ = Tensor<Double>.iota(-1)
    case .elementCount: _ = Tensor<Double>.zeros([1 << 40, 1 << 40])
    case .integerLiteral:
      let number: Tensor<Int32> = 3_000_000_000
      _ = number
    case .emptyUniform: _ = Tensor<Float>.uniform(shape: [2], in: 0.1..<0.1, key: RandomKey(seed: 1))
    case .tooManyThreads: Runtime.threads = 5_000_000_000
    case .tooManySteps: _ = try? odeint(from: x, t0: 0, t1: 1, maxSteps: .max) { _, y in y }
    case .tooManyStepsPerInterval: _ = Controller.fixed(stepsPerInterval: .max)
    case .largeIdentity: _ = Tensor<Double>.identityMatrix(1 << 20)
    case .hugeIdentity: _ = Tensor<Double>.identityMatrix(1 << 33)
    case .largeIota: _ = Tensor<Double>.iota(1 << 40)
    case .hugeIota: _ = Tensor<Double>.iota(1 << 62)
    case .iotaOfIntegers: _ = Tensor<Int32>.iota(1 << 32)
    case .splitKeys: _ = RandomKey(seed: 1).split(1 << 40)
    case .foldedSymbol:
      _ = RandomKey(words: Tensor(Graph.input("key", TensorType(.int32, [2])))).fold(in: .max)
    case .largeInitializer:
      let initializer = Initializer.fanIn
      let drawn: Tensor<Float> = initializer([1 << 40], fanIn: 1, fanOut: 1, key: RandomKey(seed: 1))
      _ = drawn
    case .closedRange: _ = x[0...Int.max]
    case .rangeThrough: _ = x[...Int.max]
    case .poolElements:
      let plane = Graph.input("x", TensorType(.float32, [1, 50_000, 50_000, 1]))
      _ = maxPool2d(Tensor<Float>(plane), size: 50_000)
    case .axisOfMin: _ = x.min(axes: 4)
    case .axisOfMean: _ = x.mean(axes: 4)
    case .axisOfVariance: _ = x.variance(axes: 4)
    case .axisOfSoftmax: _ = softmax(x, axis: 4)
    case .axisOfLogSumExp: _ = logSumExp(x, axis: 4)
    case .axisOfLogSoftmax: _ = logSoftmax(x, axis: 4)
    case .scatterEntries: _ = x.scatterAdded(at: Tensor<Int32>([0, 1]), entries: -3)
    case .addedEntries: _ = x.addedAlong(axis: 1, at: Tensor<Int32>([[0, 1, 2], [0, 1, 2]]), entries: -3)
    case .longConcatenation:
      _ = Tensor.concatenated((0..<20).map { _ in Tensor<Double>.zeros([1 << 59]) })
    case .bufferIndex: _ = BatchBuffer(like: x).scalars(4, of: Double.self)
    case .negativeBufferIndex: _ = BatchBuffer(like: x).scalars(-1, of: Double.self)
    case .tableauOrder: _ = Tableau(name: "x", order: 99, rows: [[]], b: [1], dense: .cubicHermite)
    }
  }

  private var mismatched: Convolution {
    Convolution(
      height: 4, width: 4, inputChannels: 2, kernelHeight: 3, kernelWidth: 3, stride: 1, padTop: 0,
      padLeft: 0,
      padBottom: 0, padRight: 0, outputChannels: 1)
  }
}

@Suite struct ShapeErrorTests {
  @Test(arguments: Mistake.allCases)
  func stopsWithAMessage(_ mistake: Mistake) async throws {
    let result = try await #require(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) { [mistake] in
      mistake.make()
    }
    let message = String(decoding: result.standardErrorContent, as: UTF8.self)
    for word in mistake.words { #expect(message.contains(word), "\(mistake): \(message.prefix(300))") }
  }
}
