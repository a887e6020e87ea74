import ArgumentParser
import NODECore
import RunnerSupport

/// The rows of the table, in the order they are trained.
enum RowName: String, CaseIterable, ExpressibleByArgument, Codable {
  case mlp, noBlock = "no-block", resNet1 = "resnet-1", resNet6 = "resnet-6", rkNet = "rk-net", odeNet =
    "ode-net"
  case odeNetBacksolve = "ode-net-backsolve", odeNetAugmented = "ode-net-augmented"

  var title: String {
    switch self {
    case .mlp: "MLP 784-300-10"
    case .noBlock: "stem, no block"
    case .resNet1: "ResNet-1"
    case .resNet6: "ResNet-6"
    case .rkNet: "RK-Net (rk4)"
    case .odeNet: "ODE-Net .exact"
    case .odeNetBacksolve: "ODE-Net .backsolve"
    case .odeNetAugmented: "ODE-Net +8 channels"
    }
  }

  /// The tolerance of the adaptive rows: that of the authors' script.
  static let tolerance = 1e-3

  /// The convolutional network of the row; nil for the MLP.
  func classifier(channels: Int, key: RandomKey) -> ImageClassifier<Float>? {
    let exact = SolveOptions(method: .dopri5, rtol: Self.tolerance, atol: Self.tolerance)
    var backsolve = exact
    backsolve.sensitivity = .backsolve
    switch self {
    case .mlp: return nil
    case .noBlock: return .resNet(blocks: 0, channels: channels, key: key)
    case .resNet1: return .resNet(blocks: 1, channels: channels, key: key)
    case .resNet6: return .resNet(blocks: 6, channels: channels, key: key)
    case .rkNet: return .rkNet(steps: 4, channels: channels, key: key)
    case .odeNet: return .odeNet(options: exact, channels: channels, key: key)
    case .odeNetBacksolve: return .odeNet(options: backsolve, channels: channels, key: key)
    case .odeNetAugmented: return .odeNet(options: exact, augmentedChannels: 8, channels: channels, key: key)
    }
  }

  var isAdaptive: Bool { [.odeNet, .odeNetBacksolve, .odeNetAugmented].contains(self) }
}

/// What runs the rows shares.
struct RowContext {
  var budget: Results.Budget
  var data: RunData
  var folder: String
  /// Rows of an earlier run of the same budget, complete or not.
  var earlier: [Results.Row]
  var progress = ProgressLine()

  /// One-cycle schedule (Smith and Topin 2017) over the whole budget, momentum 0.9: what makes a dozen epochs enough.
  func optimizer(peak: Double) -> SGD {
    let steps = budget.epochs * (budget.trainImages / budget.batch)
    return SGD(learningRate: .oneCycle(peak, steps: steps), momentum: 0.9)
  }

  /// Trains a row, calling `update` after every epoch with the row so far.
  mutating func run(_ row: RowName, update: (Results.Row) throws -> Void) throws {
    let key = RandomKey(seed: budget.seed)
    let path = "\(folder)/checkpoints/\(row.rawValue).safetensors"
    if let model = row.classifier(channels: budget.channels, key: key) {
      var training = TrainingRun(
        name: row.title, model: model, optimizer: optimizer(peak: 0.1), budget: budget, data: data,
        augmentation: .randomCrop(padding: 4), checkpointPath: path
      ) { model, images in try model(images) }
      let sample = data.test.batch(Array(0..<100)[...]).images
      try train(row, &training, update: update) { model in try Self.reconstruction(model, images: sample) }
    } else {
      var training = TrainingRun(
        name: row.title, model: MLPClassifier<Float>(key: key), optimizer: optimizer(peak: 0.1),
        budget: budget,
        data: data, augmentation: .none, checkpointPath: path
      ) { model, images in model(images) }
      try train(row, &training, update: update) { _ in nil }
    }
  }

  private mutating func train<Model: Module>(
    _ row: RowName, _ training: inout TrainingRun<Model>, update: (Results.Row) throws -> Void,
    reconstruction: (Model) throws -> Results.Reconstruction?
  ) throws {
    let before = ResidentMemory.resetPeak()
    var result = Results.Row(
      name: row.title, parameters: training.model.parameterCount, plannedBytes: try training.plannedBytes(),
      peakBytes: nil, epochs: [], reconstruction: nil, isComplete: false)
    if let known = earlier.first(where: { $0.name == row.title }), !known.epochs.isEmpty {
      // A process that was killed between the two files leaves a checkpoint that is an epoch ahead of the results:
      // that epoch's figures are lost, so the row starts again rather than count it twice.
      if try training.restore(epoch: known.epochs.count) { result = known }
    }
    let isAllThere =
      result.epochs.count == budget.epochs
      && (result.reconstruction != nil || !row.isAdaptive)
    guard !isAllThere else { return say("\(row.title): \(budget.epochs) epochs from the earlier run") }
    for number in (result.epochs.count + 1)..<(budget.epochs + 1) {
      guard let epoch = try training.epoch(number, progress: &progress) else { break }
      result.epochs.append(epoch)
      result.isComplete = number == budget.epochs
      progress.clear()
      try update(result)
    }
    result.isComplete = result.epochs.count == budget.epochs
    if let before, let peak = ResidentMemory.peak {
      result.peakBytes = max(result.peakBytes ?? 0, peak - before)
    }
    if row.isAdaptive, !result.epochs.isEmpty, !Interrupt.isRequested {
      result.reconstruction = try reconstruction(training.model)
    }
    progress.clear()
    try update(result)
  }

  /// 0 -> 1 -> 0 at the training tolerance, then at tighter ones until the state that comes back is within 1 %.
  private static func reconstruction(
    _ model: ImageClassifier<Float>, images: Tensor<Float>
  ) throws -> Results.Reconstruction? {
    guard let ode = model.ode else { return nil }
    let start = try model.features(images).evaluated()
    func check(_ tolerance: Double) throws -> (error: Double, evaluations: Double) {
      var model = ode
      model.options.rtol = tolerance
      model.options.atol = tolerance
      let solution = try model.path(from: start, at: [ode.t0, ode.t1]).evaluated()
      return (try solution.reconstructionError(), Double(try solution.statistics.evaluations))
    }
    let first = try check(RowName.tolerance)
    var result = Results.Reconstruction(tolerance: RowName.tolerance, relativeError: first.error)
    var tolerance = RowName.tolerance, last = first
    // Single precision: below about 1e-7 a tolerance asks for more than the arithmetic has.
    while last.error >= 0.01, tolerance > 1.5e-7 {
      tolerance /= 10
      last = try check(tolerance)
    }
    if last.error < 0.01 {
      result.passingTolerance = tolerance
      result.passingError = last.error
      result.passingEvaluations = last.evaluations
    }
    return result
  }
}
