import Foundation
import NODECore
import RunnerSupport

/// Models compared on a map of points: how they are built and trained on it.
struct MapExperiment {
  enum Loss { case meanSquared, huber }

  var task: String
  var dataset: DepthDataset
  var kinds: [DepthModelKind]
  var architecture: DepthModelKind.Architecture
  var iterations: Int
  /// nil: all points in every step.
  var batch: Int?
  var learningRate: Double
  var loss = Loss.meanSquared
  /// Whether a linear read-out is limited to [-1, 1].
  var clampsReadout = false
  var testCount = 1000

  /// One training and what it came to.
  struct Run {
    var model: DepthRegressor
    /// nil where no tolerance passes the check of reconstruction, or training failed.
    var checked: CheckedModel?
    var testError = Double.infinity
    var accuracy = 0.0
    /// The field's evaluations in a forward solve at the tolerance of training, over training.
    var evaluations: [(step: Int, count: Double)] = []
  }

  func run(_ kind: DepthModelKind, seed: UInt64, progress: String) throws -> Run {
    let keys = RandomKey(seed: seed).split(5)
    let data: InputTargets<Double> = dataset.sample(dataset.trainCount, key: keys[0])
    let test: InputTargets<Double> = dataset.sample(testCount, key: keys[1])
    var run = Run(model: model(kind, keys))
    if let failed = try train(&run, on: data, key: keys[4], progress) {
      say("\(task), \(kind.rawValue), seed \(seed): training ended in step \(failed.step): \(failed.error)")
      return run
    }
    guard let checked = CheckedModel(run.model.flow, on: test.inputs) else {
      say("\(task), \(kind.rawValue), seed \(seed): no tolerance passes the check of reconstruction")
      return run
    }
    run.checked = checked
    run.model.flow = checked.flow
    let path = try checked.flow.depthPath(from: test.inputs, at: [0, 1])
    let prediction = run.model.prediction(path, like: test.targets)
    run.testError = try meanSquaredError(prediction, test.targets).evaluated().scalar
    let pairs = zip(try prediction.evaluated().scalars, test.targets.scalars)
    run.accuracy = Double(pairs.count { $0.0 * $0.1 > 0 }) / Double(test.targets.count)
    return run
  }

  private func model(_ kind: DepthModelKind, _ keys: [RandomKey]) -> DepthRegressor {
    let flow = kind.make(architecture, key: keys[2])
    guard dataset.isClassification else { return DepthRegressor(flow: flow) }
    let width = kind == .anode ? architecture.dimensions + architecture.augmented : architecture.dimensions
    let linear = Linear<Double>(width, 1, key: keys[3])
    return DepthRegressor(flow: flow, readout: clampsReadout ? Sequential(linear, Clamp<Double>()) : linear)
  }

  /// Where and why training ended early, if it did.
  private func train(
    _ run: inout Run, on data: InputTargets<Double>, key: RandomKey, _ progress: String
  ) throws -> (step: Int, error: String)? {
    let loss = loss
    var trainer = Trainer(run.model, optimizer: .adam(learningRate: .constant(learningRate))) {
      (model: DepthRegressor, batch: InputTargets<Double>) -> Tensor<Double> in
      let prediction = model.prediction(
        try model.flow.depthPath(from: batch.inputs, at: [0, 1]), like: batch.targets)
      switch loss {
      case .meanSquared: return meanSquaredError(prediction, batch.targets)
      case .huber: return huberLoss(prediction, batch.targets)
      }
    }
    var batches = Batches(data, size: batch ?? data.inputs.shape[0], key: key)
    var line = ProgressLine(), spent: [Double] = []
    for step in 1...iterations where !Interrupt.isRequested {
      do {
        let value = try trainer.step(batches.next())
        spent.append(Double(trainer.report!.forwardEvaluations))
        if spent.count == max(1, iterations / 50) {
          run.evaluations.append((step, median(spent)))
          spent = []
        }
        line.update(progress, done: step, of: iterations, detail: String(format: "loss %.5f", value))
      } catch let error as SolveError {
        line.clear()
        return (step, "\(error.status)")
      } catch let error as TrainingError {
        line.clear()
        return (step, error.reason)
      }
    }
    line.clear()
    run.model = trainer.model
    return nil
  }
}

/// Rows in a new random order each time all of them were seen; the last, smaller batch of an order is left
/// out.
private struct Batches {
  private let inputs: [Double], targets: [Double]
  private let widths: (inputs: Int, targets: Int)
  private let rows: Int, size: Int
  private let all: InputTargets<Double>
  private var stream: RandomStream
  private var order: [Int], position = 0

  init(_ data: InputTargets<Double>, size: Int, key: RandomKey) {
    all = data
    inputs = data.inputs.scalars
    targets = data.targets.scalars
    rows = data.inputs.shape[0]
    widths = (data.inputs.shape[1], data.targets.shape[1])
    self.size = min(size, rows)
    order = Array(0..<rows)
    stream = RandomStream(key: key)
    stream.shuffle(&order)
  }

  mutating func next() -> InputTargets<Double> {
    guard size < rows else { return all }
    if position + size > rows {
      stream.shuffle(&order)
      position = 0
    }
    let chosen = order[position..<position + size]
    position += size
    func take(_ numbers: [Double], _ width: Int) -> Tensor<Double> {
      Tensor(chosen.flatMap { numbers[$0 * width..<($0 + 1) * width] }, shape: [size, width])
    }
    return InputTargets(inputs: take(inputs, widths.inputs), targets: take(targets, widths.targets))
  }
}
