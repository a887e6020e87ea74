import ArgumentParser
import Foundation
import NODECore
import RunnerSupport

/// A convolutional flow on digits of 14 x 14, in bits a pixel.
struct DensityImages: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "images",
    abstract: "Learns the density of MNIST digits of 14 x 14 with a convolutional flow; bits/dim.",
    discussion: """
      Digits are means of 2 x 2 pixels, rounded to 256 levels, with uniform noise within a level, through a logit. Training \
      takes one Rademacher probe for the trace. So does the test, in double precision at --tolerance: the mean over images \
      stays unbiased, and the probes' noise is in its standard error; --exact takes the trace of every column. Beside it \
      stand densities without a network, fitted to the same training pixels: independent ones, and the normal distribution \
      of the logits with all covariances. MNIST is looked for as by odenet-vs-resnet; without it the digits are generated ones.
      """)

  @Option(help: "Folder with the four MNIST files.") var mnist: String?
  @Option(help: "Training images.") var trainImages = 60_000
  @Option(help: "Test images.") var testImages = 10_000
  @Option(help: "Training steps.") var iterations = 3000
  @Option(help: "Images of one step.") var batch = 64
  @Option(parsing: .upToNextOption, help: "Channels of hidden layers.") var hidden = [16, 16]
  @Option(help: "Largest learning rate; it falls to a hundredth.") var learningRate = 2e-3
  @Option(help: "What the logit keeps of 0 and 1; the pixels that are 0 spread over the logarithm of it.")
  var margin = 1e-6
  @Option(help: "Tolerance of the test.") var tolerance = 1e-5
  @Flag(help: "Test with the exact trace: as many products as pixels at every evaluation.") var exact = false
  @Option(help: "Seed.") var seed: UInt64 = 1
  @Option(help: "Threads; all cores unless told.") var threads: Int?
  @Option(help: "Folder for images.json, images.md and samples.png.") var out = "Benchmarks/runs/images"

  private struct Report: Codable {
    var data: String
    var rows: [ImageBaselines.Row]
    var parameters: Int, steps: Int, batch: Int, hidden: [Int], learningRate: Double, margin: Double,
      seconds: Double
    var testImages: Int, seed: UInt64, tolerance: Double

    var table: TextTable {
      var table = TextTable(["density of \(data), 14 x 14", "bits/dim of \(testImages) test images"])
      for row in rows {
        table.add([row.name, String(format: "%.4f ± %.4f", row.bitsPerDimension, row.standardError)])
      }
      return table
    }

    func write(to folder: String) throws {
      try writeAtomically(try jsonText(self), to: folder + "/images.json")
      try writeAtomically(table.markdown + "\n", to: folder + "/images.md")
    }
  }

  private static let side = 14, pixels = side * side
  private typealias Field = ImageFlowField
  private typealias Density<S: FloatingScalar> = FlowDensity<
    FlowPair<ContinuousFlow<Field<S>>, LogitFlow<S>>, NormalDistribution<S>
  >

  func validate() throws {
    // The normal distribution beside it has 196 columns.
    try requireOption("--train-images", trainImages, in: 1000...60_000)
    try requireOption("--test-images", testImages, in: 2...10_000)
    try requireOption("--iterations", iterations, in: 1...10_000_000)
    try requireOption("--batch", batch, in: 2...10_000)
    try requireOption("--threads", threads, in: 1...Runtime.maximumThreads)
    guard !hidden.isEmpty, hidden.allSatisfy({ 1...1024 ~= $0 }) else {
      throw ValidationError("--hidden must name channels in 1...1024, got \(hidden)")
    }
    guard margin >= 1e-7, margin < 0.5 else {
      throw ValidationError("--margin must be in [1e-7, 0.5), got \(margin)")
    }
    guard learningRate > 0, learningRate.isFinite, tolerance > 0, tolerance < 1 else {
      throw ValidationError(
        "--learning-rate and --tolerance must be positive, got \(learningRate), \(tolerance)")
    }
  }

  /// One key for each use of random numbers.
  private var streams: [RandomKey] { RandomKey(seed: seed).split(8) }

  private func density<S: FloatingScalar>(_: S.Type, _ divergence: DivergenceMethod) -> Density<S> {
    let flow = ContinuousFlow(
      Field<S>(height: Self.side, width: Self.side, hidden: hidden, key: streams[0]),
      dimensions: Self.pixels, divergence: divergence, options: SolveOptions(rtol: 1e-3, atol: 1e-3))
    return FlowDensity(
      FlowPair(flow, LogitFlow(Self.pixels, margin: margin)),
      base: NormalDistribution(dimensions: Self.pixels))
  }

  func run() throws {
    Interrupt.install()
    if let threads { Runtime.threads = threads }
    try makeFolder(out)
    let data = try RunData(mnist: mnist, trainCount: trainImages, testCount: testImages)
    // Weights, the test's noise, training, places and noise of its batches, the test's probes, the baselines' noise, samples.
    let keys = streams
    let trainLevels = Self.levels(data.train), testRows = try Self.noisy(Self.levels(data.test), keys[1])
    var trainer = Trainer(
      density(Float.self, .hutchinson()),
      optimizer: Adam(learningRate: .cosine(learningRate, steps: iterations, end: learningRate / 100)),
      maximumGradientNorm: 10, key: keys[2]
    ) { (density: Density<Float>, x: Tensor<Float>, key: RandomKey) in
      Objective(loss: -(try density.logDensity(x, key: key)).mean() * (1 / Double(Self.pixels)))
    }
    var progress = ProgressLine(), smooth = 0.0
    let start = monotonicSeconds()
    var steps = 0
    while steps < iterations, !Interrupt.isRequested {
      let places = try Tensor<Double>.uniform(
        shape: [batch], in: 0..<Double(data.train.count), key: keys[3].fold(in: steps)
      ).evaluated().scalars
      let rows = places.flatMap { trainLevels[Int($0) * Self.pixels..<(Int($0) + 1) * Self.pixels] }
      let x = try Self.noisy(rows, keys[4].fold(in: steps))
      let loss = try trainer.step(Tensor(x.scalars.map { Float($0) }, shape: x.shape))
      steps += 1
      smooth += (loss - smooth) * Swift.max(0.02, 1 / Double(steps))
      progress.update(
        "images", done: steps, of: iterations,
        detail: String(format: "%.3f bits/dim", smooth / Foundation.log(2.0) + 8))
    }
    progress.clear()
    let seconds = monotonicSeconds() - start
    let learned = trainer.model.parameterVector(Float.self).scalars
    var tested = density(Double.self, .exact).replacingParameters(with: Tensor(learned.map(Double.init)))
    tested.flow.first = tested.flow.first.evaluating(tolerance: tolerance)
    if !exact { tested.flow.first.divergence = .hutchinson() }
    let bits = try tested.negativeLogLikelihood(of: testRows, batch: exact ? 10 : 250, key: keys[5])
      .bitsPerDimension(Self.pixels)
    let baselines = try ImageBaselines(pixels: Self.pixels, margin: margin)
      .rows(train: try Self.noisy(trainLevels, keys[6]), test: testRows)
    say(
      String(
        format: "%@ 14 x 14: %.4f ± %.4f bits/dim of %d test images after %d steps in %.0f s", data.name,
        bits.mean, bits.standardError, bits.count, steps, seconds))
    let own = ImageBaselines.Row(
      name: "convolutional flow", bitsPerDimension: bits.mean, standardError: bits.standardError)
    let report = Report(
      data: data.name, rows: [own] + baselines, parameters: learned.count, steps: steps, batch: batch,
      hidden: hidden,
      learningRate: learningRate, margin: margin, seconds: seconds, testImages: bits.count, seed: seed,
      tolerance: tolerance)
    print("\n" + report.table.terminal)
    try report.write(to: out)
    try draw(tested.sample(64, key: keys[7]).evaluated().scalars, testRows.scalars)
    say("images.json, images.md and samples.png (samples beside test digits) are in \(out)")
    if Interrupt.isRequested { throw ExitCode(130) }
  }

  /// Means of 2 x 2 pixels, rounded: 0...255.
  private static func levels(_ images: ImageDataset) -> [Double] {
    var result: [Double] = []
    result.reserveCapacity(images.count * pixels)
    for image in 0..<images.count {
      for y in 0..<side {
        for x in 0..<side {
          var sum = 0
          for (dy, dx) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            sum += Int(images.pixels[(image * images.height + 2 * y + dy) * images.width + 2 * x + dx])
          }
          result.append((Double(sum) / 4).rounded())
        }
      }
    }
    return result
  }

  /// (level + uniform noise) / 256, [rows, pixels].
  private static func noisy(_ levels: [Double], _ key: RandomKey) throws -> Tensor<Double> {
    let shape: Shape = [levels.count / pixels, pixels]
    return try ((Tensor(levels, shape: shape) + .uniform(shape: shape, key: key)) * (1 / 256.0)).evaluated()
  }

  private func draw(_ samples: [Double], _ test: [Double]) throws {
    let side = Self.side, scale = 3, cell = side * scale + 4
    var picture = PNG(width: 17 * cell, height: 8 * cell)
    for (offset, images) in [(0, samples), (9, test)] {
      for index in 0..<min(64, images.count / Self.pixels) {
        let left = (offset + index % 8) * cell, top = index / 8 * cell
        for y in 0..<side * scale {
          for x in 0..<side * scale {
            let value = images[index * Self.pixels + y / scale * side + x / scale]
            let grey = UInt8(Swift.max(0, Swift.min(255, value.isFinite ? value * 255 : 0)))
            picture.set(left + x, top + y, (grey, grey, grey))
          }
        }
      }
    }
    try writeAtomically(picture.encoded, to: out + "/samples.png")
  }
}
