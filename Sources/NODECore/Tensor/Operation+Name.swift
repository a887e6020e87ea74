extension Operation {
  /// The name that errors and reports print.
  package var name: String {
    switch self {
    case .input: "input"
    case .constant: "constant"
    case .splat: "splat"
    case .elementwise(let operation): operation.name
    case .convert: "convert"
    case .stopGradient: "stopGradient"
    case .identity: "identity"
    case .broadcast: "broadcast"
    case .reshape: "reshape"
    case .permute: "permute"
    case .slice: "slice"
    case .pad: "pad"
    case .reverse: "reverse"
    case .concatenate: "concatenate"
    case .reduce(.sum, _): "sum"
    case .reduce(.max, _): "max"
    case .gather: "gather"
    case .scatterAdd: "scatterAdd"
    case .rowwise(let operation): operation.name
    case .matmul: "matmul"
    case .matrix(let operation): operation.name
    case .conv2d: "conv2d"
    case .conv2dInputGradient: "conv2dInputGradient"
    case .conv2dFilterGradient: "conv2dFilterGradient"
    case .fused(let operation): operation.name
    case .random(.uniform, _, _): "uniform"
    case .random(.normal, _, _): "normal"
    case .structured(let operation): operation.name
    }
  }
}

extension MatrixOperation {
  package var name: String {
    switch self {
    case .luFactors: "luFactors"
    case .luSolve: "solve"
    case .luDeterminant: "determinant"
    case .cholesky: "cholesky"
    case .triangularSolve: "triangularSolve"
    case .qr: "qr"
    case .symmetricEigen: "symmetricEigen"
    }
  }
}

extension FusedOperation {
  package var name: String {
    switch self {
    case .groupNorm: "groupNorm"
    case .groupNormGradient: "groupNormGradient"
    case .softmaxCrossEntropy: "softmaxCrossEntropy"
    case .softmaxCrossEntropyGradient: "softmaxCrossEntropyGradient"
    case .pool2d(let maximum, _, _): maximum ? "maxPool2d" : "averagePool2d"
    case .pool2dGradient(let maximum, _, _): maximum ? "maxPool2dGradient" : "averagePool2dGradient"
    }
  }
}
