/// What one instruction does with one buffer.
package struct BufferUse: Sendable, Hashable {
  package enum Access: Sendable, Hashable {
    case read
    case write
    /// Writes, or adds where the buffer is an accumulator.
    case accumulate
  }

  /// The operand's name in messages.
  package var name: String
  package var buffer: BufferID
  package var access: Access
  /// Bytes touched from the buffer's start: of one lane where `isPerLane`, else in all.
  package var bytes: Int
  /// One row (or more) for every lane of the region.
  package var isPerLane: Bool
  /// The element type it is read as; nil: any.
  package var dtype: DType?
}

extension Instruction {
  /// Everything that it reads and writes. Views are checked by `validate`, which sees their strides.
  package var uses: [BufferUse] {
    var uses: [BufferUse] = []
    let size = dtype.byteCount
    func add(
      _ name: String, _ buffer: BufferID?, _ access: BufferUse.Access, bytes: Int, perLane: Bool,
      _ dtype: DType?
    ) {
      guard let buffer else { return }
      uses.append(
        BufferUse(name: name, buffer: buffer, access: access, bytes: bytes, isPerLane: perLane, dtype: dtype))
    }
    func rows(_ name: String, _ buffer: BufferID?, _ access: BufferUse.Access, _ elements: Int) {
      add(name, buffer, access, bytes: elements * size, perLane: true, dtype)
    }
    func whole(_ name: String, _ buffer: BufferID?, _ access: BufferUse.Access, _ elements: Int) {
      add(name, buffer, access, bytes: elements * size, perLane: false, dtype)
    }
    func integers(_ name: String, _ buffer: BufferID, _ elements: Int) {
      add(name, buffer, .read, bytes: elements * DType.int32.byteCount, perLane: true, .int32)
    }
    func packed(_ buffer: BufferID, _ access: BufferUse.Access, k: Int, n: Int) {
      let bytes = KernelSizes.packedBytes(dtype, k: k, n: n)
      add("packed operand", buffer, access, bytes: bytes, perLane: false, dtype)
    }

    switch kernel {
    case .elementwise(let code):
      let count = code.dims.reduce(1, *)
      for operand in code.operands { add("operand", operand.buffer, .read, bytes: 0, perLane: false, dtype) }
      for output in code.outputs { rows("output", output.buffer, .write, count) }
    case .copy(let copy):
      add("source", copy.source.buffer, .read, bytes: 0, perLane: false, dtype)
      add("destination", copy.destination.buffer, .write, bytes: 0, perLane: false, dtype)
    case .fill(let out, _, let count):
      rows("output", out, .write, count)
    case .reduce(_, let x, let out, let outer, let count, let inner, _):
      rows("x", x, .read, outer * count * inner)
      rows("output", out, .write, outer * inner)
    case .reduceLanes(let x, let out, let outer, let count, let inner, _):
      rows("x", x, .read, outer * count * inner)
      whole("output", out, .accumulate, inner)
    case .pack(let layout, let x, let out, let k, let n):
      whole("x", x, .read, layout.geometry.map(\.filterCount) ?? k * n)
      packed(out, .write, k: k, n: n)
    case .matmul(let a, let operand, let bias, let times, let out, let perLane, let k, let n, _, _):
      rows("a", a, .read, perLane * k)
      packed(operand, .read, k: k, n: n)
      whole("bias", bias, .read, n)
      rows("times", times, .read, perLane * n)
      rows("output", out, .write, perLane * n)
    case .matmulOuter(let terms, let out, let perLane, let k, let n):
      for term in terms {
        rows("a", term.a, .read, perLane * k)
        rows("b", term.b, .read, perLane * n)
      }
      whole("output", out, .accumulate, k * n)
    case .matmulBatched(let m):
      let a = (m.batch - 1) * m.aBatch + m.m * m.k
      let b = (m.batch - 1) * m.bBatch + m.k * m.n
      m.aLane != 0 ? rows("a", m.a, .read, a) : whole("a", m.a, .read, a)
      m.bLane != 0 ? rows("b", m.b, .read, b) : whole("b", m.b, .read, b)
      rows("output", m.out, .write, m.batch * m.m * m.n)
    case .matrix(let call):
      let pieces = call.pieces
      for (piece, access) in pieces.inputs.map({ ($0, BufferUse.Access.read) })
        + pieces.outputs.map({ ($0, BufferUse.Access.write) })
      {
        let type = piece.isPivots ? DType.int32 : dtype
        let elements = piece.elements * (piece.isShared ? 1 : call.matricesPerLane)
        add(
          piece.name, piece.buffer, access, bytes: elements * type.byteCount, perLane: !piece.isShared, type)
      }
    case .conv(let g, let x, let operand, let bias, let out, let images, _):
      rows("x", x, .read, images * g.inputCount)
      packed(operand, .read, k: g.kernelHeight * g.kernelWidth * g.inputChannels, n: g.outputChannels)
      whole("bias", bias, .read, g.outputChannels)
      rows("output", out, .write, images * g.outputCount)
    case .convInputGradient(let g, let dy, let operand, let out, let images):
      rows("dy", dy, .read, images * g.outputCount)
      packed(operand, .read, k: g.kernelHeight * g.kernelWidth * g.outputChannels, n: g.inputChannels)
      rows("output", out, .write, images * g.inputCount)
    case .convFilterGradient(let g, let x, let dy, let out, let images):
      rows("x", x, .read, images * g.inputCount)
      rows("dy", dy, .read, images * g.outputCount)
      whole("output", out, .accumulate, g.filterCount)
    case .pool(let g, let x, let out, let images):
      rows("x", x, .read, images * g.inputCount)
      rows("output", out, .write, images * g.outputCount)
    case .poolGradient(let g, let x, let dy, let out, let images):
      rows("x", x, .read, images * g.inputCount)
      rows("dy", dy, .read, images * g.outputCount)
      rows("output", out, .write, images * g.inputCount)
    case .groupNorm(let x, let y, let rstd, let images, let positions, let channels, let groups, _):
      rows("x", x, .read, images * positions * channels)
      rows("y", y, .write, images * positions * channels)
      rows("rstd", rstd, .write, images * groups)
    case .groupNormGradient(
      let y, let rstd, let dy, let out, let images, let positions, let channels, let groups):
      rows("y", y, .read, images * positions * channels)
      rows("rstd", rstd, .read, images * groups)
      rows("dy", dy, .read, images * positions * channels)
      rows("output", out, .write, images * positions * channels)
    case .softmaxCrossEntropy(let x, let labels, let out, let perLane, let classes):
      rows("x", x, .read, perLane * classes)
      integers("labels", labels, perLane)
      rows("output", out, .write, perLane)
    case .softmaxCrossEntropyGradient(let x, let labels, let dy, let out, let perLane, let classes):
      rows("x", x, .read, perLane * classes)
      integers("labels", labels, perLane)
      rows("dy", dy, .read, perLane)
      rows("output", out, .write, perLane * classes)
    case .gather(let table, let indices, let out, let perLane, let width, let entries):
      whole("table", table, .read, entries * width)
      integers("indices", indices, perLane)
      rows("output", out, .write, perLane * width)
    case .scatterAdd(let x, let indices, let out, let perLane, let width, let entries):
      rows("x", x, .read, perLane * width)
      integers("indices", indices, perLane)
      whole("output", out, .accumulate, entries * width)
    case .rowwise(let operation, let x, let indices, let out, let perLane, let n, let entries):
      rows("x", x, .read, perLane * (operation == .takeAlong ? entries : n))
      if let indices { integers("indices", indices, perLane * n) }
      switch operation {
      case .argsort:
        add("output", out, .write, bytes: perLane * n * 4, perLane: true, .int32)
      case .cumulativeSum, .takeAlong: rows("output", out, .write, perLane * n)
      case .addAlong: rows("output", out, .write, perLane * entries)
      }
    case .random(let key, let out, _, let count):
      add("key", key, .read, bytes: 8, perLane: false, .int32)
      rows("output", out, .write, count)
    case .convert(let x, let out, let count):
      // The element types are the buffers' own; `validate` compares them with the counts.
      add("x", x, .read, bytes: count * 4, perLane: true, nil)
      add("output", out, .write, bytes: count * 4, perLane: true, nil)
    case .interleave(let columns, let out, let count):
      for column in columns { rows("column", column, .read, count) }
      rows("output", out, .write, columns.count * count)
    case .scan(let scan):
      uses = scan.uses
    case .solve(let solve), .solveGradient(let solve):
      uses = solve.uses
    }
    return uses
  }
}

extension NestedSolve {
  fileprivate var uses: [BufferUse] {
    var uses: [BufferUse] = []
    func add(_ name: String, _ buffer: BufferID?, _ access: BufferUse.Access, _ elements: Int, _ type: DType)
    {
      guard let buffer else { return }
      uses.append(
        BufferUse(
          name: name, buffer: buffer, access: access, bytes: elements * type.byteCount, isPerLane: false,
          dtype: type))
    }
    func statistics(_ name: String, _ buffer: BufferID?) {
      add(name, buffer, .write, statisticsElements, .float64)
    }
    let isGradient = cotangents != nil
    add("y0", y0, .read, lanes * dim, dtype)
    add("times", times, .read, timeElements, .float64)
    add("states", states, isGradient ? .read : .write, timeCount * lanes * dim, dtype)
    if let tape {
      uses.append(
        BufferUse(
          name: "tape", buffer: tape, access: isGradient ? .read : .write, bytes: tapeBytes(),
          isPerLane: false,
          dtype: nil))
    }
    for capture in captures {
      let count = capture.elements * (capture.hasLanes ? lanes : 1)
      add("capture", capture.buffer, .read, count, capture.dtype)
      add("capture's cotangent", capture.cotangent, .write, count, capture.dtype)
    }
    guard let cotangents else {
      statistics("statistics", self.statistics)
      return uses
    }
    add("states' cotangent", cotangents.states, .read, timeCount * lanes * dim, dtype)
    add("y0's cotangent", cotangents.y0, .write, lanes * dim, dtype)
    add("times' cotangent", cotangents.times, .write, timeElements, .float64)
    statistics("gradient's statistics", cotangents.statistics)
    return uses
  }
}

extension ConvolutionGeometry {
  var inputCount: Int { height * width * inputChannels }
  var outputCount: Int { outputHeight * outputWidth * outputChannels }
  var filterCount: Int { kernelHeight * kernelWidth * inputChannels * outputChannels }
}

extension PoolGeometry {
  var inputCount: Int { height * width * channels }
  var outputCount: Int { outputHeight * outputWidth * channels }
}

extension ProgramDescription {
  /// Whether every accumulator that is stored when the region ends has one writer, which writes all of it. Then a group's
  /// first block may overwrite what is there.
  func overwritesAccumulators(of region: Region) -> Bool {
    guard region.accumulators.contains(where: { $0.destination != nil }) else { return false }
    var bytes: [Int: Int] = [:]
    for instruction in region.instructions {
      for use in instructions[instruction].uses where buffers[use.buffer.index].space == .accumulator {
        let isFirst = bytes.updateValue(use.bytes, forKey: buffers[use.buffer.index].offset) == nil
        if !isFirst { return false }
      }
    }
    return region.accumulators.allSatisfy {
      $0.destination != nil && bytes[$0.offset] == $0.count * $0.dtype.byteCount
    }
  }
}
