import CKernels
import Testing

/// One table of kernels that this machine can run.
struct KernelCase: Sendable, CustomTestStringConvertible {
  let isa: nk_isa
  let dtype: nk_dtype

  /// Every instruction set that runs here, for both element types, the reference left out.
  static let vector = all.filter { $0.isa != .NK_ISA_REFERENCE }
  static let all = (0..<UInt32(NK_ISA_COUNT)).flatMap { raw in
    [nk_dtype.NK_F32, .NK_F64].map { KernelCase(isa: nk_isa(rawValue: raw)!, dtype: $0) }
  }.filter { nk_kernels_for($0.isa, $0.dtype) != nil }

  var kernels: nk_kernels { nk_kernels_for(isa, dtype).pointee }
  var reference: nk_kernels { nk_kernels_for(.NK_ISA_REFERENCE, dtype).pointee }
  /// The unit of relative rounding error is half of this.
  var epsilon: Double { dtype == .NK_F64 ? 0x1p-52 : 0x1p-23 }
  var testDescription: String { "\(String(cString: nk_isa_name(isa))) \(dtype == .NK_F64 ? "f64" : "f32")" }
}

/// SplitMix64: seeded, so that a failure can be repeated.
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

/// Memory of a kernel's operand, read and written as Double. A guard zone behind it shows writes out of bounds.
/// Calls that pass `raw` are wrapped in withExtendedLifetime: a pointer does not keep its operand alive.
final class Operand {
  let dtype: nk_dtype
  let count: Int
  let raw: UnsafeMutableRawPointer
  private static let guardBytes = 256

  init(_ count: Int, _ dtype: nk_dtype) {
    self.dtype = dtype
    self.count = count
    let bytes = count * Int(nk_dtype_bytes(dtype))
    raw = .allocate(byteCount: bytes + Operand.guardBytes, alignment: 64)
    // All ones is a NaN in both types: an element that a kernel forgets to write is noticed.
    raw.initializeMemory(as: UInt8.self, repeating: 0xFF, count: bytes + Operand.guardBytes)
  }

  convenience init(_ values: [Double], _ dtype: nk_dtype) {
    self.init(values.count, dtype)
    for (i, value) in values.enumerated() { self[i] = value }
  }

  convenience init(
    random count: Int, _ dtype: nk_dtype, in range: ClosedRange<Double> = -1...1,
    using generator: inout SeededGenerator
  ) {
    self.init(count, dtype)
    for i in 0..<count { self[i] = Double.random(in: range, using: &generator) }
  }

  /// Room of `bytes` bytes, for packed operands and scratch.
  convenience init(bytes: Int64, _ dtype: nk_dtype) {
    self.init(Int((bytes + nk_dtype_bytes(dtype) - 1) / nk_dtype_bytes(dtype)), dtype)
  }

  deinit { raw.deallocate() }

  subscript(i: Int) -> Double {
    get {
      dtype == .NK_F64
        ? raw.load(fromByteOffset: 8 * i, as: Double.self)
        : Double(raw.load(fromByteOffset: 4 * i, as: Float.self))
    }
    set {
      if dtype == .NK_F64 {
        raw.storeBytes(of: newValue, toByteOffset: 8 * i, as: Double.self)
      } else {
        raw.storeBytes(of: Float(newValue), toByteOffset: 4 * i, as: Float.self)
      }
    }
  }

  var values: [Double] { (0..<count).map { self[$0] } }
  var magnitudes: Operand { Operand(values.map(abs), dtype) }
  var copy: Operand { Operand(values, dtype) }
  var guardIsIntact: Bool {
    let start = count * Int(nk_dtype_bytes(dtype))
    return (start..<start + Operand.guardBytes).allSatisfy {
      raw.load(fromByteOffset: $0, as: UInt8.self) == 0xFF
    }
  }
  func at(_ element: Int) -> UnsafeMutableRawPointer { raw + element * Int(nk_dtype_bytes(dtype)) }
}

/// The first element that is further from `expected` than its bound, or a guard zone written to; nil when all is well.
func disagreement(_ actual: Operand, _ expected: Operand, bound: (Int) -> Double) -> String? {
  if !actual.guardIsIntact { return "wrote behind the end" }
  for i in 0..<actual.count {
    let (a, e) = (actual[i], expected[i])
    if a == e || (a.isNaN && e.isNaN) { continue }
    if !(abs(a - e) <= bound(i)) {
      return "element \(i) of \(actual.count): \(a), expected \(e) within \(bound(i))"
    }
  }
  return nil
}

/// sum a[i] b[i] in Double.
func inner(_ a: Operand, _ b: Operand) -> Double { zip(a.values, b.values).reduce(0) { $0 + $1.0 * $1.1 } }
