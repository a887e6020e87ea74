// Shape and element-type rules of the primitives. A violation is a programmer's error: a precondition whose message names
// the operation, what is wrong and every operand's type.

extension Operation {
  /// Types of the results for operands of these types. Traps when the operation does not apply to them.
  package func resultTypes(_ operands: [TensorType]) -> [TensorType] {
    let check = OperandCheck(name: name, operands: operands)
    switch self {
    case .input, .constant, .splat:
      fatalError("\(name): leaves have no operands; make them with Graph.input, .constant or .splat")
    case .elementwise(let operation):
      check.count(operation.arity)
      check.floating()
      check(operands.allSatisfy { $0 == operands[0] }, "operands differ; broadcast and convert them first")
      return [operands[0]]
    case .convert(let dtype):
      check.count(1)
      return [TensorType(dtype, operands[0].shape)]
    case .stopGradient, .identity:
      check.count(1)
      return [operands[0]]
    case .broadcast, .reshape, .permute, .slice, .pad, .reverse, .concatenate, .reduce:
      return [structureType(check)]
    case .gather:
      check.count(2)
      check.integer(1)
      check(operands[0].shape.rank >= 1, "the table needs an axis of entries")
      let dimensions = operands[1].shape.dimensions + operands[0].shape.dimensions.dropFirst()
      return [TensorType(operands[0].dtype, Shape(dimensions))]
    case .scatterAdd(let entries):
      check.count(2)
      check.integer(1)
      let rows = operands[0].shape.dimensions, indices = operands[1].shape.dimensions
      check(entries >= 0, "the entries must not be negative, got \(entries)")
      check(rows.starts(with: indices), "rows must lead with the shape of the indices")
      return [TensorType(operands[0].dtype, Shape([entries] + rows.dropFirst(indices.count)))]
    case .rowwise(let operation):
      return [rowwiseType(check, operation)]
    case .matmul(let transposeA, let transposeB):
      return [matmulType(check, transposeA, transposeB)]
    case .matrix(let operation):
      return operation.resultTypes(check)
    case .conv2d(let geometry):
      let images = convolutionImages(check, geometry, geometry.inputShape, geometry.filterShape)
      return [TensorType(operands[0].dtype, geometry.outputShape(images))]
    case .conv2dInputGradient(let geometry):
      let images = convolutionImages(check, geometry, geometry.outputShape, geometry.filterShape)
      return [TensorType(operands[0].dtype, geometry.inputShape(images))]
    case .conv2dFilterGradient(let geometry):
      let images = convolutionImages(
        check, geometry, geometry.inputShape, geometry.filterShape, filter: false)
      check(operands[1].shape == geometry.outputShape(images), "expected dy \(geometry.outputShape(images))")
      return [TensorType(operands[0].dtype, geometry.filterShape)]
    case .fused(let operation):
      return operation.resultTypes(operands)
    case .random(_, let shape, let dtype):
      check.count(1)
      check(operands[0] == TensorType(.int32, [2]), "the key must be int32[2]")
      check(dtype.isFloating, "\(dtype) numbers are not drawn")
      return [TensorType(dtype, shape)]
    case .structured(let operation):
      return operation.resultTypes(operands)
    }
  }

  private func structureType(_ check: OperandCheck) -> TensorType {
    if case .concatenate(let axis) = self { return concatenationType(check, axis) }
    check.count(1)
    let dtype = check.operands[0].dtype, x = check.operands[0].shape
    switch self {
    case .broadcast(let target, let axes):
      check(axes.count == x.rank, "\(axes) must name one axis of \(target) for each of the operand's")
      check(zip(axes, axes.dropFirst()).allSatisfy { $0 < $1 }, "\(axes) must increase strictly")
      for (axis, extent) in zip(axes, x.dimensions) {
        check(
          axis >= 0 && axis < target.rank && (extent == target[axis] || extent == 1),
          "extent \(extent) does not fit axis \(axis) of \(target)")
      }
      return TensorType(dtype, target)
    case .reshape(let target):
      check(target.count == x.count, "\(x) has \(x.count) elements, \(target) has \(target.count)")
      return TensorType(dtype, target)
    case .permute(let order):
      check(order.sorted() == Array(0..<x.rank), "\(order) is not an order of the axes of \(x)")
      return TensorType(dtype, Shape(order.map { x[$0] }))
    case .slice(let start, let limit, let step):
      check(
        start.count == x.rank && limit.count == x.rank && step.count == x.rank,
        "start \(start), limit \(limit) and step \(step) need an entry for every axis of \(x)")
      var dimensions: [Int] = []
      for axis in 0..<x.rank {
        check(
          start[axis] >= 0 && start[axis] <= limit[axis] && limit[axis] <= x[axis] && step[axis] > 0,
          "\(start[axis])..<\(limit[axis]) by \(step[axis]) is outside of axis \(axis) of \(x)")
        dimensions.append((limit[axis] - start[axis]).dividedUp(by: step[axis]))
      }
      return TensorType(dtype, Shape(dimensions))
    case .pad(let low, let high, let interior):
      check(
        low.count == x.rank && high.count == x.rank && interior.count == x.rank,
        "low \(low), high \(high) and interior \(interior) need an entry for every axis of \(x)")
      check(
        (low + high + interior).allSatisfy { $0 >= 0 && $0 <= 1 << 60 },
        "low \(low), high \(high) and interior \(interior) must be in 0...2^60")
      let dimensions = (0..<x.rank).map { axis in
        low[axis] + high[axis] + x[axis] + max(x[axis] - 1, 0) * interior[axis]
      }
      return TensorType(dtype, Shape(dimensions))
    case .reverse(let axes):
      check.axes(axes, of: x)
      return TensorType(dtype, x)
    case .reduce(let reduction, let axes):
      check.floating()
      check.axes(axes, of: x)
      check(
        reduction == .sum || axes.allSatisfy { x[$0] > 0 },
        "the maximum of nothing does not exist: axes \(axes)")
      return TensorType(dtype, Shape(x.dimensions.indices.filter { !axes.contains($0) }.map { x[$0] }))
    default:
      fatalError("\(name): not a structural operation")
    }
  }

  private func rowwiseType(_ check: OperandCheck, _ operation: RowOperation) -> TensorType {
    let x = check.operands[0].shape
    check(x.rank >= 1, "needs an axis")
    check(x.dimensions[x.rank - 1] <= Int(Int32.max), "rows are longer than int32 counts")
    switch operation {
    case .cumulativeSum, .argsort:
      check.count(1)
      check.floating()
      if case .argsort = operation { return TensorType(.int32, x) }
      return check.operands[0]
    case .takeAlong, .addAlong:
      check.count(2)
      check.integer(1)
      let indices = check.operands[1].shape
      check(indices.dimensions.dropLast() == x.dimensions.dropLast(), "rows and indices lead with one shape")
      guard case .addAlong(let entries) = operation else {
        return TensorType(check.operands[0].dtype, indices)
      }
      check(check.operands[0].dtype.isFloating, "integers have no arithmetic; convert them first")
      check(entries >= 0, "the entries must not be negative, got \(entries)")
      check(indices == x, "needs an index for every element")
      return TensorType(check.operands[0].dtype, Shape(x.dimensions.dropLast() + [entries]))
    }
  }

  private func concatenationType(_ check: OperandCheck, _ axis: Int) -> TensorType {
    check(!check.operands.isEmpty, "needs an operand")
    let first = check.operands[0]
    check(axis >= 0 && axis < first.shape.rank, "axis \(axis) is outside of \(first.shape)")
    var dimensions = first.shape.dimensions
    dimensions[axis] = 0
    for operand in check.operands {
      check(
        operand.dtype == first.dtype && operand.shape.rank == first.shape.rank
          && operand.shape.dimensions.indices.allSatisfy {
            $0 == axis || operand.shape[$0] == first.shape[$0]
          },
        "operands may differ along axis \(axis) only")
      let (sum, overflow) = dimensions[axis].addingReportingOverflow(operand.shape[axis])
      check(!overflow, "axis \(axis) is longer than can be counted")
      dimensions[axis] = sum
    }
    return TensorType(first.dtype, Shape(dimensions))
  }

  private func matmulType(_ check: OperandCheck, _ transposeA: Bool, _ transposeB: Bool) -> TensorType {
    check.count(2)
    check.floating()
    let a = check.operands[0].shape, b = check.operands[1].shape
    check(check.operands[0].dtype == check.operands[1].dtype, "element types differ")
    check(a.rank >= 2 && b.rank >= 2, "operands must be matrices or batches of them")
    let batchA = a.dimensions.dropLast(2), batchB = b.dimensions.dropLast(2)
    check(a.rank == 2 || b.rank == 2 || batchA == batchB, "batch axes differ")
    let (m, k) = transposeA ? (a[a.rank - 1], a[a.rank - 2]) : (a[a.rank - 2], a[a.rank - 1])
    let (inner, n) = transposeB ? (b[b.rank - 1], b[b.rank - 2]) : (b[b.rank - 2], b[b.rank - 1])
    check(
      k == inner,
      "inner extents \(k) and \(inner) differ (transposeA \(transposeA), transposeB \(transposeB))")
    return TensorType(check.operands[0].dtype, Shape((a.rank > 2 ? batchA : batchB) + [m, n]))
  }

  /// The number of images, after checking the leading operand against `image` and, where it is one, the filter.
  private func convolutionImages(
    _ check: OperandCheck, _ geometry: Convolution, _ image: (Int) -> Shape, _ filterShape: Shape,
    filter: Bool = true
  ) -> Int {
    check.count(2)
    check.floating()
    check(check.operands[0].dtype == check.operands[1].dtype, "element types differ")
    check(geometry.isValid, "impossible geometry \(geometry)")
    let x = check.operands[0].shape
    check(x.rank == 4 && x == image(x[0]), "expected \(image(x.rank == 4 ? x[0] : 1)), images first")
    if filter { check(check.operands[1].shape == filterShape, "expected filter \(filterShape)") }
    return x[0]
  }
}

extension FusedOperation {
  package func resultTypes(_ operands: [TensorType]) -> [TensorType] {
    let check = OperandCheck(name: name, operands: operands)
    switch self {
    case .groupNorm(let groups, let epsilon):
      check.count(1)
      check.floating()
      let x = operands[0].shape
      check(x.rank >= 2, "needs [n, ..., channels]")
      check(groups > 0 && x[x.rank - 1] % groups == 0, "\(groups) groups do not divide the channels of \(x)")
      check(epsilon >= 0 && epsilon.isFinite, "epsilon \(epsilon) is negative or not finite")
      return [operands[0], TensorType(operands[0].dtype, [x[0], groups])]
    case .groupNormGradient(let groups):
      check.count(3)
      check.floating()
      let y = operands[0].shape
      check(y.rank >= 2 && operands[2] == operands[0], "y and dy need one type [n, ..., channels]")
      check(groups > 0 && y[y.rank - 1] % groups == 0, "\(groups) groups do not divide the channels of \(y)")
      check(operands[1] == TensorType(operands[0].dtype, [y[0], groups]), "rstd must be [n, groups]")
      return [operands[0]]
    case .softmaxCrossEntropy:
      check.count(2)
      return [lossType(check)]
    case .softmaxCrossEntropyGradient:
      check.count(3)
      check(operands[2] == lossType(check), "dloss must be [rows...]")
      return [operands[0]]
    case .pool2d(_, let size, let stride):
      check.count(1)
      check.floating()
      return [pooledType(check, size, stride)]
    case .pool2dGradient(_, let size, let stride):
      check.count(2)
      check.floating()
      check(operands[1] == pooledType(check, size, stride), "dy must have the pooled shape")
      return [operands[0]]
    }
  }

  private func lossType(_ check: OperandCheck) -> TensorType {
    check.integer(1)
    let logits = check.operands[0]
    check(logits.dtype.isFloating && logits.shape.rank >= 1, "logits must be [rows..., classes]")
    let rows = Shape(Array(logits.shape.dimensions.dropLast()))
    check(check.operands[1].shape == rows, "labels must be \(rows)")
    return TensorType(logits.dtype, rows)
  }

  private func pooledType(_ check: OperandCheck, _ size: Int, _ stride: Int) -> TensorType {
    let x = check.operands[0].shape
    check(x.rank == 4, "needs [n, h, w, c]")
    check(
      size > 0 && stride > 0 && x[1] >= size && x[2] >= size,
      "window \(size), stride \(stride) does not fit \(x)")
    // The kernels count in 32 bits.
    check(
      ([size, stride] + x.dimensions[1...]).allSatisfy { $0 <= Int32.max },
      "window \(size), stride \(stride) and images of \(x): none may be above \(Int32.max)")
    check(
      size * size <= Int32.max,
      "window \(size) has \(size * size) elements; at most \(Int32.max) are allowed")
    let shape: Shape = [x[0], (x[1] - size) / stride + 1, (x[2] - size) / stride + 1, x[3]]
    return TensorType(check.operands[0].dtype, shape)
  }
}

/// Checks of one operation's operands, all with the same kind of message.
struct OperandCheck {
  let name: String
  let operands: [TensorType]

  func callAsFunction(_ condition: Bool, _ problem: @autoclosure () -> String) {
    require(condition, "\(name): \(problem()); operands: \(list)")
  }

  func count(_ expected: Int) { self(operands.count == expected, "takes \(expected) operands") }

  func floating() {
    self(operands.allSatisfy(\.dtype.isFloating), "integers have no arithmetic; convert them first")
  }

  func integer(_ index: Int) {
    self(operands.count > index && operands[index].dtype == .int32, "operand \(index) must be int32")
  }

  func axes(_ axes: [Int], of shape: Shape) {
    self(
      axes.allSatisfy { $0 >= 0 && $0 < shape.rank } && Set(axes).count == axes.count,
      "axes \(axes) are not distinct axes of \(shape)")
  }

  private var list: String { operands.map(\.description).joined(separator: ", ") }
}
