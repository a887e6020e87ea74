import Foundation
import Testing

@testable import NODECore

/// Solves whose captures have another element type than the state: dy/dt = -w y, the product in the captures' type.
@Suite(.smallBlocks) struct MixedTypeSolveTests {
  static let sensitivities: [SensitivityMethod] = [.exact, .exact(memory: .bytes(64)), .backsolve]
  static let controllers: [Controller] = [.automatic, .fixed(stepsPerInterval: 40)]
  private static let start = [1, 2, -0.5, 3, 0.25, -1]

  /// The sum of the last states; `weights` is a number or [3, 1], one for each lane.
  private func loss<State: FloatingScalar, Weight: FloatingScalar>(
    _ y0: Tensor<State>, _ weights: Tensor<Weight>, to t1: Double, _ sensitivity: SensitivityMethod,
    _ controller: Controller
  ) throws -> Tensor<Weight> {
    try odeint(
      from: y0, t0: 0, t1: t1, rtol: 2e-6, atol: 2e-6, controller: controller, sensitivity: sensitivity
    ) { _, y in (y.converted(to: Weight.self) * -weights).converted(to: State.self) }
    .final.sum().converted(to: Weight.self)
  }

  private func check<State: FloatingScalar, Weight: FloatingScalar>(
    _ state: State.Type, _ weight: Weight.Type, _ sensitivity: SensitivityMethod, _ controller: Controller
  ) throws {
    let tolerance = sensitivity == .backsolve ? 1e-3 : 1e-4
    let y0 = Tensor<State>(Self.start.map { State($0) }, shape: [3, 2])
    for rates in [[0.5], [0.5, -0.25, 1]] {
      let weights = Tensor<Weight>(rates.map { Weight($0) }, shape: rates.count == 1 ? [] : [3, 1])
      for t1 in [1.0, -1.0] {
        // d/dw of the sum of y0 exp(-w t1).
        var expected = rates.map { _ in 0.0 }
        for (index, y) in Self.start.enumerated() {
          let lane = rates.count == 1 ? 0 : index / 2
          expected[lane] -= t1 * y * exp(-rates[lane] * t1)
        }
        let reverse = try gradient(at: weights) { w in
          try loss(y0, w, to: t1, sensitivity, controller)
        }.evaluated()
        for (found, expected) in zip(reverse.scalars, expected) {
          #expect(abs(Double(found) - expected) < tolerance, "\(rates) to \(t1)")
        }
        let forward = try jvp(at: weights, along: .ones(weights.shape)) { w in
          try loss(y0, w, to: t1, sensitivity, controller)
        }.tangent.evaluated()
        #expect(abs(Double(forward.scalar) - expected.reduce(0, +)) < tolerance)
      }
    }
  }

  @Test(arguments: sensitivities, controllers)
  func doublesUnderAFloatState(_ sensitivity: SensitivityMethod, _ controller: Controller) throws {
    try check(Float.self, Double.self, sensitivity, controller)
  }

  @Test(arguments: sensitivities, controllers)
  func floatsUnderADoubleState(_ sensitivity: SensitivityMethod, _ controller: Controller) throws {
    try check(Double.self, Float.self, sensitivity, controller)
  }
}
