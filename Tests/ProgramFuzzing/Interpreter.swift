import CKernels
import Foundation
import NODECore

/// Evaluates graphs by the plain definitions of the primitives, in Double whatever the element type
/// (conversions to Float round): the oracle against which
/// derivatives and compiled programs are tested. Slow and simple on purpose; nothing here is shared with the compiler.
struct Interpreter {
  /// Elements, row-major, of values that are known: inputs are bound here, results are kept.
  private(set) var known: [Value: [Double]] = [:]
  /// Evaluates operations whose bodies are graphs; they belong to later layers.
  var structured: (any StructuredOperation, [[Double]]) -> [[Double]] = { operation, _ in
    preconditionFailure("the interpreter was given no meaning of \(operation.name)")
  }

  /// Bound of random relative errors that every result of an operation is given: what rounding does to a computation in
  /// another order or precision. Errors of matrix operations are relative to their largest element, as those of stable
  /// algorithms are. Zero: none.
  var noise = 0.0
  private var noiseSource = SplitMix(seed: 1)

  init(_ bindings: [Value: [Double]] = [:]) { known = bindings }

  mutating func bind(_ value: Value, _ elements: [Double]) {
    precondition(elements.count == value.shape.count)
    known[value] = elements
  }

  mutating func evaluate(_ values: [Value]) -> [[Double]] {
    for node in Graph.order(of: values) where known[Value(node)] == nil {
      let results = evaluate(node, node.operands.map { known[$0]! })
      for (index, result) in results.enumerated() {
        precondition(
          result.count == node.types[index].shape.count, "\(node.operation.name): wrong element count")
        known[Value(node, index)] =
          noise > 0 && node.types[index].dtype.isFloating ? disturbed(result, node, index) : result
      }
    }
    return values.map { known[$0]! }
  }

  private mutating func disturbed(_ elements: [Double], _ node: Node, _ index: Int) -> [Double] {
    guard case .matrix(let operation) = node.operation else {
      return elements.map { $0 * (1 + Double.random(in: -noise...noise, using: &noiseSource)) }
    }
    let largest = elements.reduce(0) { $1.isFinite ? Swift.max($0, $1.magnitude) : $0 }
    let shape = node.types[index].shape
    let columns = shape.dimensions.last ?? 1, rows = shape.rank > 1 ? shape[shape.rank - 2] : 1
    return elements.indices.map { at in
      let row = at / columns % rows, column = at % columns
      let isOutside =
        switch operation {
        case .cholesky: column > row
        case .qr: index == 1 && row > column
        default: false
        }
      return isOutside
        ? elements[at] : elements[at] + largest * Double.random(in: -noise...noise, using: &noiseSource)
    }
  }

  /// Whether a convolution met what is not finite in a filter: at the edges of an image, zeros of the padding are among
  /// what the compiled one multiplies it with, and the plain definition has no such terms.
  var hasUnboundedFilters: Bool {
    known.keys.contains { value in
      switch value.node.operation {
      case .conv2d, .conv2dInputGradient, .conv2dFilterGradient:
        value.node.operands.contains { known[$0].map { !$0.allSatisfy(\.isFinite) } ?? false }
      default: false
      }
    }
  }

  private func evaluate(_ node: Node, _ x: [[Double]]) -> [[Double]] {
    let types = node.operands.map(\.type)
    let shape = node.types[0].shape
    switch node.operation {
    case .input(let name): preconditionFailure("the input \(name) is not bound")
    case .constant(let storage): return [elements(storage, node.types[0])]
    case .splat(let number): return [Array(repeating: number, count: shape.count)]
    case .elementwise(let operation):
      return [
        (0..<shape.count).map { index in Interpreter.elementwise(operation, x.map { $0[index] }) }
      ]
    case .convert(.int32): return [x[0].map { $0.rounded(.towardZero) }]
    case .convert(.float32): return [x[0].map { Double(Float($0)) }]
    case .convert(.float64): return [x[0]]
    case .stopGradient, .identity, .reshape: return [x[0]]
    case .broadcast(_, let axes):
      var strides = Array(repeating: 0, count: shape.rank)
      for (axis, stride) in zip(axes, types[0].shape.strides).enumerated() {
        strides[stride.0] = types[0].shape[axis] == 1 ? 0 : stride.1
      }
      return [strided(x[0], shape, strides)]
    case .permute(let order):
      let strides = types[0].shape.strides
      return [strided(x[0], shape, order.map { strides[$0] })]
    case .slice(let start, _, let step):
      let strides = types[0].shape.strides
      let offset = zip(start, strides).map(*).reduce(0, +)
      return [strided(x[0], shape, zip(step, strides).map(*), offset: offset)]
    case .pad(let low, _, let interior):
      let strides = shape.strides
      let offset = zip(low, strides).map(*).reduce(0, +)
      var result = Array(repeating: 0.0, count: shape.count)
      let places = offsets(types[0].shape, zip(interior, strides).map { ($0 + 1) * $1 }, offset: offset)
      for (place, element) in zip(places, x[0]) { result[place] = element }
      return [result]
    case .reverse(let axes):
      var strides = shape.strides, offset = 0
      for axis in axes where shape.count > 0 {
        offset += (shape[axis] - 1) * strides[axis]
        strides[axis] = -strides[axis]
      }
      return [strided(x[0], shape, strides, offset: offset)]
    case .concatenate(let axis): return [concatenate(x, types.map(\.shape), axis)]
    case .reduce(let reduction, let axes): return [reduce(reduction, x[0], types[0].shape, axes)]
    case .gather:
      let width = types[0].shape.dimensions.dropFirst().reduce(1, *)
      return [x[1].flatMap { index in x[0][Int(index) * width..<(Int(index) + 1) * width] }]
    case .scatterAdd(let entries):
      let width = shape.dimensions.dropFirst().reduce(1, *)
      var table = Array(repeating: 0.0, count: entries * width)
      for (row, entry) in x[1].enumerated() {
        for column in 0..<width { table[Int(entry) * width + column] += x[0][row * width + column] }
      }
      return [table]
    case .rowwise(let operation): return [rowwise(operation, x, types[0].shape, shape)]
    case .matmul(let transposeA, let transposeB):
      return [matmul(x, types.map(\.shape), shape, transposeA, transposeB)]
    case .matrix(let operation): return NaiveMatrices.evaluate(operation, x, types, node.types)
    case .conv2d, .conv2dInputGradient, .conv2dFilterGradient:
      return [NaiveImages.convolution(node.operation, x, types, shape)]
    case .fused(let operation): return NaiveImages.fused(operation, x, types, node.types)
    case .random(let distribution, let shape, let dtype): return [random(distribution, shape, dtype, x[0])]
    case .structured(let operation): return structured(operation, x)
    }
  }

  static func elementwise(_ operation: Elementwise, _ x: [Double]) -> Double {
    let a = x[0]
    let b = x.count > 1 ? x[1] : 0, c = x.count > 2 ? x[2] : 0
    switch operation {
    case .neg: return -a
    case .abs: return a.magnitude
    case .sign: return a > 0 ? 1 : a < 0 ? -1 : a.isNaN ? a : 0
    case .step: return a > 0 ? 1 : 0
    case .reciprocal: return 1 / a
    case .square: return a * a
    case .sqrt: return a.squareRoot()
    case .rsqrt: return 1 / a.squareRoot()
    case .exp: return Foundation.exp(a)
    case .expm1: return Foundation.expm1(a)
    case .log: return Foundation.log(a)
    case .log1p: return Foundation.log1p(a)
    case .tanh: return Foundation.tanh(a)
    case .sigmoid: return 1 / (1 + Foundation.exp(-a))
    case .softplus: return (a > 0 ? a : a.isNaN ? a : 0) + Foundation.log1p(Foundation.exp(-a.magnitude))
    case .sin: return Foundation.sin(a)
    case .cos: return Foundation.cos(a)
    case .atan: return Foundation.atan(a)
    case .erf: return Foundation.erf(a)
    case .relu: return a > 0 || a.isNaN ? a : 0
    case .floor: return a.rounded(.down)
    case .dtanh: return 1 - a * a
    case .dsigmoid: return a * (1 - a)
    case .add: return a + b
    case .subtract: return a - b
    case .multiply: return a * b
    case .divide: return a / b
    case .pow: return Foundation.pow(a, b)
    case .minimum: return a.isNaN || b.isNaN ? .nan : a <= b ? a : b
    case .maximum: return a.isNaN || b.isNaN ? .nan : a >= b ? a : b
    case .greater: return a > b ? 1 : 0
    case .greaterOrEqual: return a >= b ? 1 : 0
    case .equal: return a == b ? 1 : 0
    case .select: return a != 0 ? b : c
    case .fma: return c.addingProduct(a, b)
    }
  }

  private func elements(_ storage: Storage, _ type: TensorType) -> [Double] {
    switch type.dtype {
    case .float32: storage.array(of: Float.self, count: type.shape.count).map(Double.init)
    case .float64: storage.array(of: Double.self, count: type.shape.count)
    case .int32: storage.array(of: Int32.self, count: type.shape.count).map { Double($0) }
    }
  }

  /// Element positions of a strided walk over `shape`, in row-major order.
  private func offsets(_ shape: Shape, _ strides: [Int], offset: Int = 0) -> [Int] {
    var result = [offset]
    for (extent, stride) in zip(shape.dimensions, strides) {
      result = result.flatMap { base in (0..<extent).map { base + $0 * stride } }
    }
    return result
  }

  private func strided(_ x: [Double], _ shape: Shape, _ strides: [Int], offset: Int = 0) -> [Double] {
    offsets(shape, strides, offset: offset).map { x[$0] }
  }

  private func concatenate(_ x: [[Double]], _ shapes: [Shape], _ axis: Int) -> [Double] {
    let outer = shapes[0].dimensions[..<axis].reduce(1, *)
    let rows = shapes.map { $0.dimensions[axis...].reduce(1, *) }
    return (0..<outer).flatMap { index in
      zip(x, rows).flatMap { $0[index * $1..<(index + 1) * $1] }
    }
  }

  private func reduce(_ reduction: Reduction, _ x: [Double], _ shape: Shape, _ axes: [Int]) -> [Double] {
    let kept = shape.dimensions.indices.filter { !axes.contains($0) }
    let starts = offsets(Shape(kept.map { shape[$0] }), kept.map { shape.strides[$0] })
    let walk = offsets(Shape(axes.map { shape[$0] }), axes.map { shape.strides[$0] })
    return starts.map { start in
      let elements = walk.map { x[start + $0] }
      switch reduction {
      case .sum: return elements.reduce(0, +)
      case .max: return elements.reduce(-.infinity) { Interpreter.elementwise(.maximum, [$0, $1]) }
      }
    }
  }

  private func rowwise(_ operation: RowOperation, _ x: [[Double]], _ from: Shape, _ to: Shape) -> [Double] {
    let n = from.dimensions.last!, rows = from.dimensions.dropLast().reduce(1, *), m = to.dimensions.last!
    return (0..<rows).flatMap { row -> [Double] in
      let elements = Array(x[0][row * n..<(row + 1) * n])
      switch operation {
      case .cumulativeSum(let backward):
        return (0..<n).map { elements[backward ? $0..<n : 0..<$0 + 1].reduce(0, +) }
      case .argsort(let descending):
        func isSmaller(_ a: Double, _ b: Double) -> Bool { b.isNaN ? !a.isNaN : a < b }
        // Insertion keeps the order of equal ones.
        var order: [Int] = []
        for i in 0..<n {
          let place = order.firstIndex { j in
            descending ? isSmaller(elements[j], elements[i]) : isSmaller(elements[i], elements[j])
          }
          order.insert(i, at: place ?? order.count)
        }
        return order.map { Double($0) }
      case .takeAlong:
        return x[1][row * m..<(row + 1) * m].map { elements[Int($0)] }
      case .addAlong:
        var sums = Array(repeating: 0.0, count: m)
        for (element, index) in zip(elements, x[1][row * n..<(row + 1) * n]) { sums[Int(index)] += element }
        return sums
      }
    }
  }

  private func matmul(
    _ x: [[Double]], _ shapes: [Shape], _ result: Shape, _ transposeA: Bool, _ transposeB: Bool
  ) -> [Double] {
    let m = result[result.rank - 2], n = result[result.rank - 1]
    let k = shapes[0][shapes[0].rank - (transposeA ? 2 : 1)]
    let batch = result.dimensions.dropLast(2).reduce(1, *)
    var y = Array(repeating: 0.0, count: result.count)
    for i in 0..<batch {
      let a = shapes[0].rank > 2 ? i * m * k : 0, b = shapes[1].rank > 2 ? i * k * n : 0
      for row in 0..<m {
        for column in 0..<n {
          var total = 0.0
          for inner in 0..<k {
            let left = x[0][a + (transposeA ? inner * m + row : row * k + inner)]
            let right = x[1][b + (transposeB ? column * k + inner : inner * n + column)]
            total += left * right
          }
          y[(i * m + row) * n + column] = total
        }
      }
    }
    return y
  }

  private func random(
    _ distribution: RandomDistribution, _ shape: Shape, _ dtype: DType, _ key: [Double]
  ) -> [Double] {
    let words = key.map { UInt32(bitPattern: Int32($0)) }
    func draw<S: TensorScalar>(_ zero: S, _ type: nk_dtype) -> [Double] {
      var result = Array(repeating: zero, count: shape.count)
      switch distribution {
      case .uniform: nk_random_uniform(type, words, 0, &result, Int64(shape.count))
      case .normal: nk_random_normal(type, words, 0, &result, Int64(shape.count))
      }
      return result.map(\.asDouble)
    }
    return dtype == .float64 ? draw(0.0, .NK_F64) : draw(Float(0), .NK_F32)
  }
}

extension Tensor {
  /// The elements as the oracle computes them.
  var interpreted: [Double] {
    var interpreter = Interpreter()
    return interpreter.evaluate([value])[0]
  }
}
