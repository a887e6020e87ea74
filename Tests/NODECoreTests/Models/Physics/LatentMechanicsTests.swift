import Foundation
import NODECore
import Testing

@Suite struct LatentMechanicsTests {
  private func integrator() -> VariationalIntegrator<MLP<Double>> {
    VariationalIntegrator(
      potential: MLP(1, 6, 1, activation: .tanh, key: RandomKey(seed: 1)), coordinates: 1, stepSize: 0.3)
  }

  private func encoder(_ size: Int) -> RecurrentStateEncoder<Double> {
    RecurrentStateEncoder(
      observation: size, width: 2, hidden: [7], memory: 5, activation: .tanh, key: RandomKey(seed: 2))
  }

  // MARK: - Data

  @Test(arguments: Oscillator.allCases) func theEnergyOfATrajectoryIsKept(system: Oscillator) throws {
    let start: Tensor<Double> = system.starts(8, key: RandomKey(seed: 4))
    let path = try system.trajectory(from: start, steps: 100)
    let report = try TrajectoryReport(
      times: (0...100).map { 0.1 * Double($0) }, states: path, [system.energyInvariant()])
    #expect(report["energy"]!.largestDrift < 1e-7, "\(report)")
    // The force is that of the potential.
    let q = start.sliced(0..<1, axis: 1)
    let force = -gradient(at: q) { system.potential($0).sum() }
    #expect(abs(force - system.field(start).sliced(1..<2, axis: 1)).max().scalar < 1e-13)
  }

  @Test func startsAreTheAuthors() {
    let pendulum: Tensor<Double> = Oscillator.pendulum.starts(400, key: RandomKey(seed: 1))
    let fromTop = Double.pi - abs(pendulum[.all, 0])
    #expect(fromTop.min().scalar >= 0.1 && fromTop.max().scalar <= .pi / 2)
    #expect(pendulum[.all, 0].min().scalar < 0 && pendulum[.all, 0].max().scalar > 0)
    let spring: Tensor<Double> = Oscillator.spring.starts(400, key: RandomKey(seed: 1))
    #expect(abs(spring[.all, 0]).min().scalar >= 0.5 && abs(spring[.all, 0]).max().scalar <= 1.5)
    #expect(abs(spring[.all, 1]).max().scalar <= 0.5)
  }

  @Test func noiseHasItsDeviation() throws {
    let start: Tensor<Double> = Oscillator.spring.starts(20, key: RandomKey(seed: 4))
    let exact = try Oscillator.spring.trajectory(from: start, steps: 150)
    let noisy = try Oscillator.spring.trajectory(
      from: start, steps: 150, noise: 0.33, key: RandomKey(seed: 9))
    // 6,040 numbers: the deviation is known to about one in a hundred.
    let deviation = (noisy - exact).variance().scalar.squareRoot()
    #expect(abs(deviation - 0.33) < 0.012)
  }

  @Test func aFrameShowsItsAngle() throws {
    let angles = stride(from: -3.1, through: 3.1, by: 0.31).map { $0 }
    let frames: Tensor<Double> = PendulumFrames.render(angles: angles)
    for (row, angle) in angles.enumerated() {
      let pixels = frames[row].scalars
      #expect(pixels.allSatisfy { (0...1).contains($0) })
      #expect(abs(PendulumFrames.angle(of: pixels) - angle) < 0.02)
      // The area of a rod with round ends does not depend on where it points.
      let radius = 12.0 / 72 * 14, length = 28 / 2.4
      let area = 2 * radius * length + Double.pi * radius * radius, ink = pixels.reduce(0, +)
      #expect(abs(ink - area) < 1, "\(ink) of \(area)")
    }
    // A hanging rod: symmetric from left to right, with nothing in the upper rows.
    let hanging = PendulumFrames.render(angles: [0]).reshaped(to: [28, 28]) as Tensor<Double>
    #expect(abs(hanging - hanging.reversed(axes: 1)).max().scalar < 1e-12)
    #expect(hanging[0..<11].max().scalar == 0 && hanging[20, 14].scalar == 1)
  }

  // MARK: - Models

  @Test func theEncoderReadsBackward() {
    // What the LSTM ends with is the step of the first observation after those behind it.
    let encoder = encoder(3), x = Tensor<Double>.normal(shape: [4, 2, 3], key: RandomKey(seed: 5))
    var memory = (hidden: Tensor<Double>.zeros([2, 5]), cell: Tensor<Double>.zeros([2, 5]))
    for time in (0..<4).reversed() { memory = encoder.cell(encoder.features(x[time]), memory) }
    let numbers = encoder.head(memory.hidden), (mean, deviation) = encoder(x)
    #expect(abs(numbers[.all, 0..<2] - mean).max().scalar < 1e-13)
    #expect(abs(softplus(numbers[.all, 2..<4]) - deviation).max().scalar < 1e-13)
  }

  @Test func theLikelihoodOfNoisyPhasesIsThatOfTheNormalDistribution() {
    let model = NoisyPhaseModel(integrator(), encoder: encoder(2), encoded: 3)
    let windows = Tensor<Double>.normal(shape: [5, 4, 2], key: RandomKey(seed: 6))
    let path = model.map.phases(from: model.encoder(windows[0..<3]).mean, steps: 4)
    let sigma = log(2.0), distances = (windows - path).scalars
    let expected =
      distances.reduce(0.0) { sum, distance in
        sum + distance * distance / (2 * sigma * sigma) + log(sigma * (2 * .pi).squareRoot())
      } / 20
    #expect(abs(model.negativeLogLikelihood(ofWindows: windows).scalar - expected) < 1e-12)
  }

  private func pixelModel(_ view: PhaseView) -> PixelMechanics<VariationalIntegrator<MLP<Double>>> {
    PixelMechanics(
      integrator(), encoder: encoder(6),
      decoder: MLP(view.width(coordinates: 1), 8, 6, activation: .tanh, key: RandomKey(seed: 7)), view: view,
      priorDeviations: [1, 0.3], encoded: 3)
  }

  private let films = Tensor<Double>.uniform(shape: [6, 2, 6], key: RandomKey(seed: 8))

  @Test func windowsAreThoseOfTheFilms() {
    let windows = FrameWindows(films: films, length: 4)
    #expect(windows.starts.scalars == [0, 1, 2, 6, 7, 8])
    for (window, start) in windows.starts.scalars.enumerated() {
      let film = window / 3, first = window % 3
      #expect(windows.frames[Int(start) + 2].scalars == films[first + 2][film].scalars)
    }
  }

  @Test(arguments: PhaseView.allCases) func theBoundIsThatOfItsParts(view: PhaseView) {
    let model = pixelModel(view), windows = FrameWindows(films: films, length: 4), key = RandomKey(seed: 9)
    let terms = model.negativeELBO(windows, length: 4, key: key)
    // Again window by window, with the logarithms written out.
    var bound = 0.0
    let noise = Tensor<Double>.normal(shape: [6, 2], key: key)
    for (row, start) in windows.starts.scalars.enumerated() {
      let frames = windows.frames[Int(start)..<Int(start) + 4].expandingShape(at: 1)
      let (mean, deviation) = model.encoder(frames[0..<3])
      let phases = model.map.phases(from: mean + deviation * noise[row], steps: 3)
      let p = sigmoid(model.decoded(phases))
      let inked = frames * log(p), blank = (1 - frames) * log(1 - p)
      bound -= (inked + blank).sum().scalar
      for (column, prior) in [1, 0.3].enumerated() {
        let m = mean[0, column].scalar, s = deviation[0, column].scalar
        let ratio = (s * s + m * m) / (2 * prior * prior)
        bound += log(prior / s) + ratio - 0.5
      }
    }
    #expect(abs(terms.loss.scalar - bound / 6) < 1e-11)
    #expect(terms.divergence.scalar > 0)
  }

  @Test func aForecastStartsFromTheMean() {
    let model = pixelModel(.positions)
    let (phases, pixels) = model.forecast(from: films[0..<3], steps: 5)
    #expect(phases.shape == [6, 2, 2] && pixels.shape == [6, 2, 6])
    #expect(phases[0].scalars == model.encoder(films[0..<3]).mean.scalars)
  }
}
