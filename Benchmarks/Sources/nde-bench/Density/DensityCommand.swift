import ArgumentParser
import Foundation
import NODECore
import RunnerSupport

struct DensityCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "density",
    abstract: "Learns the density of points with a continuous normalizing flow.",
    subcommands: [
      DensityTrain.self, DensitySample.self, DensityLogpdf.self, DensityPlanar.self, DensityPlanarGrid.self,
      DensityTransport.self,
      DensityImages.self, DensityCost.self,
    ],
    defaultSubcommand: DensityTrain.self)
}

struct DensityTrain: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train",
    abstract: "Learns a density; writes a model file, a report and pictures.",
    discussion: """
      Data are \(PlaneDataset.allCases.map(\.rawValue).joined(separator: ", ")), or a CSV file of numbers with at least two \
      columns, every tenth row of which is kept for testing. The negative log-likelihood that is reported is of points not \
      trained on, in nats, in double precision, with an exact trace and steps at 1e-7.
      """)

  @Option(help: "A known density, or \"csv\".") var data = "moons"
  @Argument(help: "The file of --data csv.") var file: String?
  @Option(help: "ffjord, planar or matching.") var method = DensityMethod.ffjord
  @Option(help: "Training steps.") var iterations = 10_000
  @Option(help: "Points of one step.") var batch = 256
  @Option(help: "Largest learning rate; it falls to a hundredth.") var learningRate = 2e-3
  @Option(parsing: .upToNextOption, help: "Widths of hidden layers.") var hidden = [64, 64]
  @Option(help: "Hidden units of a planar flow.") var units = 64
  @Option(help: "Points of the test.") var testPoints = 20_000
  @Option(help: "Seed of weights and data.") var seed: UInt64 = 1
  @Option(help: "Threads; all cores unless told.") var threads: Int?
  @Option(help: "Folder for model, report and pictures.") var out = "Benchmarks/runs/density"

  func validate() throws {
    try requireOption("--iterations", iterations, in: 1...100_000_000)
    try requireOption("--batch", batch, in: 2...1_000_000)
    guard method != .matching || batch <= 4096 else {
      throw ValidationError(
        "--method matching pairs each batch by exact assignment: --batch must be in 2...4096, got \(batch)")
    }
    try requireOption("--units", units, in: 1...4096)
    try requireOption("--test-points", testPoints, in: 100...10_000_000)
    try requireOption("--threads", threads, in: 1...Runtime.maximumThreads)
    for width in hidden { try requireOption("--hidden", width, in: 1...4096) }
    guard !hidden.isEmpty else { throw ValidationError("--hidden must name at least one width") }
    guard learningRate > 0, learningRate.isFinite else {
      throw ValidationError("--learning-rate must be positive, got \(learningRate)")
    }
    if data == "csv" {
      guard file != nil else { throw ValidationError("--data csv needs the name of a file") }
    } else if file != nil || PlaneDataset(rawValue: data) == nil {
      let names = PlaneDataset.allCases.map(\.rawValue).joined(separator: ", ")
      throw ValidationError("--data is one of \(names), or csv and a file; got \(data) \(file ?? "")")
    }
  }

  func run() throws {
    Interrupt.install()
    if let threads { Runtime.threads = threads }
    let source = try DensitySource(data, file: file, settings: method, hidden: hidden, units: units)
    try makeFolder(out)
    say(
      "\(source.settings.data): \(source.settings.dimensions) columns, \(method.rawValue), \(iterations) steps of \(batch)"
    )
    for warning in source.warnings { say("warning: \(warning)") }
    let start = monotonicSeconds()
    let (model, losses) = try DensityTraining(
      settings: source.settings, iterations: iterations, batch: batch, learningRate: learningRate, seed: seed,
      draw: source.draw
    ).run()
    let seconds = monotonicSeconds() - start
    try model.write(to: out + "/model.safetensors")
    let test = try source.test(testPoints, RandomKey(seed: seed).fold(in: 99))
    var nll = try model.density.negativeLogLikelihood(of: test)
    nll.mean += source.settings.logVolume
    let report = DensityReport(
      settings: source.settings, seed: seed, iterations: losses.last?.step ?? 0, batch: batch,
      seconds: seconds,
      nll: nll, entropy: source.entropy, losses: losses)
    try report.write(to: out)
    if source.settings.dimensions == 2 {
      try DensityPicture(model: model, data: source.settings.original(test.scalars), title: report.line)
        .write(to: out)
    }
    say(report.line)
    say("model.safetensors, report.json and pictures are in \(out)")
    if Interrupt.isRequested { throw ExitCode(130) }
  }
}

struct DensitySample: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sample", abstract: "Draws points from a density that was learned, as CSV.")

  @Option(help: "A model file of the train command.") var model: String
  @Option(help: "Points.") var count = 1000
  @Option(help: "Seed.") var seed: UInt64 = 1
  @Option(help: "A file; standard output unless told.") var out: String?

  func validate() throws { try requireOption("--count", count, in: 1...100_000_000) }

  func run() throws {
    let model = try DensityModel(contentsOf: model)
    var text = model.settings.columns.map(CSV.quoted).joined(separator: ",") + "\n"
    for start in stride(from: 0, to: count, by: 1000) {
      let rows = min(1000, count - start)
      let x = try model.density.sample(rows, key: RandomKey(seed: seed).fold(in: start / 1000)).evaluated()
      let numbers = model.settings.original(x.scalars), width = model.settings.dimensions
      for row in 0..<rows {
        text += numbers[row * width..<(row + 1) * width].map { "\($0)" }.joined(separator: ",") + "\n"
      }
    }
    if let out { try writeAtomically(text, to: out) } else { print(text, terminator: "") }
  }
}

struct DensityLogpdf: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "logpdf", abstract: "The log-density, in nats, of every row of a CSV file.")

  @Option(help: "A model file of the train command.") var model: String
  @Argument(help: "A CSV file with the model's columns.") var file: String

  func run() throws {
    let model = try DensityModel(contentsOf: model)
    let table = try DensityTable(csv: file, isForTraining: false)
    let width = model.settings.dimensions
    guard table.columns.count == width else {
      throw RunnerError("\(file) has \(table.columns.count) columns, the model is of \(width)")
    }
    // Columns in another order have densities too, of something else.
    let columns = model.settings.columns
    if table.hasNames, columns != DensityTable.numbered(width), table.columns != columns {
      func list(_ names: [String]) -> String { names.map(CSV.quoted).joined(separator: ",") }
      throw RunnerError(
        "\(file) has the columns \(list(table.columns)), the model is of \(list(columns)) in this order")
    }
    let x = Tensor(model.settings.standardised(table.numbers), shape: [table.rows, width])
    for start in stride(from: 0, to: table.rows, by: 1000) {
      let part = x.sliced(start..<min(start + 1000, table.rows), axis: 0)
      for number in try model.density.logDensity(part).evaluated().scalars {
        print(number - model.settings.logVolume)
      }
    }
  }
}
