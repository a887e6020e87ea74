import Foundation
import NODECore
import Testing

@Suite struct DepthDatasetTests {
  private func radii(_ samples: InputTargets<Double>) -> [(radius: Double, label: Double)] {
    let d = samples.inputs.shape[1], x = samples.inputs.scalars
    return samples.targets.scalars.enumerated().map { row, label in
      (x[row * d..<(row + 1) * d].reduce(0) { $0 + $1 * $1 }.squareRoot(), label)
    }
  }

  @Test(arguments: [1, 2, 3, 10]) func spheresAreNested(dimensions: Int) {
    let samples: InputTargets<Double> = DepthDataset.nestedSpheres(dimensions: dimensions)
      .sample(2000, key: RandomKey(seed: 1))
    let points = radii(samples), inner = points.filter { $0.label == -1 },
      outer = points.filter { $0.label == 1 }
    #expect(inner.count == 500 && outer.count == 1500)
    #expect(inner.allSatisfy { $0.radius <= 0.5 } && outer.allSatisfy { 1...1.5 ~= $0.radius })
    // The mean of u^(1/d) is d / (d + 1).
    let mean = 0.5 * Double(dimensions) / Double(dimensions + 1)
    #expect(abs(inner.map(\.radius).reduce(0, +) / 500 - mean) < 0.03)
    #expect(abs(outer.map(\.radius).reduce(0, +) / 1500 - 1 - mean) < 0.02)
    // Labels are in no order that a batch could notice.
    #expect(Set(samples.targets.scalars.prefix(64)).count == 2)
  }

  @Test(arguments: [1, 2, 3, 4]) func shellsAreUniformInVolume(dimensions: Int) {
    let samples: InputTargets<Double> = DepthDataset.nestedShells(dimensions: dimensions)
      .sample(4000, key: RandomKey(seed: 2))
    let points = radii(samples), d = Double(dimensions)
    let (inside, from) = dimensions == 2 ? (0.5, 0.85) : (0.3, 0.7)
    for (label, low, high) in [(-1.0, 0, inside), (1, from, 1)] {
      let shell = points.filter { $0.label == label }
      #expect(shell.count == 2000)
      #expect(shell.allSatisfy { low - 1e-12...high + 1e-12 ~= $0.radius })
      // Half of the volume lies within this radius.
      let middle = pow((pow(low, d) + pow(high, d)) / 2, 1 / d)
      #expect(abs(Double(shell.count { $0.radius < middle }) / 2000 - 0.5) < 0.04)
    }
  }

  @Test func mapsTurnSignsAround() {
    let crossing: InputTargets<Double> = DepthDataset.crossing.sample(200, key: RandomKey(seed: 3))
    #expect(crossing.targets.scalars.reduce(0, +) == 0)
    #expect(zip(crossing.inputs.scalars, crossing.targets.scalars).allSatisfy { abs($0 + $1) < 0.3 })
    let parity: InputTargets<Float> = DepthDataset.parity(dimensions: 4).sample(64, key: RandomKey(seed: 4))
    #expect(parity.inputs.shape == [64, 4])
    #expect(zip(parity.inputs.scalars, parity.targets.scalars).allSatisfy { $0 == -$1 })
    #expect(parity.inputs.scalars.allSatisfy { -1..<1 ~= $0 })
  }

  @Test func dampedOscillatorsAreTheirFormula() throws {
    let data = OscillatorDataset.dampedOscillators
    let states = try data.trajectories(key: RandomKey(seed: 5))
    #expect(states.shape == [100, 30, 2])
    let numbers = states.scalars, formula = DampedOscillator<Double>()
    for (index, t) in data.times.enumerated() {
      for row in [0, 29] {
        let exact = formula.exact(t, from: numbers[2 * row], numbers[2 * row + 1])
        #expect(abs(numbers[60 * index + 2 * row] - exact.x) < 1e-7)
        #expect(abs(numbers[60 * index + 2 * row + 1] - exact.v) < 1e-7)
      }
    }
  }

  /// The authors' stored trajectory, integrated by torchdiffeq in single precision: vdp_test_data.csv.
  @Test func vanDerPolIsTheStoredTrajectory() throws {
    let states = try OscillatorDataset.forcedVanDerPol.trajectories(key: RandomKey(seed: 6)).scalars
    #expect(states.count == 400)
    #expect(abs(states[2] - 1.704283) < 1e-5 && abs(states[3] + 0.02640091) < 1e-5)
    #expect(abs(states[8] - 1.291712) < 1e-5 && abs(states[9] + 0.3596949) < 1e-5)
    // The limit cycle has an amplitude of two.
    let largest = stride(from: 0, to: 400, by: 2).map { abs(states[$0]) }.max()!
    #expect(1.9...2.2 ~= largest)
  }
}
