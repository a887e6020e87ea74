import CKernels

/// The elementwise operations, imported from the X-macro list of the kernels: a closed enumeration, so that a
/// `switch` that forgets one does not compile.
package typealias Elementwise = CKernels.Elementwise
package typealias Reduction = CKernels.Reduction

extension Elementwise {
  /// Every operation of the list, in its order.
  package static var all: [Elementwise] {
    (0..<NK_EWISE_COUNT).map { Elementwise(rawValue: UInt32($0))! }
  }

  /// The printed name; it is also the Swift name of the case.
  package var name: String { String(cString: nk_ewise_name(self)) }
  /// Operands taken: 1, 2 or 3.
  package var arity: Int { Int(nk_ewise_arity(self)) }
  /// Floating-point operations charged per element.
  package var flops: Int { Int(nk_ewise_flops(self)) }
}
