import CKernels

// Descriptions as the kernels' structures, one to one: those that hold no pointers.

extension Buffer {
  var kernel: nk_buffer {
    let (space, slot): (nk_space, Int) =
      switch self.space {
      case .argument(let slot): (.NK_SPACE_ARG, slot)
      case .constant: (.NK_SPACE_CONST, 0)
      case .arena: (.NK_SPACE_ARENA, 0)
      case .block: (.NK_SPACE_BLOCK, 0)
      case .residual: (.NK_SPACE_RESIDUAL, 0)
      case .accumulator: (.NK_SPACE_ACC, 0)
      }
    return nk_buffer(
      space: space, dtype: dtype.kernel, slot: Int32(slot), has_lanes: hasLanes ? 1 : 0,
      offset: Int64(offset),
      bytes: Int64(bytes))
  }
}

extension Kernel {
  var opcode: nk_opcode {
    switch self {
    case .elementwise: .NK_OP_EWISE
    case .copy: .NK_OP_COPY
    case .fill: .NK_OP_FILL
    case .reduce: .NK_OP_REDUCE
    case .reduceLanes: .NK_OP_REDUCE_LANES
    case .pack: .NK_OP_PACK
    case .matmul: .NK_OP_MATMUL
    case .matmulOuter: .NK_OP_MATMUL_OUTER
    case .matmulBatched: .NK_OP_MATMUL_BATCHED
    case .matrix(let call): call.operation.opcode
    case .conv: .NK_OP_CONV
    case .convInputGradient: .NK_OP_CONV_INPUT_GRADIENT
    case .convFilterGradient: .NK_OP_CONV_FILTER_GRADIENT
    case .pool: .NK_OP_POOL
    case .poolGradient: .NK_OP_POOL_GRADIENT
    case .groupNorm: .NK_OP_GROUP_NORM
    case .groupNormGradient: .NK_OP_GROUP_NORM_GRADIENT
    case .softmaxCrossEntropy: .NK_OP_SOFTMAX_XENT
    case .softmaxCrossEntropyGradient: .NK_OP_SOFTMAX_XENT_GRADIENT
    case .gather: .NK_OP_GATHER
    case .scatterAdd: .NK_OP_SCATTER_ADD
    case .rowwise(.cumulativeSum, _, _, _, _, _, _): .NK_OP_CUMULATIVE_SUM
    case .rowwise(.argsort, _, _, _, _, _, _): .NK_OP_ARGSORT
    case .rowwise(.takeAlong, _, _, _, _, _, _): .NK_OP_TAKE_ALONG
    case .rowwise(.addAlong, _, _, _, _, _, _): .NK_OP_ADD_ALONG
    case .random: .NK_OP_RANDOM
    case .convert: .NK_OP_CONVERT
    case .interleave: .NK_OP_INTERLEAVE
    case .scan: .NK_OP_SCAN
    case .solve: .NK_OP_ODE
    case .solveGradient: .NK_OP_ODE_GRADIENT
    }
  }

  /// The opcode's printed name.
  package var name: String { String(cString: nk_opcode_name(opcode)) }
}

extension MatrixOperation {
  fileprivate var opcode: nk_opcode {
    switch self {
    case .luFactors: .NK_OP_LU
    case .luSolve: .NK_OP_LU_SOLVE
    case .luDeterminant: .NK_OP_LU_DETERMINANT
    case .cholesky: .NK_OP_CHOLESKY
    case .triangularSolve: .NK_OP_TRIANGULAR_SOLVE
    case .qr: .NK_OP_QR
    case .symmetricEigen: .NK_OP_SYMMETRIC_EIGEN
    }
  }
}

extension MatrixCall {
  var kernel: nk_matrix {
    var triangle = Triangle(isLower: false)
    switch operation {
    case .triangularSolve(let form): triangle = form
    case .luSolve(let isTransposed): triangle.isTransposed = isTransposed
    case .luFactors, .luDeterminant, .cholesky, .qr, .symmetricEigen: break
    }
    return nk_matrix(
      matrices_per_lane: Int64(matricesPerLane), m: Int64(m), n: Int64(n), k: Int64(k),
      lower: triangle.isLower ? 1 : 0, transposed: triangle.isTransposed ? 1 : 0,
      unit: triangle.hasUnitDiagonal ? 1 : 0, shares_left: sharesMatrix ? 1 : 0,
      shares_right: sharesRightSide ? 1 : 0)
  }
}

extension PackLayout {
  var kernel: nk_pack_kind {
    switch self {
    case .matrix: .NK_PACK_MATRIX
    case .matrixTransposed: .NK_PACK_MATRIX_TRANSPOSED
    case .convolution: .NK_PACK_CONV
    case .convolutionTransposed: .NK_PACK_CONV_TRANSPOSED
    }
  }

  var geometry: ConvolutionGeometry? {
    switch self {
    case .matrix, .matrixTransposed: nil
    case .convolution(let geometry), .convolutionTransposed(let geometry): geometry
    }
  }
}

extension ConvolutionGeometry {
  var kernel: nk_conv {
    nk_conv(
      h: Int32(height), w: Int32(width), cin: Int32(inputChannels), kh: Int32(kernelHeight),
      kw: Int32(kernelWidth), stride: Int32(stride), pad_top: Int32(padTop), pad_left: Int32(padLeft),
      oh: Int32(outputHeight), ow: Int32(outputWidth), cout: Int32(outputChannels))
  }
}

extension PoolGeometry {
  var kernel: nk_pool2d {
    nk_pool2d(
      h: Int32(height), w: Int32(width), channels: Int32(channels), kh: Int32(kernelHeight),
      kw: Int32(kernelWidth), stride: Int32(stride), oh: Int32(outputHeight), ow: Int32(outputWidth),
      max: isMaximum ? 1 : 0)
  }
}

extension TableauCoefficients {
  var kernel: nk_tableau {
    var result = nk_tableau()
    result.stages = Int32(stages)
    result.step_stages = Int32(stepStages)
    result.order = Int32(order)
    result.embedded_order = Int32(embeddedOrder)
    result.fsal = isFSAL ? 1 : 0
    result.dense_degree = Int32(denseDegree)
    // nk_tableau's rows of a and dense have `stages` and `degree` elements: the used part is contiguous.
    fill(&result.a, a.flatMap { $0 + Array(repeating: 0, count: stages - $0.count) })
    fill(&result.b, b)
    fill(&result.c, c)
    fill(&result.b_error, bError)
    fill(&result.dense, dense.flatMap { $0 + Array(repeating: 0, count: denseDegree - $0.count) })
    return result
  }
}

/// Copies numbers to the start of a C array, which Swift sees as a tuple.
private func fill<Tuple>(_ tuple: inout Tuple, _ numbers: [Double]) {
  withUnsafeMutableBytes(of: &tuple) { target in
    numbers.withUnsafeBytes { target.copyMemory(from: $0) }
  }
}

extension ControllerParameters {
  var kernel: nk_controller {
    // A component that stays 0 has no error, so 0 / 0 must be 0 where only a relative tolerance was asked for. Norms are
    // computed in double, of states in float, too.
    nk_controller(
      adaptive: isAdaptive ? 1 : 0, per_lane: isPerLane ? 1 : 0, tolerant: isTolerant ? 1 : 0,
      rtol: rtol, atol: max(atol, .leastNormalMagnitude), i: i, p: p, safety: safety,
      min_factor: minimumFactor,
      max_factor: maximumFactor, first_step: firstStep, min_step: minimumStep, max_step: maximumStep,
      max_steps: Int64(maximumSteps), step: step, steps_per_interval: Int64(stepsPerInterval),
      error_components: Int64(errorComponents))
  }
}
