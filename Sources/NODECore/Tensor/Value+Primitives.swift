// Primitives applied to untyped values: the language in which derivative rules and fused definitions are written. No
// broadcasting here: operands of elementwise operations have equal types.

extension Value {
  package static func + (a: Value, b: Value) -> Value { elementwise(.add, a, b) }
  package static func - (a: Value, b: Value) -> Value { elementwise(.subtract, a, b) }
  package static func * (a: Value, b: Value) -> Value { elementwise(.multiply, a, b) }
  package static func / (a: Value, b: Value) -> Value { elementwise(.divide, a, b) }
  package static prefix func - (a: Value) -> Value { elementwise(.neg, a) }

  package static func + (a: Value, b: Double) -> Value { a + a.splat(b) }
  package static func - (a: Value, b: Double) -> Value { a - a.splat(b) }
  package static func * (a: Value, b: Double) -> Value { a * a.splat(b) }
  package static func / (a: Value, b: Double) -> Value { a / a.splat(b) }
  package static func - (a: Double, b: Value) -> Value { b.splat(a) - b }

  package static func elementwise(_ operation: Elementwise, _ operands: Value...) -> Value {
    Graph.one(.elementwise(operation), operands)
  }

  package static func select(_ mask: Value, _ a: Value, _ b: Value) -> Value {
    elementwise(.select, mask, a, b)
  }

  /// x in every element of this value's type.
  package func splat(_ x: Double) -> Value { Graph.splat(x, type) }

  /// Elementwise function of one operand.
  package func map(_ operation: Elementwise) -> Value { .elementwise(operation, self) }

  package func converted(to dtype: DType) -> Value { Graph.one(.convert(dtype), [self]) }
  package var stoppingGradient: Value { Graph.one(.stopGradient, [self]) }
  /// A distinct node with the same value.
  package var identity: Value { Graph.one(.identity(nil), [self]) }

  package func broadcast(to shape: Shape, axes: [Int]) -> Value {
    Graph.one(.broadcast(to: shape, axes: axes), [self])
  }
  package func reshaped(to shape: Shape) -> Value { Graph.one(.reshape(shape), [self]) }
  package func permuted(to order: [Int]) -> Value { Graph.one(.permute(order), [self]) }
  package func reversed(axes: [Int]) -> Value { Graph.one(.reverse(axes: axes), [self]) }

  package func sliced(start: [Int], limit: [Int], step: [Int]) -> Value {
    // A step beyond the range takes its first element, like one as long as the range: no larger number needs to be held.
    let steps = step.indices.map { axis in
      guard axis < start.count, axis < limit.count, 0 <= start[axis], start[axis] <= limit[axis] else {
        return step[axis]
      }
      return Swift.min(step[axis], Swift.max(limit[axis] - start[axis], 1))
    }
    return Graph.one(.slice(start: start, limit: limit, step: steps), [self])
  }

  package func padded(low: [Int], high: [Int], interior: [Int]) -> Value {
    Graph.one(.pad(low: low, high: high, interior: interior), [self])
  }

  package func sum(axes: [Int]) -> Value { Graph.one(.reduce(.sum, axes: axes), [self]) }
  package func max(axes: [Int]) -> Value { Graph.one(.reduce(.max, axes: axes), [self]) }

  /// The transpose of a reduction of `axes`: repeats this value along them, up to `shape`.
  package func spread(along axes: [Int], to shape: Shape) -> Value {
    broadcast(to: shape, axes: shape.dimensions.indices.filter { !axes.contains($0) })
  }

  package static func matmul(_ a: Value, _ b: Value, transposeA: Bool = false, transposeB: Bool = false)
    -> Value
  {
    Graph.one(.matmul(transposeA: transposeA, transposeB: transposeB), [a, b])
  }
}
