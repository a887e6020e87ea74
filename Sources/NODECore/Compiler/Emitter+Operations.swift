// The kernels of single instructions. Extents are those of one lane: everything that counts rows is divided by `lanes`.

extension Emitter {
  mutating func emitSingle(_ instruction: IRInstruction) {
    let x = instruction.operands, out = instruction.results[0]
    let type = ir[out].type, dtype = type.dtype
    func shape(_ index: Int) -> Shape { ir[x[index]].shape }
    if type.shape.count == 0 {
      switch instruction.opcode {
      case .solve, .scan: break
      default: return
      }
    }
    switch instruction.opcode {
    case .elementwise:
      preconditionFailure("elementwise instructions are emitted as fused code")
    case .convert:
      append(.convert(x: rows(x[0]), out: target(out), count: type.shape.count / lanes), dtype)
    case .copy:
      let target = contiguousView(out)
      append(.copy(copy(dims(type.shape), view(x[0]), target)), dtype)
    case .fill(let bits):
      append(
        .fill(out: target(out), value: Double(bitPattern: bits), count: type.shape.count / lanes), dtype)
    case .pad(let low, let interior):
      append(.fill(out: target(out), value: 0, count: type.shape.count / lanes), dtype)
      guard shape(0).count > 0 else { return }
      var target = contiguousView(out)
      target.offset += zip(low, target.strides).map(*).reduce(0, +)
      target.strides = zip(interior, target.strides).map { ($0 + 1) * $1 }
      append(.copy(copy(dims(shape(0)), view(x[0]), target)), dtype)
    case .assemble(let lows, let covers):
      // Gradients of the columns of a small system, in whatever order they came to be.
      let order = x.indices.sorted { lows[$0].last ?? 0 < lows[$1].last ?? 0 }
      if covers, x.count == type.shape.dimensions.last, order.map({ lows[$0].last }) == Array(0..<x.count),
        let columns = columns(order.map { x[$0] }, type.shape.rank - 1)
      {
        let count = type.shape.count / x.count / lanes
        return append(.interleave(columns: columns, out: target(out), count: count), dtype)
      }
      if !covers { append(.fill(out: target(out), value: 0, count: type.shape.count / lanes), dtype) }
      for (operand, low) in zip(x, lows) where ir[operand].count > 0 {
        var target = contiguousView(out)
        target.offset += zip(low, target.strides).map(*).reduce(0, +)
        append(.copy(copy(dims(ir[operand].shape), view(operand), target)), dtype)
      }
    case .concatenate(let axis):
      if let columns = columns(x, axis) {
        let count = type.shape.count / x.count / lanes
        return append(.interleave(columns: columns, out: target(out), count: count), dtype)
      }
      var start = 0
      for operand in x {
        var target = contiguousView(out)
        target.offset += start * target.strides[axis]
        start += ir[operand].shape[axis]
        if ir[operand].count > 0 {
          append(.copy(copy(dims(ir[operand].shape), view(operand), target)), dtype)
        }
      }
    case .reduce(let reduction, let axes):
      emitReduction(reduction, axes, x[0], out)
    case .gather:
      let width = shape(0).dimensions.dropFirst().reduce(1, *)
      append(
        .gather(
          table: whole(x[0]), indices: rows(x[1]), out: target(out), rowsPerLane: shape(1).count / lanes,
          width: width, entries: shape(0)[0]), dtype)
    case .scatterAdd:
      let width = type.shape.dimensions.dropFirst().reduce(1, *)
      append(
        .scatterAdd(
          x: rows(x[0]), indices: rows(x[1]), out: target(out), rowsPerLane: shape(1).count / lanes,
          width: width, entries: type.shape[0]), dtype)
    case .rowwise(let operation):
      let x0 = shape(0), extent = x0[x0.rank - 1]
      // Rows have the extent of the indices where there are some.
      let n = x.count > 1 ? shape(1)[x0.rank - 1] : extent
      append(
        .rowwise(
          operation, x: rows(x[0]), indices: x.count > 1 ? rows(x[1]) : nil, out: target(out),
          rowsPerLane: x0.dimensions.dropLast().reduce(1, *) / lanes, n: n,
          entries: operation == .takeAlong ? extent : type.shape[x0.rank - 1]), ir[x[0]].type.dtype)
    case .pack(let layout, let k, let n):
      append(.pack(layout, x: whole(x[0]), out: whole(out), k: k, n: n), dtype)
    case .matmul(let k, let n, let end):
      append(
        .matmul(
          a: rows(x[0]), packed: whole(x[1]), bias: end.hasBias ? whole(x[2]) : nil,
          times: end.factor == nil ? nil : rows(x.last!), out: target(out),
          rowsPerLane: type.shape.count / n / lanes, k: k, n: n, activation: end.activation,
          factor: end.factor),
        dtype)
    case .matmulOuter:
      append(
        .matmulOuter(
          stride(from: 0, to: x.count, by: 2).map { OuterTerm(a: rows(x[$0]), b: rows(x[$0 + 1])) },
          out: target(out), rowsPerLane: shape(0)[0] / lanes, k: type.shape[0], n: type.shape[1]), dtype)
    case .matmulBatched(let transposeA, let transposeB):
      append(.matmulBatched(batched(x, out, transposeA, transposeB)), dtype)
    case .matrix(let operation):
      var call = ir.matrixCall(instruction, operation)
      call.matricesPerLane /= lanes
      call.inputs = x.enumerated().map { instruction.sharesBatch($0, ir) ? whole($1) : rows($1) }
      call.outputs = instruction.results.map { rows($0) }
      append(.matrix(call), ir[x[0]].type.dtype)
    case .conv(let geometry, let hasBias, let activation):
      append(
        .conv(
          geometry, x: rows(x[0]), packed: whole(x[1]), bias: hasBias ? whole(x[2]) : nil, out: target(out),
          imagesPerLane: shape(0)[0] / lanes, activation: activation), dtype)
    case .convInputGradient(let geometry):
      append(
        .convInputGradient(
          geometry, dy: rows(x[0]), packed: whole(x[1]), out: target(out), imagesPerLane: shape(0)[0] / lanes),
        dtype)
    case .convFilterGradient(let geometry):
      append(
        .convFilterGradient(
          geometry, x: rows(x[0]), dy: rows(x[1]), out: target(out), imagesPerLane: shape(0)[0] / lanes),
        dtype)
    case .fused(let operation):
      emitFused(operation, instruction)
    case .random(let distribution):
      append(
        .random(
          key: whole(x[0]), out: target(out), normal: distribution == .normal, count: type.shape.count / lanes
        ),
        dtype)
    case .scan(let index):
      emitScan(ir.loweredScans[index]!, instruction)
    case .solve(let index):
      emitSolve(ir.loweredSolves[index]!, instruction)
    case .accumulate, .laneToWhole:
      let count = type.shape.count
      let source = instruction.opcode == .laneToWhole ? rows(x[0]) : whole(x[0])
      append(.reduceLanes(x: source, out: target(out), outer: 1, count: 1, inner: count, scale: 1), dtype)
    case .wholeToLane:
      let count = type.shape.count
      append(
        .copy(
          StridedCopy(
            dims: [count], source: View(whole(x[0]), laneStride: 0, strides: [1]),
            destination: View(rows(out), laneStride: count, strides: [1]))), dtype)
    }
  }

  /// The parts of a concatenation of two to four single columns that are arrays of their own: the components of a
  /// small system.
  private mutating func columns(_ parts: [ValueID], _ axis: Int) -> [BufferID]? {
    guard (2...4).contains(parts.count), axis == ir[parts[0]].shape.rank - 1, axis > 0 else { return nil }
    for part in parts {
      guard ir[part].shape[axis] == 1, ir[part].count > 0, ir.isContiguous(part),
        let view = ir.view(part), ir[view.base].count == ir[part].count
      else { return nil }
    }
    return parts.map { rows($0) }
  }

  /// The storage of a result as a view of its own shape.
  private mutating func contiguousView(_ id: ValueID) -> View {
    let shape = ir[id].shape
    let onRows = execution == .lanes
    return View(rows(id), laneStride: onRows ? shape.count / lanes : 0, strides: shape.strides)
  }

  private func copy(_ dims: [Int], _ source: View, _ destination: View) -> StridedCopy {
    var (source, destination) = (source, destination)
    let merged = MergedAxes(dims, [source.strides, destination.strides])
    source.strides = merged.strides[0]
    destination.strides = merged.strides[1]
    return StridedCopy(dims: merged.dims, source: source, destination: destination)
  }

  private mutating func emitReduction(
    _ reduction: Reduction, _ axes: Range<Int>, _ x: ValueID, _ out: ValueID
  ) {
    let dimensions = ir[x].shape.dimensions, dtype = ir[x].type.dtype
    let outer = dimensions[..<axes.lowerBound].reduce(1, *), count = dimensions[axes].reduce(1, *)
    let inner = dimensions[axes.upperBound...].reduce(1, *)
    if execution == .accumulate || plan.placements[out]?.space == .accumulator {
      append(
        .reduceLanes(
          x: rows(x), out: target(out), outer: outer, count: count / lanes, inner: inner, scale: 1),
        dtype)
    } else {
      append(
        .reduce(
          reduction, x: rows(x), out: target(out), outer: outer / lanes, count: count, inner: inner, scale: 1),
        dtype)
    }
  }

  private mutating func batched(_ x: [ValueID], _ out: ValueID, _ transposeA: Bool, _ transposeB: Bool)
    -> BatchedMatmul
  {
    let a = ir[x[0]].shape, b = ir[x[1]].shape, c = ir[out].shape
    let m = c[c.rank - 2], n = c[c.rank - 1], k = a[a.rank - (transposeA ? 2 : 1)]
    let batch = c.dimensions.dropLast(2).reduce(1, *) / lanes
    let onRows = execution == .lanes
    // A plain matrix is the same for every member of the batch.
    let aIsShared = a.rank == 2 && c.rank > 2, bIsShared = b.rank == 2 && c.rank > 2
    return BatchedMatmul(
      a: aIsShared ? whole(x[0]) : rows(x[0]), b: bIsShared ? whole(x[1]) : rows(x[1]), out: target(out),
      batch: batch, m: m, k: k, n: n, transposeA: transposeA, transposeB: transposeB,
      aLane: aIsShared || !onRows ? 0 : batch * m * k, aBatch: aIsShared ? 0 : m * k,
      bLane: bIsShared || !onRows ? 0 : batch * k * n, bBatch: bIsShared ? 0 : k * n)
  }

  private mutating func emitFused(_ operation: FusedOperation, _ instruction: IRInstruction) {
    let x = instruction.operands, out = instruction.results[0]
    let shape = ir[x[0]].shape, dtype = ir[x[0]].type.dtype
    let channels = shape[shape.rank - 1]
    switch operation {
    case .groupNorm(let groups, let epsilon):
      append(
        .groupNorm(
          x: rows(x[0]), y: target(out), rstd: rows(instruction.results[1]), imagesPerLane: shape[0] / lanes,
          positions: shape.count / shape[0] / channels, channels: channels, groups: groups, epsilon: epsilon),
        dtype)
    case .groupNormGradient(let groups):
      append(
        .groupNormGradient(
          y: rows(x[0]), rstd: rows(x[1]), dy: rows(x[2]), out: target(out), imagesPerLane: shape[0] / lanes,
          positions: shape.count / shape[0] / channels, channels: channels, groups: groups), dtype)
    case .softmaxCrossEntropy:
      append(
        .softmaxCrossEntropy(
          x: rows(x[0]), labels: rows(x[1]), out: target(out), rowsPerLane: ir[x[1]].count / lanes,
          classes: channels), dtype)
    case .softmaxCrossEntropyGradient:
      append(
        .softmaxCrossEntropyGradient(
          x: rows(x[0]), labels: rows(x[1]), dy: rows(x[2]), out: target(out),
          rowsPerLane: ir[x[1]].count / lanes, classes: channels), dtype)
    case .pool2d(let maximum, let size, let stride):
      let geometry = PoolGeometry(image: shape, size: size, stride: stride, maximum: maximum)
      append(.pool(geometry, x: rows(x[0]), out: target(out), imagesPerLane: shape[0] / lanes), dtype)
    case .pool2dGradient(let maximum, let size, let stride):
      let geometry = PoolGeometry(image: shape, size: size, stride: stride, maximum: maximum)
      append(
        .poolGradient(
          geometry, x: maximum ? rows(x[0]) : nil, dy: rows(x[1]), out: target(out),
          imagesPerLane: shape[0] / lanes), dtype)
    }
  }
}

extension PoolGeometry {
  /// Of images [n, h, w, c], without a border.
  init(image: Shape, size: Int, stride: Int, maximum: Bool) {
    self.init(
      height: image[1], width: image[2], channels: image[3], kernelHeight: size, kernelWidth: size,
      stride: stride,
      outputHeight: (image[1] - size) / stride + 1, outputWidth: (image[2] - size) / stride + 1,
      isMaximum: maximum)
  }
}
