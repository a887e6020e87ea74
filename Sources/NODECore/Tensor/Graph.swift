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

  /// `x` in every element.
  package static func splat(_ x: Double, _ type: TensorType) -> Value {
    Value(Node(.splat(x), [], types: [type]))
  }

  package static func splat(_ x: Double, like value: Value) -> Value { splat(x, value.type) }

  /// 0, 1, ..., count - 1.
  package static func iota(_ count: Int, _ dtype: DType) -> Value {
    switch dtype {
    case .float32: constant((0..<count).map { Float($0) }, [count])
    case .float64: constant((0..<count).map { Double($0) }, [count])
    case .int32: constant((0..<count).map { Int32($0) }, [count])
    }
  }
}
