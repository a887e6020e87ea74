import CKernels

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

extension DType {
  /// The kernels' name of the type.
  var kernel: nk_dtype {
    switch self {
    case .float32: .NK_F32
    case .float64: .NK_F64
    case .int32: .NK_I32
    }
  }
}
