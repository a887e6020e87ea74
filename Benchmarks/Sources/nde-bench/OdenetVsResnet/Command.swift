import ArgumentParser
import Foundation
import NODECore
import RunnerSupport

struct OdenetVsResnet: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "odenet-vs-resnet",
    abstract: "Trains ResNets, an RK-Net and ODE-Nets on MNIST and compares error, memory and time.",
    discussion: """
      MNIST is looked for in --mnist, $MNIST_DIR and data/mnist. Without it (or with --synthetic) \
      the networks learn generated digits, and every output says so. `make mnist` downloads it.
      """)

  @Flag(help: "The whole table: all images, 64 channels, 12 epochs. Hours.") var full = false
  @Option(help: "Folder with the four MNIST files.") var mnist: String?
  @Flag(help: "Generated digits even where MNIST is there.") var synthetic = false
  @Option(
    name: .customLong("rows"), parsing: .upToNextOption,
    help: "Rows to train: \(RowName.allValueStrings.joined(separator: ", ")).")
  var rowNames: [RowName] = RowName.allCases
  @Option(help: "Epochs of every row.") var epochs: Int?
  @Option(help: "Training images (a multiple of the batch is used).") var trainImages: Int?
  @Option(help: "Test images (a multiple of 250).") var testImages: Int?
  @Option(help: "Images of one step.") var batch = 128
  @Option(help: "Channels of the convolutional networks; the paper's have 64.") var channels: Int?
  @Option(help: "Seed of initial weights, shuffling and augmentation.") var seed: UInt64 = 1
  @Option(help: "Threads; all cores unless told.") var threads: Int?
  @Option(help: "Folder for results, pictures and checkpoints.") var out = "Benchmarks/runs/odenet-vs-resnet"
  @Flag(help: "Go on from the checkpoints of an earlier run with the same budget.") var resume = false
  @Flag(inversion: .prefixedNo, help: "Memory and time of one step against depth and evaluations.")
  var scaling = true

  /// Each row once, in the order asked for.
  var rows: [RowName] {
    rowNames.indices.filter { rowNames.firstIndex(of: rowNames[$0]) == $0 }.map { rowNames[$0] }
  }

  func validate() throws {
    try requireOption("--epochs", epochs, in: 1...100_000)
    try requireOption("--train-images", trainImages, in: 1...1_000_000)
    try requireOption("--test-images", testImages, in: 250...1_000_000)
    try requireOption("--batch", batch, in: 1...1_000_000)
    try requireOption("--channels", channels, in: 2...4096)
    try requireOption("--threads", threads, in: 1...Runtime.maximumThreads)
    if let testImages, testImages % 250 != 0 {
      throw ValidationError("--test-images must be a multiple of 250, got \(testImages)")
    }
    if out.allSatisfy(\.isWhitespace) { throw ValidationError("--out must name a folder") }
  }

  func run() throws {
    Interrupt.install()
    if let threads { Runtime.threads = threads }
    let data = try loadData()
    let budget = Results.Budget(
      data: data.name, trainImages: data.train.count, testImages: data.test.count,
      epochs: epochs ?? (full ? 12 : 5),
      batch: batch, channels: channels ?? (full ? 64 : 32), seed: seed, isFull: full)
    guard budget.trainImages >= batch else {
      throw RunnerError("\(budget.trainImages) training images do not fill one batch of \(batch)")
    }
    var results = try earlierResults(budget) ?? Results(machine: .here, budget: budget)
    results.machine = .here
    results.isInterrupted = false
    say(results.machine.summary)
    say(
      "\(budget.data): \(budget.trainImages) training and \(budget.testImages) test images, \(budget.epochs) epochs, "
        + "\(budget.channels) channels"
        + (full ? "" : " (a smaller budget than the paper's; FULL=1 for the whole table)"))

    try makeFolder(out + "/checkpoints")
    var context = RowContext(budget: budget, data: data, folder: out, earlier: results.rows)
    for row in rows where !Interrupt.isRequested {
      var shown = results.rows.first { $0.name == row.title }?.epochs.count ?? 0
      try context.run(row) { result in
        results.keep(result)
        try Report(results: results).write(to: out)
        if result.epochs.count != shown { printEpoch(result, budget) }
        shown = result.epochs.count
      }
    }
    if scaling, !Interrupt.isRequested {
      try ScalingStudy().run(data: data, budget: budget, isFull: full) { scaling in
        results.keep(scaling)
        say("scaling: \(scaling.name) done")
      }
    }
    results.isInterrupted = Interrupt.isRequested
    let report = Report(results: results)
    try report.write(to: out)
    say("\n" + report.terminal)
    say("\nresults.json, results.md and pictures are in \(out)")
    if results.isInterrupted { throw ExitCode(130) }
  }

  private func printEpoch(_ row: Results.Row, _ budget: Results.Budget) {
    guard let last = row.epochs.last else { return }
    say(
      String(
        format: "%@ epoch %d/%d: loss %.4f, test error %.2f %%, %.1f s", row.name, last.epoch, budget.epochs,
        last.meanLoss, 100 * Double(last.testErrors) / Double(budget.testImages), last.seconds))
  }

  /// With --resume: the results in the output folder, which must have the same budget. What they hold stays in them
  /// until something newer replaces it.
  private func earlierResults(_ budget: Results.Budget) throws -> Results? {
    let path = out + "/results.json"
    guard resume, FileManager.default.fileExists(atPath: path) else { return nil }
    let earlier = try Results.load(path)
    guard earlier.budget == budget else {
      throw RunnerError(
        "\(path) belongs to another budget; give the same options, or another --out, or no --resume")
    }
    return earlier
  }

  private func loadData() throws -> RunData {
    let testCount = testImages ?? (full ? 10_000 : 2_500)
    return try RunData(
      mnist: mnist, synthetic: synthetic, trainCount: trainImages ?? (full ? 60_000 : 12_800),
      testCount: testCount / 250 * 250)
  }
}

/// An option that is given has to lie in a range.
func requireOption(_ name: String, _ value: Int?, in range: ClosedRange<Int>) throws {
  if let value, !range.contains(value) {
    throw ValidationError("\(name) must be in \(range.lowerBound)...\(range.upperBound), got \(value)")
  }
}
