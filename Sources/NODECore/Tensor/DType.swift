/// The type of a tensor's elements, as the untyped graph sees it.
public enum DType: Sendable, Hashable, CaseIterable {
  case float32, float64, int32

  /// Bytes of one element.
  public var byteCount: Int { self == .float64 ? 8 : 4 }
  /// Whether derivatives exist in this type.
  public var isFloating: Bool { self != .int32 }
  /// Unit round-off distance of the type (the ulp of 1); 0 for integers.
  public var ulpOfOne: Double {
    switch self {
    case .float32: Double(Float.ulpOfOne)
    case .float64: Double.ulpOfOne
    case .int32: 0
    }
  }
}

/// A type that tensors can hold.
public protocol TensorScalar: BitwiseCopyable, Sendable, Hashable, Comparable {
  static var dtype: DType { get }
  /// Conversion from Double; integers round toward zero.
  init(_ value: Double)
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
