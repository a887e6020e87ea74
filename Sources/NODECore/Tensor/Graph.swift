/// Makes nodes: the only place that does, so that no node exists whose operands were not checked.
package enum Graph {
  /// The results of one operation. Traps with the operation's name and all shapes where they do not fit.
  package static func node(_ operation: Operation, _ operands: [Value]) -> [Value] {
    let types = operation.resultTypes(operands.map(\.type))
    if let simpler = simplified(operation, operands, types[0]) { return [simpler] }
    let node = Node(operation, operands, types: types)
    return types.indices.map { Value(node, $0) }
  }

  /// The only result of an operation, or its first.
  package static func one(_ operation: Operation, _ operands: [Value]) -> Value {
    node(operation, operands)[0]
  }

  /// A placeholder.
  package static func input(_ name: String, _ type: TensorType) -> Value {
    Value(Node(.input(name: name), [], types: [type]))
  }

  /// Data: `storage` holds the elements of `type`, row-major.
  package static func constant(_ storage: Storage, _ type: TensorType) -> Value {
    require(
      storage.byteCount == type.byteCount, "constant: \(storage.byteCount) bytes are not a \(type)")
    return Value(Node(.constant(storage), [], types: [type]))
  }

  package static func constant<S: TensorScalar>(_ scalars: [S], _ shape: Shape) -> Value {
    constant(Storage(scalars), TensorType(S.dtype, shape))
  }

  /// The numbers of a function of the place in row-major order: the one way from a shape to data. Stops where that is more
  /// than `Shape.mostBytes`.
  /// - Parameter operation: who wants them, for the message.
  package static func constant(
    _ operation: String, _ dtype: DType, _ shape: Shape, _ number: (Int) -> Double
  ) -> Value {
    let bytes = shape.requireMemory(for: operation, dtype)
    // Written where they stay: memory that there is not is then a sentence, too.
    let storage = Storage(byteCount: bytes) { target in
      func fill<S: TensorScalar>(_ type: S.Type) {
        let scalars = target.bindMemory(to: S.self, capacity: shape.count)
        for i in 0..<shape.count { (scalars + i).initialize(to: S(number(i))) }
      }
      switch dtype {
      case .float32: fill(Float.self)
      case .float64: fill(Double.self)
      case .int32: fill(Int32.self)
      }
    }
    return constant(storage, TensorType(dtype, shape))
  }

  /// `x` in every element.
  package static func splat(_ x: Double, _ type: TensorType) -> Value {
    Value(Node(.splat(x), [], types: [type]))
  }

  package static func splat(_ x: Double, like value: Value) -> Value { splat(x, value.type) }

  /// 0, 1, ..., count - 1.
  package static func iota(_ count: Int, _ dtype: DType) -> Value {
    require(
      dtype != .int32 || count <= Int(Int32.max) + 1, "iota: int32 does not count to \(count)")
    return constant("iota", dtype, Shape([count], for: "iota")) { Double($0) }
  }
}
