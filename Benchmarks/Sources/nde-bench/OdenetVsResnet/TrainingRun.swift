import Foundation
import NODECore
import RunnerSupport

/// The data of a run.
/// Trains one row of the table: epochs over the training images, the test error after each, a checkpoint after each.
struct TrainingRun<Model: Module> {
  typealias Logits = @Sendable (Model, Tensor<Float>) throws -> Tensor<Float>

  let name: String
  let budget: Results.Budget
  let data: RunData
  let augmentation: Augmentation
  let checkpointPath: String
  private let logits: Logits
  private var trainer: Trainer<Model, LabelledImages, Float>
  private let key: RandomKey
  private let trainBuffer: BatchBuffer<LabelledImages>
  private let testBuffer: BatchBuffer<LabelledImages>

  /// Images of one evaluation; divides every test set this runner makes.
  static var testBatch: Int { 250 }

  init(
    name: String, model: Model, optimizer: some Optimizer, budget: Results.Budget, data: RunData,
    augmentation: Augmentation, checkpointPath: String, logits: @escaping Logits
  ) {
    self.name = name
    self.budget = budget
    self.data = data
    self.augmentation = augmentation
    self.checkpointPath = checkpointPath
    self.logits = logits
    key = RandomKey(seed: budget.seed)
    trainer = Trainer(model, optimizer: optimizer, key: key) { model, batch, _ in
      let scores = try logits(model, batch.images)
      let loss = softmaxCrossEntropy(logits: scores, labels: batch.labels).mean()
      return Objective(
        loss: loss, metrics: ["errors": classificationErrors(logits: scores, labels: batch.labels)])
    }
    trainer.architecture = "\(name), \(budget.channels) channels"
    trainBuffer = Self.buffer(budget.batch, data.train)
    testBuffer = Self.buffer(Self.testBatch, data.test)
  }

  private static func buffer(_ count: Int, _ data: ImageDataset) -> BatchBuffer<LabelledImages> {
    BatchBuffer(like: data.batch(Array(repeating: 0, count: count)[...]))
  }

  /// Bytes of one training step as planned: parameters, optimizer state, activations, solver memory.
  mutating func plannedBytes() throws -> Int {
    try trainer.stepProgram(for: data.train.batch(Array(0..<budget.batch)[...])).plannedBytes
  }

  var model: Model { trainer.model }

  /// Goes on from the row's checkpoint. False where there is none, or where it was made after another epoch.
  mutating func restore(epoch: Int) throws -> Bool {
    guard FileManager.default.fileExists(atPath: checkpointPath) else { return false }
    do {
      let checkpoint = try Checkpoint(contentsOf: checkpointPath)
      guard checkpoint.notes["epochs"] == String(epoch) else { return false }
      try trainer.restore(checkpoint)
    } catch {
      throw RunnerError("\(checkpointPath) cannot be used for \(name): \(error)")
    }
    return true
  }

  /// One epoch and its test error. Nil when the user interrupted it.
  mutating func epoch(_ number: Int, progress: inout ProgressLine) throws -> Results.Epoch? {
    let plan = EpochPlan(sampleCount: data.train.count, batchSize: budget.batch, key: key, epoch: number)
    let shifts = key.fold(in: 1_000_000 + number)
    var lossSum = 0.0, forward = 0.0, backward = 0.0
    let start = monotonicSeconds()
    for batch in 0..<plan.batchCount {
      guard !Interrupt.isRequested else { return nil }
      trainBuffer.fill(from: data.train, plan[batch], augmentation: augmentation, key: shifts)
      let loss = try naming(name) { try trainer.step(trainBuffer) }
      lossSum += loss
      if let report = trainer.report {
        forward += Double(report.forwardEvaluations)
        backward += Double(report.backwardEvaluations)
      }
      show(number, batch + 1, of: plan.batchCount, loss: lossSum / Double(batch + 1), since: start, &progress)
    }
    let seconds = monotonicSeconds() - start
    let errors = try testErrors()
    try trainer.checkpoint(notes: ["epochs": String(number)]).write(to: checkpointPath)
    let batches = Double(plan.batchCount)
    return Results.Epoch(
      epoch: number, meanLoss: lossSum / batches, testErrors: errors, seconds: seconds,
      forwardEvaluations: forward / batches, backwardEvaluations: backward / batches)
  }

  private func show(
    _ epoch: Int, _ done: Int, of count: Int, loss: Double, since start: Double,
    _ progress: inout ProgressLine
  ) {
    guard progress.isLive else { return }
    let elapsed = monotonicSeconds() - start
    let total = Double(budget.epochs - epoch) * Double(count) + Double(count - done)
    progress.update(
      "\(name) epoch \(epoch)/\(budget.epochs)", fraction: Double(done) / Double(count),
      detail: String(format: "loss %.4f, %.0f images/s", loss, Double(done * budget.batch) / elapsed),
      secondsLeft: elapsed / Double(done) * total)
  }

  /// Misclassified images of the whole test set.
  mutating func testErrors() throws -> Int {
    var errors = 0.0
    for first in stride(from: 0, to: data.test.count, by: Self.testBatch) {
      testBuffer.fill(from: data.test, Array(first..<(first + Self.testBatch))[...])
      errors += try trainer.evaluate(testBuffer)["errors"] ?? .nan
    }
    return Int(errors.rounded())
  }
}

/// Images whose largest score is not their label's, as a number; of several largest ones any counts. Scores that are not
/// numbers are errors.
func classificationErrors(logits: Tensor<Float>, labels: Tensor<Int32>) -> Tensor<Float> {
  Tensor(Float(logits.shape[0])) - correctCount(logits: logits, labels: labels)
}

extension Error {
  /// Whether it says how the numbers went: a solve that failed, or a step that was not taken.
  var isNumerical: Bool { self is SolveError || self is TrainingError }
}

/// A step that is not taken ends a run: the error then names it.
func naming<Result>(_ run: String, _ step: () throws -> Result) throws -> Result {
  do { return try step() } catch let error as TrainingError { throw RunnerError("\(run): \(error)") }
}

/// One clear sentence for the user.
struct RunnerError: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}
