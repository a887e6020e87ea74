// From the graph to the compiler's form: structure becomes views, transposes become flags, equal computations become one.

/// Reads the graph of some outputs into an `IR`.
struct Collector {
  var ir = IR()
  private var known: [Value: ValueID] = [:]
  /// Results of solves and of loops that there are already.
  private var solves: [SolveKey: [ValueID]] = [:]

  private struct SolveKey: Hashable {
    var identity: AnyHashable
    var operands: [ValueID]
  }

  /// The `IR` of `outputs` with `inputs` as arguments, and the outputs' identifiers.
  ///
  /// `onlyLane`: inputs that are the only lane of a solver, read as a whole.
  static func collect(inputs: [Value], outputs: [Value], onlyLane: Set<Int> = []) throws -> (
    ir: IR, inputs: [ValueID], outputs: [ValueID]
  ) {
    var collector = Collector()
    let inputIDs = inputs.enumerated().map { collector.ir.addValue($1.type, .input($0)) }
    for (index, input) in inputs.enumerated() {
      var id = inputIDs[index]
      if onlyLane.contains(index) {
        id = collector.ir.emit(.laneToWhole, [id], [input.type], name: "state")[0]
      }
      collector.known[input] = id
    }
    for node in collector.order(of: outputs) { try collector.add(node) }
    return (collector.ir, inputIDs, outputs.map { collector.known[$0]! })
  }

  /// Operands before users; what is known already, or was evaluated before, is not gone into.
  private mutating func order(of outputs: [Value]) -> [Node] {
    var seen: Set<UInt64> = [], nodes: [Node] = []
    var pending = outputs
    while let value = pending.popLast() {
      if known[value] != nil { continue }
      if let storage = value.node.evaluated(value.index) {
        known[value] = ir.addValue(value.type, .constant(storage))
        continue
      }
      guard seen.insert(value.node.id).inserted else { continue }
      nodes.append(value.node)
      pending.append(contentsOf: value.node.operands)
    }
    return nodes.sorted { $0.id < $1.id }
  }

  private mutating func add(_ node: Node) throws {
    let operands = node.operands.map { known[$0]! }
    let results = try lower(node, operands)
    for (index, id) in results.enumerated() where known[Value(node, index)] == nil {
      known[Value(node, index)] = id
    }
  }

  private mutating func lower(_ node: Node, _ x: [ValueID]) throws -> [ValueID] {
    let type = node.types[0], name = node.operation.name
    switch node.operation {
    case .input(let input):
      throw CompileError(
        "the program reads the symbol \(input) \(type), which is not one of its inputs: "
          + "it belongs to another trace")
    case .constant(let storage):
      return [ir.addValue(type, .constant(storage))]
    case .splat(let number):
      return [ir.splat(number, type)]
    case .elementwise(let operation):
      if operation == .step, let rectified = ir.find(.elementwise(.relu), x, type) {
        // The same mask, from what the gradient needs anyway.
        return ir.emit(.elementwise(.step), [rectified], [type], name: name)
      }
      return ir.emit(.elementwise(operation), x, [type], name: name)
    case .convert:
      return ir.emit(.convert, [ir.contiguous(x[0], name: name)], [type], name: name)
    case .stopGradient, .identity:
      return x
    case .broadcast(let target, let axes):
      return [
        restrided(x[0], target) { view, shape in
          var strides = Array(repeating: 0, count: target.rank)
          for (axis, place) in axes.enumerated() where shape[axis] == target[place] {
            strides[place] = view.strides[axis]
          }
          return StridedView(base: view.base, offset: view.offset, strides: strides)
        }
      ]
    case .reshape(let target):
      return [reshape(x[0], target, name)]
    case .permute(let order):
      return [
        restrided(x[0], type.shape) { view, _ in
          StridedView(base: view.base, offset: view.offset, strides: order.map { view.strides[$0] })
        }
      ]
    case .slice(let start, _, let step):
      return [
        restrided(x[0], type.shape) { view, _ in
          StridedView(
            base: view.base, offset: view.offset + zip(start, view.strides).map(*).reduce(0, +),
            strides: zip(step, view.strides).map(*))
        }
      ]
    case .reverse(let axes):
      return [
        restrided(x[0], type.shape) { view, shape in
          var view = view
          for axis in axes where shape.count > 0 {
            view.offset += (shape[axis] - 1) * view.strides[axis]
            view.strides[axis] = -view.strides[axis]
          }
          return view
        }
      ]
    case .pad(let low, _, let interior):
      return ir.emit(.pad(low: low, interior: interior), [stored(x[0])], [type], name: name)
    case .concatenate(let axis):
      return ir.emit(.concatenate(axis: axis), x.map { stored($0) }, [type], name: name)
    case .reduce(let reduction, let axes):
      return [reduce(reduction, x[0], axes, name)]
    case .gather:
      return ir.emit(.gather, packedRows(x, name), [type], name: name)
    case .scatterAdd:
      return ir.emit(.scatterAdd, packedRows(x, name), [type], name: name)
    case .rowwise(let operation):
      return ir.emit(.rowwise(operation), packedRows(x, name), [type], name: name)
    case .matmul(let transposeA, let transposeB):
      return [matmul(x[0], x[1], transposeA, transposeB, type)]
    case .matrix(let operation):
      let operands = packedRows(Array(x.suffix(operation.kernelOperands)), name)
      return ir.emit(.matrix(operation), operands, node.types, name: name)
    case .conv2d(let convolution):
      let geometry = ConvolutionGeometry(convolution)
      let filter = pack(
        x[1], .convolution(geometry), geometry.taps * geometry.inputChannels, geometry.outputChannels)
      return ir.emit(
        .conv(geometry, bias: false, activation: nil), [ir.contiguous(x[0], name: name), filter], [type],
        name: name)
    case .conv2dInputGradient(let convolution):
      let geometry = ConvolutionGeometry(convolution)
      let filter = pack(
        x[1], .convolutionTransposed(geometry), geometry.taps * geometry.outputChannels,
        geometry.inputChannels)
      return ir.emit(
        .convInputGradient(geometry), [ir.contiguous(x[0], name: name), filter], [type], name: name)
    case .conv2dFilterGradient(let convolution):
      return ir.emit(
        .convFilterGradient(ConvolutionGeometry(convolution)), packedRows(x, name), [type], name: name)
    case .fused(let operation):
      return ir.emit(.fused(operation), packedRows(x, name), node.types, name: name)
    case .random(let distribution, _, _):
      return ir.emit(.random(distribution), packedRows(x, name), [type], name: name)
    case .structured(let operation):
      if operation is CustomDerivative { return Array(x[..<node.types.count]) }
      if let loop = operation as? any ScanLowerable { return try add(loop, x, node.types) }
      guard let solve = operation as? any SolveLowerable else {
        preconditionFailure("\(operation.name): the compiler has no lowering for this operation")
      }
      let operands = packedRows(x, name)
      let key = solve.identity.map { SolveKey(identity: $0, operands: operands) }
      if let key, let results = solves[key] { return results }
      ir.solves.append(solve.solve)
      let results = ir.emit(
        .solve(ir.solves.count - 1), operands, node.types, name: name, fresh: true)
      if let key { solves[key] = results }
      return results
    }
  }

  private mutating func add(_ loop: any ScanLowerable, _ x: [ValueID], _ types: [TensorType]) throws
    -> [ValueID]
  {
    let operands = packedRows(x, loop.name)
    let key = loop.identity.map { SolveKey(identity: $0, operands: operands) }
    if let key, let results = solves[key] { return results }
    let (body, all) = try scanBody(loop.scan, operands)
    ir.scans.append((loop.scan, body))
    let results = ir.emit(.scan(ir.scans.count - 1), all, types, name: loop.name, fresh: true)
    if let key { solves[key] = results }
    return results
  }

  // MARK: Structure

  private func shape(_ id: ValueID) -> Shape { ir[id].shape }

  private mutating func restrided(
    _ id: ValueID, _ shape: Shape, _ transform: (StridedView, Shape) -> StridedView
  ) -> ValueID {
    if case .splat(let x) = ir[id].definition { return ir.splat(x, TensorType(ir[id].type.dtype, shape)) }
    return ir.value(of: transform(ir.view(id)!, ir[id].shape), shape: shape)
  }

  private mutating func reshape(_ id: ValueID, _ target: Shape, _ name: String) -> ValueID {
    if case .splat(let x) = ir[id].definition { return ir.splat(x, TensorType(ir[id].type.dtype, target)) }
    let view = ir.view(id)!
    if let strides = reshaped(view.strides, from: ir[id].shape, to: target) {
      return ir.value(of: StridedView(base: view.base, offset: view.offset, strides: strides), shape: target)
    }
    return reshape(ir.contiguous(id, name: name), target, name)
  }

  private func reshaped(_ strides: [Int], from shape: Shape, to target: Shape) -> [Int]? {
    if shape.count == 0 { return target.strides }
    // Runs of source axes that walk memory evenly; each has to be cut into whole target axes.
    var runs: [(extent: Int, stride: Int)] = []
    for axis in 0..<shape.rank where shape[axis] != 1 {
      if let last = runs.last, last.stride == strides[axis] * shape[axis] {
        runs[runs.count - 1] = (last.extent * shape[axis], strides[axis])
      } else {
        runs.append((shape[axis], strides[axis]))
      }
    }
    var result = Array(repeating: 0, count: target.rank)
    var run = runs.count - 1, taken = 1
    for axis in (0..<target.rank).reversed() where target[axis] != 1 {
      if run >= 0 && taken == runs[run].extent { (run, taken) = (run - 1, 1) }
      guard run >= 0, runs[run].extent % (taken * target[axis]) == 0 else { return nil }
      result[axis] = runs[run].stride * taken
      taken *= target[axis]
    }
    return result
  }

  /// A splat gets storage; everything else may stay a view.
  private mutating func stored(_ id: ValueID) -> ValueID {
    if case .splat = ir[id].definition { return ir.contiguous(id, name: "fill") }
    return id
  }

  private mutating func packedRows(_ operands: [ValueID], _ name: String) -> [ValueID] {
    operands.map { ir.contiguous($0, name: name) }
  }

  /// One reduction for each run of adjacent axes, innermost first.
  private mutating func reduce(_ reduction: Reduction, _ id: ValueID, _ axes: [Int], _ name: String)
    -> ValueID
  {
    var id = ir.contiguous(id, name: name)
    var axes = axes.sorted()
    while let last = axes.popLast() {
      var first = last
      while axes.last == first - 1 { first = axes.removeLast() }
      var dimensions = shape(id).dimensions
      dimensions.removeSubrange(first...last)
      let type = TensorType(ir[id].type.dtype, Shape(dimensions))
      id = ir.emit(.reduce(reduction, axes: first..<last + 1), [id], [type], name: name)[0]
    }
    return id
  }

  // MARK: Products

  /// The operand with its last two axes exchanged where that makes it contiguous.
  private mutating func untransposed(_ id: ValueID) -> ValueID? {
    guard let view = ir.view(id), !ir.isContiguous(id) else { return nil }
    var strides = view.strides, dimensions = shape(id).dimensions
    let rank = strides.count
    strides.swapAt(rank - 1, rank - 2)
    dimensions.swapAt(rank - 1, rank - 2)
    guard ir.isContiguous(strides, Shape(dimensions)) else { return nil }
    return ir.value(
      of: StridedView(base: view.base, offset: view.offset, strides: strides), shape: Shape(dimensions))
  }

  private mutating func pack(_ id: ValueID, _ layout: PackLayout, _ k: Int, _ n: Int) -> ValueID {
    let dtype = ir[id].type.dtype
    let elements = KernelSizes.packedBytes(dtype, k: k, n: n) / dtype.byteCount
    let source = ir.contiguous(id, name: "pack")
    return ir.emit(.pack(layout, k: k, n: n), [source], [TensorType(dtype, [elements])], name: "pack")[0]
  }

  private mutating func matmul(
    _ a: ValueID, _ b: ValueID, _ transposeA: Bool, _ transposeB: Bool, _ type: TensorType
  ) -> ValueID {
    var (a, b, transposeA, transposeB) = (a, b, transposeA, transposeB)
    if let source = untransposed(a) { (a, transposeA) = (source, !transposeA) }
    if let source = untransposed(b) { (b, transposeB) = (source, !transposeB) }
    a = ir.contiguous(a, name: "matmul")
    b = ir.contiguous(b, name: "matmul")
    let ranks = (shape(a).rank, shape(b).rank)
    if ranks.1 == 2 && !transposeA {
      let k = shape(a)[ranks.0 - 1], n = shape(b)[transposeB ? 0 : 1]
      let packed = pack(b, transposeB ? .matrixTransposed : .matrix, k, n)
      return ir.emit(.matmul(k: k, n: n, Epilogue()), [a, packed], [type], name: "matmul")[0]
    }
    if ranks == (2, 2) && !transposeB {
      return ir.emit(.matmulOuter, [a, b], [type], name: "matmul")[0]
    }
    return ir.emit(
      .matmulBatched(transposeA: transposeA, transposeB: transposeB), [a, b], [type], name: "matmul")[0]
  }
}

extension ConvolutionGeometry {
  init(_ convolution: Convolution) {
    self.init(
      height: convolution.height, width: convolution.width, inputChannels: convolution.inputChannels,
      kernelHeight: convolution.kernelHeight, kernelWidth: convolution.kernelWidth,
      stride: convolution.stride,
      padTop: convolution.padTop, padLeft: convolution.padLeft, outputHeight: convolution.outputHeight,
      outputWidth: convolution.outputWidth, outputChannels: convolution.outputChannels)
  }

  var taps: Int { kernelHeight * kernelWidth }
}
