// What fused operations mean, in primitives: the text from which they are tested and, where no special rule exists,
// differentiated.

extension FusedOperation {
  /// Results equal to the operation's up to rounding. In terms of fused operations nowhere.
  package func definition(_ x: [Value]) -> [Value] {
    switch self {
    case .groupNorm(let groups, let epsilon):
      let moments = GroupedShape(x[0].shape, groups: groups)
      let centred = x[0] - moments.spread(moments.mean(x[0]))
      let rstd = (moments.mean(centred.map(.square)) + epsilon).map(.rsqrt)
      return [centred * moments.spread(rstd), rstd]
    case .groupNormGradient(let groups):
      let (y, rstd, dy) = (x[0], x[1], x[2])
      let moments = GroupedShape(y.shape, groups: groups)
      let projected = dy - moments.spread(moments.mean(dy)) - y * moments.spread(moments.mean(dy * y))
      return [moments.spread(rstd) * projected]
    case .softmaxCrossEntropy:
      let rows = LabelledRows(logits: x[0], labels: x[1])
      return [rows.logSumExp - rows.chosenLogit]
    case .softmaxCrossEntropyGradient:
      let rows = LabelledRows(logits: x[0], labels: x[1])
      return [rows.spread(x[2]) * (rows.softmax - rows.oneHot)]
    case .pool2d(let maximum, let size, let stride):
      let windows = Windows(x[0].shape, size: size, stride: stride)
      let taps = windows.taps(x[0])
      let folded = taps.dropFirst().reduce(taps[0]) { maximum ? .elementwise(.maximum, $0, $1) : $0 + $1 }
      return [maximum ? folded : folded * (1 / Double(taps.count))]
    case .pool2dGradient(let maximum, let size, let stride):
      let windows = Windows(x[0].shape, size: size, stride: stride)
      let dy = x[1]
      if !maximum {
        let share = dy * (1 / Double(size * size))
        return [windows.scatter(Array(repeating: share, count: size * size))]
      }
      let taps = windows.taps(x[0])
      let largest = taps.dropFirst().reduce(taps[0]) { .elementwise(.maximum, $0, $1) }
      // 1 in a window until its first maximum was met.
      var open = largest.splat(1)
      let shares = taps.map { tap in
        let hit = Value.elementwise(.equal, tap, largest) * open
        open = open - hit
        return Value.select(hit, dy, dy.splat(0))
      }
      return [windows.scatter(shares)]
    }
  }
}

/// Moments over the spatial axes and the channels of a group of [n, spatial..., c].
struct GroupedShape {
  let whole: Shape
  /// [n, positions, groups, channels of a group].
  let split: Shape
  let population: Int

  init(_ shape: Shape, groups: Int) {
    whole = shape
    let channels = shape[shape.rank - 1]
    let positions = shape.dimensions[1..<shape.rank - 1].reduce(1, *)
    split = [shape[0], positions, groups, channels / groups]
    population = positions * (channels / groups)
  }

  /// [n, spatial..., c] -> [n, groups].
  func sum(_ x: Value) -> Value { x.reshaped(to: split).sum(axes: [1, 3]) }
  func mean(_ x: Value) -> Value { sum(x) * (1 / Double(population)) }
  /// [n, groups] -> [n, spatial..., c].
  func spread(_ x: Value) -> Value { x.spread(along: [1, 3], to: split).reshaped(to: whole) }
}

/// Logits [rows..., classes] with labels [rows...].
private struct LabelledRows {
  let logits: Value, oneHot: Value, chosenLogit: Value, softmax: Value, logSumExp: Value

  init(logits: Value, labels: Value) {
    self.logits = logits
    let axis = logits.shape.rank - 1
    func spread(_ x: Value) -> Value { x.spread(along: [axis], to: logits.shape) }
    let classes = Graph.iota(logits.shape[axis], logits.dtype).broadcast(to: logits.shape, axes: [axis])
    let hits = Value.elementwise(.equal, spread(labels.converted(to: logits.dtype)), classes)
    // A label that is no class has no hit: 0 / 0 marks its row.
    let count = hits.sum(axes: [axis])
    oneHot = hits / spread(count)
    chosenLogit = Value.select(hits, logits, logits.splat(0)).sum(axes: [axis]) / count
    let shift = logits.max(axes: [axis]).stoppingGradient
    let exponentials = (logits - spread(shift)).map(.exp)
    let total = exponentials.sum(axes: [axis])
    softmax = exponentials / spread(total)
    logSumExp = total.map(.log) + shift
  }

  func spread(_ x: Value) -> Value { x.spread(along: [logits.shape.rank - 1], to: logits.shape) }
}

/// The windows of a pooling: for each offset in the window, the strided image of elements there.
private struct Windows {
  let image: Shape, size: Int, stride: Int

  init(_ image: Shape, size: Int, stride: Int) {
    self.image = image
    self.size = size
    self.stride = stride
  }

  private var offsets: [(Int, Int)] { (0..<size * size).map { ($0 / size, $0 % size) } }
  private var height: Int { (image[1] - size) / stride + 1 }
  private var width: Int { (image[2] - size) / stride + 1 }

  /// [n, h, w, c] -> size * size of [n, oh, ow, c], in row-major order of the window.
  func taps(_ x: Value) -> [Value] {
    offsets.map { row, column in
      let limit = [image[0], row + (height - 1) * stride + 1, column + (width - 1) * stride + 1, image[3]]
      return x.sliced(start: [0, row, column, 0], limit: limit, step: [1, stride, stride, 1])
    }
  }

  /// The transpose of `taps`.
  func scatter(_ shares: [Value]) -> Value {
    let images = zip(offsets, shares).map { offset, share in
      let (row, column) = offset
      let bottom = image[1] - row - (height - 1) * stride - 1,
        right = image[2] - column - (width - 1) * stride - 1
      return share.padded(
        low: [0, row, column, 0], high: [0, bottom, right, 0], interior: [0, stride - 1, stride - 1, 0])
    }
    return images.dropFirst().reduce(images[0], +)
  }
}
