/// What something costs, counted from its extents.
package struct Cost: Sendable, Hashable {
  /// Floating-point operations.
  package var flops = 0
  /// Bytes read and written.
  package var bytes = 0

  package static func + (a: Cost, b: Cost) -> Cost {
    Cost(flops: a.flops + b.flops, bytes: a.bytes + b.bytes)
  }
}

extension ProgramDescription {
  /// Of one run; evaluations inside of solves are not counted.
  package var cost: Cost {
    regions.reduce(Cost()) { total, region in
      region.instructions.reduce(total) { $0 + cost(of: $1, in: region) }
    }
  }

  /// Of one instruction over all lanes of its region (`lanes` where a solver chooses them). Of a solve: nothing but its own
  /// operands; see `evaluationCost`.
  package func cost(of index: Int, in region: Region, lanes: Int? = nil) -> Cost {
    let lanes = region.isSolverBody ? lanes ?? 1 : region.totalLanes
    let repeats =
      instructions[index].once ? max((lanes + region.blockLanes - 1) / region.blockLanes, 1) : lanes
    return cost(of: index, lanes: repeats, calls: 1)
  }

  /// Of one instruction that was called so many times, on so many lanes in all; what it reads of buffers without lanes
  /// counts once a call.
  package func cost(of index: Int, lanes: Int, calls: Int) -> Cost {
    let instruction = instructions[index]
    let bytes = instruction.uses.reduce(0) { total, use in
      let buffer = self[use.buffer]
      let touched =
        switch instruction.kernel {
        case .elementwise(let code) where use.access == .read:
          // Each element of a view once, however often a broadcast repeats it; a zero use is the whole buffer.
          Swift.min(buffer.bytes, code.dims.reduce(1, *) * buffer.dtype.byteCount)
        case .copy(let copy): copy.dims.reduce(1, *) * buffer.dtype.byteCount
        default: use.bytes
        }
      return total + touched * (buffer.hasLanes || use.isPerLane ? lanes : calls)
    }
    return Cost(flops: instruction.kernel.flopsPerLane * lanes, bytes: bytes)
  }
}

extension NestedSolve {
  /// Of one evaluation of the field for all lanes, what runs once per solve left out.
  package var evaluationCost: Cost { field.bodyCost(lanes: lanes) }
}

extension ProgramDescription {
  /// Of a program that a solver runs: one evaluation for so many lanes, what runs once per solve left out.
  package func bodyCost(lanes: Int) -> Cost {
    guard let body = regions.last else { return Cost() }
    return body.instructions.reduce(Cost()) { $0 + cost(of: $1, in: body, lanes: lanes) }
  }

  /// Of what such a program does once per solve.
  package func setupCost(lanes: Int) -> Cost {
    regions.prefix(setupRegions).reduce(Cost()) { total, region in
      region.instructions.reduce(total) { $0 + cost(of: $1, in: region, lanes: lanes) }
    }
  }
}

extension Kernel {
  /// Floating-point operations for one lane: multiplications and additions count one each, elementary functions what
  /// the kernels' list charges for them.
  var flopsPerLane: Int {
    func activation(_ activation: Elementwise?, _ elements: Int) -> Int {
      (activation?.flops ?? 0) * elements
    }
    switch self {
    case .elementwise(let code):
      return code.dims.reduce(1, *) * code.steps.reduce(0) { $0 + $1.operation.flops }
    case .copy, .fill, .pack, .gather, .random, .convert, .interleave, .solve, .solveGradient:
      return 0
    case .reduce(_, _, _, let outer, let count, let inner, _),
      .reduceLanes(_, _, let outer, let count, let inner, _):
      return outer * count * inner
    case .scan(let scan):
      return scan.steps * scan.body.cost.flops
    case .matmul(_, _, let bias, let times, _, let rows, let k, let n, let function, let factor):
      var each = 2 * k + (bias == nil ? 0 : 1) + (times == nil ? 0 : 1) + (function?.flops ?? 0)
      if case .of(let operation) = factor { each += operation.flops }
      return rows * n * each
    case .matmulOuter(let terms, _, let rows, let k, let n):
      return 2 * terms.count * rows * k * n
    case .matmulBatched(let m):
      return 2 * m.batch * m.m * m.k * m.n
    case .matrix(let call):
      return call.flopsPerLane
    case .conv(let g, _, _, let bias, _, let images, let function):
      let outputs = images * g.outputCount
      return images * g.flops + (bias == nil ? 0 : outputs) + activation(function, outputs)
    case .convInputGradient(let g, _, _, _, let images), .convFilterGradient(let g, _, _, _, let images):
      return images * g.flops
    case .pool(let g, _, _, let images), .poolGradient(let g, _, _, _, let images):
      return images * g.outputCount * g.kernelHeight * g.kernelWidth
    case .groupNorm(_, _, _, let images, let positions, let channels, _, _):
      // Mean; difference, square, sum; scale.
      return images * positions * channels * 5
    case .groupNormGradient(_, _, _, _, let images, let positions, let channels, _):
      // Two means (three operations), two differences, one product, the scale.
      return images * positions * channels * 7
    case .softmaxCrossEntropy(_, _, _, let rows, let classes),
      .softmaxCrossEntropyGradient(_, _, _, _, let rows, let classes):
      // Maximum, difference, exponential, sum (or quotient).
      return rows * classes * (3 + Elementwise.exp.flops)
    case .rowwise(let operation, _, _, _, let rows, let n, _):
      // Sorting counts as the comparisons of a merge sort.
      switch operation {
      case .takeAlong: return 0
      case .cumulativeSum, .addAlong: return rows * n
      case .argsort: return rows * n * (Int.bitWidth - max(n, 1).leadingZeroBitCount)
      }
    case .scatterAdd(_, _, _, let rows, let width, _):
      return rows * width
    }
  }
}

extension ConvolutionGeometry {
  /// Of one image; the same for the convolution and both of its transposes.
  fileprivate var flops: Int { 2 * outputCount * kernelHeight * kernelWidth * inputChannels }
}
