/// A type that tensors can hold.
public protocol TensorScalar: BitwiseCopyable, Sendable, Hashable, Comparable {
  /// The type as the untyped graph sees it.
  static var dtype: DType { get }
  /// Conversion from Double; integers round toward zero.
  init(_ value: Double)
  /// The same number: Double has all of them.
  var asDouble: Double { get }
}

/// Scalars that networks and solvers compute with: `Float` and `Double`.
public protocol FloatingScalar: TensorScalar, BinaryFloatingPoint {}

extension Float: FloatingScalar {
  public static var dtype: DType { .float32 }
  public var asDouble: Double { Double(self) }
}

extension Double: FloatingScalar {
  public static var dtype: DType { .float64 }
  public var asDouble: Double { self }
}

/// Integers are for labels, indices and random keys: no arithmetic.
extension Int32: TensorScalar {
  public static var dtype: DType { .int32 }
  public var asDouble: Double { Double(self) }
}
