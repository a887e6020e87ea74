import Foundation
import NODECore
import Testing

@testable import NODECore

@Suite struct SmoothingTests {
  /// Inside of the data the error of a slope goes with bandwidth^2 for degrees 1 and 2, with ^4 for 3: odd powers cancel.
  @Test(arguments: [(1, 2.0), (2, 2.0), (3, 4.0)])
  func derivativesHaveTheirOrder(degree: Int, order: Double) {
    let errors = [40, 80, 160].map { count -> Double in
      let times = (0...count).map { Double($0) / Double(count) * 2 }
      let values = Tensor(times.map { Foundation.sin(3 * $0) }, shape: [times.count, 1])
      let smoother = LocalPolynomial(degree: degree, kernel: .epanechnikov, bandwidth: 10 / Double(count))
      let slopes = smoother(values, at: times, wanted: [0.8, 1, 1.2]).derivatives.scalars
      return zip([0.8, 1, 1.2], slopes).map { abs($1 - 3 * Foundation.cos(3 * $0)) }.max()!
    }
    let found = slope([40, 80, 160].map { log(Double($0)) }, errors.map { log($0) })
    #expect(abs(-found - order) < 0.3, "\(errors)")
  }

  /// A polynomial of the smoother's degree is left as it is, by every kernel, at the ends and between observations too.
  @Test(arguments: LocalPolynomial.Kernel.allCases)
  func polynomialsOfTheDegreeAreExact(kernel: LocalPolynomial.Kernel) {
    let times = [0, 0.1, 0.25, 0.3, 0.5, 0.7, 0.75, 1]
    func value(_ t: Double) -> [Double] { [1 - t + 3 * t * t, 2 * t] }
    let smooth = LocalPolynomial(degree: 2, kernel: kernel, bandwidth: 0.6)(
      Tensor(times.map(value)), at: times, wanted: [0, 0.4, 1])
    for (i, t) in [0, 0.4, 1].enumerated() {
      #expect(abs(smooth.states[i, 0].scalar - value(t)[0]) < 1e-11)
      #expect(abs(smooth.derivatives[i, 0].scalar - (6 * t - 1)) < 1e-10)
      #expect(abs(smooth.derivatives[i, 1].scalar - 2) < 1e-10)
    }
  }

  /// The bandwidth that is chosen is small without noise and larger with it, and the slopes are then better than those of differences.
  @Test func theBandwidthFollowsTheNoise() throws {
    let system = DynamicalSystem.lotkaVolterra
    let clean = try system.trajectory().evaluated()
    let noisy = try system.observations(noise: 0.05, key: RandomKey(seed: 8)).evaluated()
    let smoother = LocalPolynomial(degree: 2)
    let a = smoother(clean, at: system.times), b = smoother(noisy, at: system.times)
    #expect(a.bandwidth < b.bandwidth)
    let truth = system.derivatives(at: clean)
    func error(_ x: Tensor<Double>) -> Double { square(x - truth[1..<30]).mean().scalar }
    let differences = (noisy[2...] - noisy[0..<29]) * (1 / 0.2)
    #expect(error(b.derivatives[1..<30]) < 0.5 * error(differences))
  }

  /// Bandwidths that reach just as many observations as the polynomial has coefficients interpolate; what is left of them is
  /// round-off, and none is chosen for it.
  @Test(arguments: [LocalPolynomial.Kernel.epanechnikov, .triangular, .tricube])
  func interpolationIsNotChosen(kernel: LocalPolynomial.Kernel) {
    for seed in 0..<20 {
      for (count, degree) in [(8, 1), (16, 1), (31, 2)] {
        let times = (0..<count).map { Double($0) / Double(count - 1) * 3 }
        let noise = Tensor<Double>.normal(shape: [count, 1], key: RandomKey(seed: UInt64(seed)))
        let values = Tensor(times.map { [Foundation.sin(2 * $0)] }) + noise * 0.1
        let smooth = LocalPolynomial(degree: degree, kernel: kernel)(values, at: times)
        let missed = abs(smooth.states - values).scalars
        #expect(
          missed.allSatisfy { $0 > 1e-9 }, "\(count) observations, degree \(degree), \(smooth.bandwidth)")
      }
    }
  }
}
