import NODECore

/// The kinds of primitives. `init(_:)` switches over all operations: a new one does not compile here until it has its kind,
/// and with that its test cases.
enum Primitive: String, CaseIterable, Sendable {
  case input, constant, splat, elementwise, convert, stopGradient, identity, broadcast, reshape, permute,
    slice, pad
  case reverse, concatenate, sum, maximum, gather, scatterAdd, matmul, conv2d, conv2dInputGradient,
    conv2dFilterGradient
  case cumulativeSum, argsort, takeAlong, addAlong
  case groupNorm, groupNormGradient, softmaxCrossEntropy, softmaxCrossEntropyGradient, pool2d, pool2dGradient
  case luFactors, luSolve, luDeterminant, cholesky, triangularSolve, qr, symmetricEigen
  case random, structured

  init(_ operation: Operation) {
    self =
      switch operation {
      case .input: .input
      case .constant: .constant
      case .splat: .splat
      case .elementwise: .elementwise
      case .convert: .convert
      case .stopGradient: .stopGradient
      case .identity: .identity
      case .broadcast: .broadcast
      case .reshape: .reshape
      case .permute: .permute
      case .slice: .slice
      case .pad: .pad
      case .reverse: .reverse
      case .concatenate: .concatenate
      case .reduce(.sum, _): .sum
      case .reduce(.max, _): .maximum
      case .gather: .gather
      case .scatterAdd: .scatterAdd
      case .rowwise(.cumulativeSum): .cumulativeSum
      case .rowwise(.argsort): .argsort
      case .rowwise(.takeAlong): .takeAlong
      case .rowwise(.addAlong): .addAlong
      case .matmul: .matmul
      case .matrix(.luFactors): .luFactors
      case .matrix(.luSolve): .luSolve
      case .matrix(.luDeterminant): .luDeterminant
      case .matrix(.cholesky): .cholesky
      case .matrix(.triangularSolve): .triangularSolve
      case .matrix(.qr): .qr
      case .matrix(.symmetricEigen): .symmetricEigen
      case .conv2d: .conv2d
      case .conv2dInputGradient: .conv2dInputGradient
      case .conv2dFilterGradient: .conv2dFilterGradient
      case .fused(.groupNorm): .groupNorm
      case .fused(.groupNormGradient): .groupNormGradient
      case .fused(.softmaxCrossEntropy): .softmaxCrossEntropy
      case .fused(.softmaxCrossEntropyGradient): .softmaxCrossEntropyGradient
      case .fused(.pool2d): .pool2d
      case .fused(.pool2dGradient): .pool2dGradient
      case .random: .random
      case .structured: .structured
      }
  }

  /// Applications of the primitive, to arguments at which it is smooth. Every operation of a case is applied to values that
  /// depend nonlinearly on the arguments, so that second derivatives of linear ones are not all zero.
  var cases: [DerivativeCase] {
    switch self {
    case .input, .constant:
      // Leaves: what they are has no derivative, and every case has them as its arguments.
      return []
    case .splat: return [one("", [[3]]) { x in x[0] * x[0].splat(2.5) }]
    case .elementwise: return [one("", [[3], [3]]) { x in x[0] * x[1] }]
    case .convert: return [one("", [[3]]) { x in x[0].converted(to: .float32).converted(to: .float64) }]
    case .stopGradient:
      // The finite difference sees what is stopped, so what is stopped must not depend on the argument.
      return [one("", [[3]]) { x in x[0] * (x[0].map(.step) + 1).stoppingGradient }]
    case .identity: return [one("", [[3]]) { x in x[0].identity }]
    case .broadcast:
      return [
        one("new axes", [[3]]) { x in x[0].broadcast(to: [2, 3, 4], axes: [1]) },
        one("stretched", [[2, 1]]) { x in x[0].broadcast(to: [2, 3], axes: [0, 1]) },
        one("both", [[1, 3]]) { x in x[0].broadcast(to: [4, 2, 3], axes: [0, 2]) },
        one("scalar", [[]]) { x in x[0].broadcast(to: [2, 2], axes: []) },
      ]
    case .reshape: return [one("", [[2, 6]]) { x in x[0].reshaped(to: [3, 4]) }]
    case .permute: return [one("", [[2, 3, 4]]) { x in x[0].permuted(to: [2, 0, 1]) }]
    case .slice:
      return [
        one("steps", [[5, 7]]) { x in x[0].sliced(start: [1, 0], limit: [4, 7], step: [1, 3]) },
        one("empty", [[5]]) { x in x[0].sliced(start: [2], limit: [2], step: [2]) },
      ]
    case .pad:
      return [one("", [[3, 2]]) { x in x[0].padded(low: [1, 0], high: [0, 2], interior: [2, 1]) }]
    case .reverse: return [one("", [[2, 3, 2]]) { x in x[0].reversed(axes: [0, 2]) }]
    case .concatenate:
      return [
        one("", [[2, 1], [2, 3], [2, 2]]) { x in Graph.one(.concatenate(axis: 1), [x[0], x[1], x[2]]) },
        one("one of them", [[2, 1]]) { x in Graph.one(.concatenate(axis: 0), [x[0], x[0].splat(1)]) },
      ]
    case .sum: return [one("", [[2, 3, 4]]) { x in x[0].sum(axes: [0, 2]) }]
    case .maximum: return [one("", [[2, 3, 4]]) { x in x[0].max(axes: [0, 2]) }]
    case .gather:
      let indices = Value.labels([2, 0, 2, 1], [2, 2])
      return [one("", [[3, 2]]) { x in Graph.one(.gather, [x[0], indices]) }]
    case .scatterAdd:
      let indices = Value.labels([2, 0, 2], [3])
      return [one("", [[3, 2]]) { x in Graph.one(.scatterAdd(entries: 4), [x[0], indices]) }]
    case .cumulativeSum:
      return [false, true].map { backward in
        one("backward \(backward)", [[2, 5]]) { x in
          Graph.one(.rowwise(.cumulativeSum(backward: backward)), x)
        }
      }
    case .argsort:
      return [false, true].map { descending in
        one("descending \(descending)", [[2, 5]]) { x in
          x[0] * Graph.one(.rowwise(.argsort(descending: descending)), x).converted(to: .float64)
        }
      }
    case .takeAlong:
      let indices = Value.labels([2, 0, 2, 1, 1, 0, 1, 2], [2, 4])
      return [one("", [[2, 3]]) { x in Graph.one(.rowwise(.takeAlong), [x[0], indices]) }]
    case .addAlong:
      let indices = Value.labels([2, 0, 2, 1, 1, 3], [2, 3])
      return [one("", [[2, 3]]) { x in Graph.one(.rowwise(.addAlong(entries: 4)), [x[0], indices]) }]
    case .matmul: return matmulCases
    case .conv2d, .conv2dInputGradient, .conv2dFilterGradient: return convolutionCases
    case .luFactors, .luSolve, .luDeterminant, .cholesky, .triangularSolve, .qr, .symmetricEigen:
      return matrixCases
    case .groupNorm:
      return [one("", [[2, 3, 4]]) { x in Graph.node(.fused(.groupNorm(groups: 2, epsilon: 1e-3)), [x[0]]) }]
    case .groupNormGradient:
      return [
        one("", [[2, 3, 4], [2, 2], [2, 3, 4]]) { x in Graph.one(.fused(.groupNormGradient(groups: 2)), x) }
      ]
    case .softmaxCrossEntropy:
      let labels = Value.labels([2, 0, 1], [3])
      return [one("", [[3, 4]]) { x in Graph.one(.fused(.softmaxCrossEntropy), [x[0], labels]) }]
    case .softmaxCrossEntropyGradient:
      let labels = Value.labels([2, 0, 1], [3])
      return [
        one("", [[3, 4], [3]]) { x in Graph.one(.fused(.softmaxCrossEntropyGradient), [x[0], labels, x[1]]) }
      ]
    case .pool2d:
      return [true, false].map { maximum in
        one("maximum \(maximum)", [[1, 5, 4, 2]]) { x in
          Graph.one(.fused(.pool2d(maximum: maximum, size: 2, stride: 2)), [x[0]])
        }
      }
    case .pool2dGradient:
      return [true, false].map { maximum in
        one("maximum \(maximum)", [[1, 5, 4, 2], [1, 2, 1, 2]]) { x in
          Graph.one(.fused(.pool2dGradient(maximum: maximum, size: 3, stride: 2)), [x[0], x[1]])
        }
      }
    case .random:
      let key = RandomKey(seed: 3).words.value
      return [one("", [[3]]) { x in x[0] * Graph.one(.random(.normal, [3], .float64), [key]) }]
    case .structured: return [one("", [[3]]) { x in Graph.one(.structured(Cube()), x) }]
    }
  }

  private var matmulCases: [DerivativeCase] {
    // Batch axes of a and b; [] is a plain matrix.
    let batches: [([Int], [Int])] = [([], []), ([2], [2]), ([2], []), ([], [2]), ([2, 2], [2, 2])]
    return batches.flatMap { batchA, batchB in
      [(false, false), (true, false), (false, true), (true, true)].map { ta, tb in
        let a = Shape(batchA + (ta ? [3, 2] : [2, 3])), b = Shape(batchB + (tb ? [4, 3] : [3, 4]))
        return one("\(a) \(b) \(ta) \(tb)", [a, b]) { x in
          .matmul(x[0], x[1], transposeA: ta, transposeB: tb)
        }
      }
    }
  }

  private var convolutionCases: [DerivativeCase] {
    [(1, 1), (2, 1), (2, 0)].map { stride, pad in
      let g = Convolution(
        height: 5, width: 4, inputChannels: 2, kernelHeight: 3, kernelWidth: 2, stride: stride, padTop: pad,
        padLeft: 0, padBottom: pad, padRight: pad, outputChannels: 3)
      let operation: (Operation, Shape, Shape) =
        switch self {
        case .conv2dInputGradient: (.conv2dInputGradient(g), g.outputShape(2), g.filterShape)
        case .conv2dFilterGradient: (.conv2dFilterGradient(g), g.inputShape(2), g.outputShape(2))
        default: (.conv2d(g), g.inputShape(2), g.filterShape)
        }
      return one("stride \(stride), pad \(pad)", [operation.1, operation.2]) { x in Graph.one(operation.0, x)
      }
    }
  }

  func one(
    _ name: String, _ shapes: [Shape], _ function: @escaping @Sendable ([Value]) -> Value
  ) -> DerivativeCase {
    one(name, shapes) { [function($0)] }
  }

  func one(
    _ name: String, _ shapes: [Shape], _ function: @escaping @Sendable ([Value]) -> [Value]
  ) -> DerivativeCase {
    let arguments = shapes.enumerated().map { spreadOut($1, seed: UInt64($0 + 1)) }
    return DerivativeCase("\(rawValue) \(name)", arguments) { x in
      function(x.map { $0 + $0.map(.square) * 0.25 })
    }
  }
}

/// x^3 with its own rules: the smallest operation that brings its derivatives along.
struct Cube: StructuredOperation {
  /// Multiplies the reverse rule; other than 1 it is wrong, and checks have to say so.
  var reverseScale = 1.0
  var name: String { "cube" }
  var identity: AnyHashable? { nil }

  func resultTypes(_ operands: [TensorType]) -> [TensorType] { operands }

  func jvp(operands: [Value], results: [Value], tangents: [Value?]) -> [Value?] {
    tangents.map { $0.map { operands[0].map(.square) * 3 * $0 } }
  }

  func vjp(operands: [Value], results: [Value], cotangents: [Value?], wanted: [Bool]) -> [Value?] {
    cotangents.map { $0.map { operands[0].map(.square) * (3 * reverseScale) * $0 } }
  }
}
