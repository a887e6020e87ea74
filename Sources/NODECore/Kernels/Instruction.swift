/// One instruction of a program; see nk_instr. `scratchOffset` is where in the worker's block scratch its own scratch of
/// `scratchBytes(blockLanes:)` bytes lies.
package struct Instruction: Sendable {
  package var kernel: Kernel
  /// Of the arithmetic.
  package var dtype: DType
  package var scratchOffset: Int
  package var scratchBytes: Int
  package var origin: Int
  /// Inside of a lanes region: once per block, on buffers without lanes.
  package var once = false

  package init(_ kernel: Kernel, _ dtype: DType, scratchOffset: Int = 0, scratchBytes: Int = 0, origin: Int) {
    self.kernel = kernel
    self.dtype = dtype
    self.scratchOffset = scratchOffset
    self.scratchBytes = scratchBytes
    self.origin = origin
  }
}

/// What an instruction does, one case an opcode; operands first, then the extents that nk_instr names.
/// Extents are those of one lane where the region has lanes; "(acc)" marks outputs that may be accumulators.
package enum Kernel: Sendable {
  case elementwise(ElementwiseCode)
  case copy(StridedCopy)
  case fill(out: BufferID, value: Double, count: Int)
  /// x [outer, count, inner] -> out [outer, inner], times scale.
  case reduce(Reduction, x: BufferID, out: BufferID, outer: Int, count: Int, inner: Int, scale: Double)
  /// x [outer, count, inner] per lane -> out [inner] (acc): sum over lanes, outer and count.
  case reduceLanes(x: BufferID, out: BufferID, outer: Int, count: Int, inner: Int, scale: Double)
  case pack(PackLayout, x: BufferID, out: BufferID, k: Int, n: Int)
  /// out [rows, n] = activation(a [rows, k] * packed + bias) * factor(times [rows, n]).
  case matmul(
    a: BufferID, packed: BufferID, bias: BufferID?, times: BufferID? = nil, out: BufferID, rowsPerLane: Int,
    k: Int,
    n: Int, activation: Elementwise?, factor: ProductFactor? = nil)
  /// out [k, n] (acc) = sum of a [rows, k] transposed * b [rows, n], of one or two terms.
  case matmulOuter([OuterTerm], out: BufferID, rowsPerLane: Int, k: Int, n: Int)
  case matmulBatched(BatchedMatmul)
  case matrix(MatrixCall)
  case conv(
    ConvolutionGeometry, x: BufferID, packed: BufferID, bias: BufferID?, out: BufferID, imagesPerLane: Int,
    activation: Elementwise?)
  case convInputGradient(
    ConvolutionGeometry, dy: BufferID, packed: BufferID, out: BufferID, imagesPerLane: Int)
  /// out (acc).
  case convFilterGradient(ConvolutionGeometry, x: BufferID, dy: BufferID, out: BufferID, imagesPerLane: Int)
  case pool(PoolGeometry, x: BufferID, out: BufferID, imagesPerLane: Int)
  /// x is needed for maximum pooling only.
  case poolGradient(PoolGeometry, x: BufferID?, dy: BufferID, out: BufferID, imagesPerLane: Int)
  /// x [images, positions, channels] -> y, rstd [images, groups].
  case groupNorm(
    x: BufferID, y: BufferID, rstd: BufferID?, imagesPerLane: Int, positions: Int, channels: Int, groups: Int,
    epsilon: Double)
  case groupNormGradient(
    y: BufferID, rstd: BufferID, dy: BufferID, out: BufferID, imagesPerLane: Int, positions: Int,
    channels: Int,
    groups: Int)
  case softmaxCrossEntropy(x: BufferID, labels: BufferID, out: BufferID, rowsPerLane: Int, classes: Int)
  case softmaxCrossEntropyGradient(
    x: BufferID, labels: BufferID, dy: BufferID, out: BufferID, rowsPerLane: Int, classes: Int)
  /// table [entries, width], indices [rows] -> out [rows, width].
  case gather(table: BufferID, indices: BufferID, out: BufferID, rowsPerLane: Int, width: Int, entries: Int)
  /// x [rows, width], indices [rows] -> out [entries, width] (acc).
  case scatterAdd(x: BufferID, indices: BufferID, out: BufferID, rowsPerLane: Int, width: Int, entries: Int)
  /// Rows of n elements in x (takeAlong: of `entries`) and of indices; see RowOperation.
  case rowwise(
    RowOperation, x: BufferID, indices: BufferID?, out: BufferID, rowsPerLane: Int, n: Int, entries: Int)
  case random(key: BufferID, out: BufferID, normal: Bool, count: Int)
  /// Between the buffers' element types.
  case convert(x: BufferID, out: BufferID, count: Int)
  /// Two to four columns of `count` elements -> out [count, columns].
  case interleave(columns: [BufferID], out: BufferID, count: Int)
  case scan(NestedScan)
  case solve(NestedSolve)
  case solveGradient(NestedSolve)
}

/// What a product is multiplied by: an operand, or an elementwise operation of it.
package enum ProductFactor: Hashable, Sendable {
  case itself
  case of(Elementwise)
}

/// How an operand is walked: offset + sum of index * stride over the axes + lane * laneStride, in elements.
package struct View: Sendable, Hashable {
  package var buffer: BufferID
  package var offset: Int
  /// 0: the same for every lane.
  package var laneStride: Int
  package var strides: [Int]

  package init(_ buffer: BufferID, offset: Int = 0, laneStride: Int, strides: [Int]) {
    self.buffer = buffer
    self.offset = offset
    self.laneStride = laneStride
    self.strides = strides
  }
}

/// Fused elementwise operations: a register machine over tiles. Registers 0 ..< operands.count are the operands, then
/// the constants, then temporaries.
package struct ElementwiseCode: Sendable, Hashable {
  package struct Step: Sendable, Hashable {
    package var operation: Elementwise
    package var destination: Int
    /// As many as the operation's arity.
    package var sources: [Int]

    package init(_ operation: Elementwise, _ destination: Int, _ sources: [Int]) {
      self.operation = operation
      self.destination = destination
      self.sources = sources
    }
  }

  package struct Output: Sendable, Hashable {
    /// Contiguous, shape [lanes,] dims.
    package var buffer: BufferID
    package var register: Int

    package init(_ buffer: BufferID, register: Int) {
      self.buffer = buffer
      self.register = register
    }
  }

  /// Extents of one lane, adjacent axes merged where all operands allow it.
  package var dims: [Int]
  package var operands: [View]
  package var constants: [Double]
  package var steps: [Step]
  package var outputs: [Output]
  package var registerCount: Int

  package init(
    dims: [Int], operands: [View], constants: [Double], steps: [Step], outputs: [Output], registerCount: Int
  ) {
    self.dims = dims
    self.operands = operands
    self.constants = constants
    self.steps = steps
    self.outputs = outputs
    self.registerCount = registerCount
  }
}

package struct StridedCopy: Sendable, Hashable {
  /// Extents of one lane.
  package var dims: [Int]
  package var source: View
  package var destination: View

  package init(dims: [Int], source: View, destination: View) {
    self.dims = dims
    self.source = source
    self.destination = destination
  }
}

/// The factors of one sum of outer products of rows.
package struct OuterTerm: Sendable, Hashable {
  package var a: BufferID, b: BufferID

  package init(a: BufferID, b: BufferID) {
    self.a = a
    self.b = b
  }
}

/// Per lane: out[i] [m, n] = op(a[i]) * op(b[i]); strides in elements, 0 repeats the same matrix.
package struct BatchedMatmul: Sendable, Hashable {
  package var a: BufferID, b: BufferID, out: BufferID
  package var batch: Int, m: Int, k: Int, n: Int
  package var transposeA: Bool, transposeB: Bool
  package var aLane: Int, aBatch: Int, bLane: Int, bBatch: Int

  package init(
    a: BufferID, b: BufferID, out: BufferID, batch: Int, m: Int, k: Int, n: Int, transposeA: Bool,
    transposeB: Bool, aLane: Int, aBatch: Int, bLane: Int, bBatch: Int
  ) {
    self.a = a
    self.b = b
    self.out = out
    self.batch = batch
    self.m = m
    self.k = k
    self.n = n
    self.transposeA = transposeA
    self.transposeB = transposeB
    self.aLane = aLane
    self.aBatch = aBatch
    self.bLane = bLane
    self.bBatch = bBatch
  }
}

/// What a packed right-hand operand is made of; see nk_pack_kind.
package enum PackLayout: Sendable, Hashable {
  /// [k, n].
  case matrix
  /// [n, k].
  case matrixTransposed
  /// Filter [kh, kw, cin, cout]: k = kh * kw * cin, n = cout.
  case convolution(ConvolutionGeometry)
  /// The same filter for the input gradient: k = kh * kw * cout, n = cin.
  case convolutionTransposed(ConvolutionGeometry)
}

/// See nk_conv.
package struct ConvolutionGeometry: Sendable, Hashable {
  package var height: Int, width: Int, inputChannels: Int
  package var kernelHeight: Int, kernelWidth: Int, stride: Int
  package var padTop: Int, padLeft: Int
  package var outputHeight: Int, outputWidth: Int, outputChannels: Int

  package init(
    height: Int, width: Int, inputChannels: Int, kernelHeight: Int, kernelWidth: Int, stride: Int,
    padTop: Int,
    padLeft: Int, outputHeight: Int, outputWidth: Int, outputChannels: Int
  ) {
    self.height = height
    self.width = width
    self.inputChannels = inputChannels
    self.kernelHeight = kernelHeight
    self.kernelWidth = kernelWidth
    self.stride = stride
    self.padTop = padTop
    self.padLeft = padLeft
    self.outputHeight = outputHeight
    self.outputWidth = outputWidth
    self.outputChannels = outputChannels
  }
}

/// See nk_pool2d.
package struct PoolGeometry: Sendable, Hashable {
  package var height: Int, width: Int, channels: Int
  package var kernelHeight: Int, kernelWidth: Int, stride: Int
  package var outputHeight: Int, outputWidth: Int
  package var isMaximum: Bool

  package init(
    height: Int, width: Int, channels: Int, kernelHeight: Int, kernelWidth: Int, stride: Int,
    outputHeight: Int,
    outputWidth: Int, isMaximum: Bool
  ) {
    self.height = height
    self.width = width
    self.channels = channels
    self.kernelHeight = kernelHeight
    self.kernelWidth = kernelWidth
    self.stride = stride
    self.outputHeight = outputHeight
    self.outputWidth = outputWidth
    self.isMaximum = isMaximum
  }
}
