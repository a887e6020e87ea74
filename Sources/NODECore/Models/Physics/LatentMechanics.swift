import Foundation

/// A map learned from noisy phases (Saemundsson et al. 2020, section 4.2): an encoder tells the phase at the start of a window,
/// the map goes on from there, and what was observed is its phases with normal noise of a learned size.
public struct NoisyPhaseModel<Map: StepMap>: Module {
  public typealias Scalar = Map.Scalar

  /// From phases to a phase: observations and states have 2n numbers.
  public var encoder: RecurrentStateEncoder<Scalar>
  public var map: Map
  /// [1]: the standard deviation of the noise before its softplus.
  public var rawNoise: Tensor<Scalar>
  /// How many observations at the start of a window the encoder sees.
  public var encoded: Int

  /// - Parameter encoded: observations at the start of a window that the encoder sees, at least one.
  public init(_ map: Map, encoder: RecurrentStateEncoder<Scalar>, encoded: Int = 10) {
    require(encoded > 0, "NoisyPhaseModel: the encoder must see an observation, got \(encoded)")
    self.map = map
    self.encoder = encoder
    self.encoded = encoded
    rawNoise = .zeros([1])
  }

  /// The standard deviation of the noise, [1].
  public var noise: Tensor<Scalar> { softplus(rawNoise) }

  /// The negative log-likelihood of windows [times, rows, 2n], in nats: the sum over a phase, the mean over times and rows.
  public func negativeLogLikelihood(ofWindows windows: Tensor<Scalar>) -> Tensor<Scalar> {
    require(encoded > 0, "NoisyPhaseModel: the encoder must see an observation, got \(encoded)")
    require(
      windows.rank == 3 && windows.shape[0] >= encoded,
      "NoisyPhaseModel: windows must be [times, rows, width] of at least \(encoded) times, got shape "
        + "\(windows.shape)")
    let start = encoder(windows.sliced(0..<encoded, axis: 0)).mean
    let path = map.phases(from: start, steps: windows.shape[0] - 1)
    require(
      path.shape == windows.shape,
      "NoisyPhaseModel: the map makes phases of shape \(path.shape) of windows of shape \(windows.shape)")
    let deviations = square((windows - path) / noise) * 0.5
    let constant = 0.5 * Foundation.log(2 * Double.pi)
    return (deviations + log(noise) + constant).sum(axes: 2).mean()
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {
    visit("encoder", &encoder)
    visit("map", &map)
    visit("rawNoise", &rawNoise)
  }
}

/// What a decoder sees of a phase [rows, 2n].
public enum PhaseView: String, Sendable, Hashable, CaseIterable {
  case phase
  /// The positions alone: pictures show no velocity.
  case positions
  /// Cosines and sines of the positions, [rows, 2n].
  case angles

  /// The columns of what is seen, of n coordinates.
  public func width(coordinates n: Int) -> Int { self == .positions ? n : 2 * n }

  /// [rows, 2n] -> what is seen, [rows, `width(coordinates: n)`].
  public func callAsFunction<S: FloatingScalar>(_ phase: Tensor<S>) -> Tensor<S> {
    guard self != .phase else { return phase }
    let (q, _) = phaseHalves(phase, "PhaseView")
    return self == .positions ? q : .concatenated([cos(q), sin(q)], axis: 1)
  }
}

/// Frames of one or several films, and where windows begin: the batch of a `PixelMechanics`. Frames that windows share are
/// encoded once.
public struct FrameWindows<Scalar: FloatingScalar>: Module {
  /// [frames, pixels], between 0 and 1.
  public var frames: Tensor<Scalar>
  /// [rows]: the first frame of each window.
  public var starts: Tensor<Int32>

  /// - Parameters:
  ///   - frames: [frames, pixels], between 0 and 1, film after film.
  ///   - starts: [rows]. A window goes on from its first frame; nothing looks whether it ends in the same film.
  public init(frames: Tensor<Scalar>, starts: Tensor<Int32>) {
    self.frames = frames
    self.starts = starts
  }

  /// All windows of `length` frames of films of equal length, [times, films, pixels].
  public init(films: Tensor<Scalar>, length: Int) {
    require(length > 0, "FrameWindows: windows must have a frame, got length \(length)")
    require(
      films.rank == 3 && films.shape[0] >= length,
      "FrameWindows: films must be [times, films, pixels] of at least \(length) times, got shape \(films.shape)"
    )
    let times = films.shape[0], count = films.shape[1]
    frames = films.permuted(to: 1, 0, 2).reshaped(to: [count * times, films.shape[2]])
    starts = Tensor(
      (0..<count).flatMap { film in (0...times - length).map { Int32(film * times + $0) } })
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {
    visit("frames", &frames)
    visit("starts", &starts)
  }
}

/// A map learned from pictures (Saemundsson et al. 2020, section 4.2): a variational autoencoder whose latent path is a
/// rollout. The encoder tells the distribution of the phase at the first frame of a window, the map makes the path, a decoder
/// of each phase the probabilities of the pixels.
public struct PixelMechanics<Map: StepMap>: Module {
  public typealias Scalar = Map.Scalar

  /// From frames to a phase of 2n numbers.
  public var encoder: RecurrentStateEncoder<Scalar>
  public var map: Map
  /// [..., seen] -> [..., pixels], logits.
  public var decoder: MLP<Scalar>
  public var view: PhaseView
  /// Standard deviations of the prior of the first phase, one for each column.
  public var priorDeviations: [Double]
  /// How many frames at the start of a window the encoder sees.
  public var encoded: Int

  /// - Parameters:
  ///   - priorDeviations: of the first phase's columns, positive; the authors': one for positions, the step size for
  ///     velocities.
  ///   - encoded: frames at the start of a window that the encoder sees.
  public init(
    _ map: Map, encoder: RecurrentStateEncoder<Scalar>, decoder: MLP<Scalar>, view: PhaseView,
    priorDeviations: [Double], encoded: Int = 10
  ) {
    require(
      encoded > 0 && priorDeviations.allSatisfy { $0 > 0 && $0.isFinite },
      "PixelMechanics: encoded frames (\(encoded)) and prior deviations \(priorDeviations) must be positive")
    self.map = map
    self.encoder = encoder
    self.decoder = decoder
    self.view = view
    self.priorDeviations = priorDeviations
    self.encoded = encoded
  }

  /// The negative evidence lower bound of windows of `length` frames, in nats: the mean over windows of the sum over their
  /// pixels. One sample of the first phase for each window.
  public func negativeELBO(
    _ windows: FrameWindows<Scalar>, length: Int, key: RandomKey
  ) -> (loss: Tensor<Scalar>, reconstruction: Tensor<Scalar>, divergence: Tensor<Scalar>) {
    require(
      encoded > 0 && length >= encoded,
      "PixelMechanics: windows of \(length) frames, of which the encoder sees \(encoded)")
    require(
      windows.frames.rank == 2 && windows.starts.rank == 1,
      "PixelMechanics: needs frames [frames, pixels] and starts [rows], got \(windows.frames.shape) and "
        + "\(windows.starts.shape)")
    let rows = windows.starts.shape[0]
    // In Double: Float does not count past 2^24 frames.
    let first = windows.starts.converted(to: Double.self).reshaped(to: [1, rows])
    let indices = (first + Tensor<Double>.iota(length).reshaped(to: [length, 1])).converted(to: Int32.self)
    let features = encoder.features(windows.frames).gather(at: indices.sliced(0..<encoded, axis: 0))
    let (mean, deviation) = encoder(features: features)
    require(
      priorDeviations.count == mean.shape[1],
      "PixelMechanics: \(priorDeviations.count) prior deviations for phases of \(mean.shape[1]) columns")
    require(
      priorDeviations.allSatisfy { $0 > 0 && $0.isFinite },
      "PixelMechanics: prior deviations must be positive, got \(priorDeviations)")
    let start = mean + deviation * Tensor.normal(shape: mean.shape, key: key)
    let logits = decoded(map.phases(from: start, steps: length - 1))
    let frames = windows.frames.gather(at: indices)
    require(
      logits.shape == frames.shape,
      "PixelMechanics: the decoder makes pictures of shape \(logits.shape) of frames of shape \(frames.shape)"
    )
    // -log of the Bernoulli likelihood, p = sigmoid(logit).
    let reconstruction = (softplus(logits) - frames * logits).sum() * (1 / Double(rows))
    let prior = Tensor<Scalar>(priorDeviations.map { Scalar($0) })
    let ratio = square(deviation / prior)
    let divergence = (ratio + square(mean / prior) - 1 - log(ratio)).sum() * (0.5 / Double(rows))
    return (reconstruction + divergence, reconstruction, divergence)
  }

  /// Logits of the pixels, [times, rows, pixels], of phases [times, rows, 2n].
  public func decoded(_ phases: Tensor<Scalar>) -> Tensor<Scalar> {
    require(
      phases.rank == 3, "PixelMechanics: phases must be [times, rows, columns], got shape \(phases.shape)")
    let count = phases.shape[0] * phases.shape[1]
    let logits = decoder(view(phases.reshaped(to: [count, phases.shape[2]])))
    return logits.reshaped(to: [phases.shape[0], phases.shape[1], logits.shape[1]])
  }

  /// Phases and the probabilities of pixels after 0 to `steps` steps from the mean phase at the first of frames
  /// [encoded, rows, pixels].
  public func forecast(from frames: Tensor<Scalar>, steps: Int) -> (
    phases: Tensor<Scalar>, pixels: Tensor<Scalar>
  ) {
    let phases = map.phases(from: encoder(frames).mean, steps: steps)
    return (phases, sigmoid(decoded(phases)))
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {
    visit("encoder", &encoder)
    visit("map", &map)
    visit("decoder", &decoder)
  }
}
