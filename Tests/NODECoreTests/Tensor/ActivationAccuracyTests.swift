import Foundation
import NODECore
import Testing

/// Activations that compose of primitives, in Float over the whole range, against Double: their bounds in ulp follow from
/// those of their parts. gelu cancels for negative arguments by nature and is held to ulps of its argument; silu ends in
/// products with subnormal numbers, whose spacing counts as often as the argument says.
@Suite struct ActivationAccuracyTests {
  struct Bound: Sendable {
    let name: String
    let ulp: Double
    let ofArgument: Bool
    let function: @Sendable (Tensor<Float>) -> Tensor<Float>
    let exact: @Sendable (Double) -> Double
  }

  static let bounds = [
    Bound(name: "silu", ulp: 3, ofArgument: false, function: { silu($0) }, exact: { $0 / (1 + exp(-$0)) }),
    Bound(
      name: "gelu", ulp: 3, ofArgument: true, function: { gelu($0) },
      exact: { $0 * 0.5 * erfc(-$0 * 0.5.squareRoot()) }),
    Bound(name: "elu", ulp: 2, ofArgument: false, function: { elu($0) }, exact: { $0 > 0 ? $0 : expm1($0) }),
    Bound(name: "relu", ulp: 0, ofArgument: false, function: { relu($0) }, exact: { max($0, 0) }),
    Bound(
      name: "leakyReLU", ulp: 1, ofArgument: false, function: { leakyReLU($0) },
      exact: { $0 > 0 ? $0 : Double(Float(0.01)) * $0 }),
  ]

  @Test(arguments: bounds.indices)
  func floats(_ index: Int) {
    let bound = Self.bounds[index]
    // Evenly spaced bit patterns; 60013 is a prime, so that all low bits occur.
    let inputs = stride(from: UInt64(0), to: 1 << 32, by: 60_013).map { Float(bitPattern: UInt32($0)) }
      .filter { $0.isFinite }
    let outputs = bound.function(Tensor(inputs)).scalars
    var worst = 0.0, at = Float(0)
    for (x, y) in zip(inputs, outputs) {
      let exact = bound.exact(Double(x))
      var scale = Double(Float(exact).ulp)
      if bound.ofArgument { scale = Swift.max(scale, Double(x.ulp)) }
      scale = Swift.max(scale, bound.name == "silu" ? Double(x.magnitude) * 0x1p-149 : 0)
      let error = abs(Double(y) - exact) / scale
      if !(error <= worst) { (worst, at) = (error, x) }
    }
    #expect(worst <= bound.ulp + 0.5, "\(bound.name) of \(at): \(worst) ulp")
  }
}
