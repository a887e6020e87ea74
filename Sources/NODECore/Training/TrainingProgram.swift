/// A step or an evaluation, compiled for one signature of batches, with the memory of what it answers besides
/// the parameters.
///
/// Inputs: parameters [n], optimizer state [n]..., learning rate [], step [], key [2], batch tensors. An
/// evaluation has parameters, key and batch. Outputs: parameters, state (steps only), loss, gradient norm
/// (steps only), metrics, statistics of the solves.
final class TrainingProgram<Scalar: FloatingScalar> {
  let program: Program
  let batchTypes: [TensorType]
  private let isStep: Bool
  private let metricNames: [String]
  private let solveKinds: [Bool]
  /// Where a run writes its scalars and statistics: 64 bytes each, a row of statistics being the largest.
  private let results: UnsafeMutableRawPointer
  private let resultCount: Int
  // Argument lists, kept so that a run allocates nothing.
  private var inputs: [UnsafeRawPointer] = []
  private var outputs: [UnsafeMutableRawPointer] = []

  init(
    step: TracedStep<Scalar>, batch: [Value], isStep: Bool
  ) throws {
    self.isStep = isStep
    batchTypes = batch.map(\.type)
    metricNames = step.objective.metrics.map(\.name)
    let scalars =
      [step.objective.loss.value] + (step.gradientNorm.map { [$0] } ?? [])
      + step.objective.metrics.map(\.value.value)
    let solves = SolveOperation.statistics(reaching: step.updated + scalars)
    solveKinds = solves.map(\.isGradient)
    var options = CompileOptions()
    // Parameters are shared by the rows of a batch; tensors of the batch with its leading extent are rows.
    let rows = batch.first { $0.shape.rank > 0 }?.shape[0]
    options.lanes =
      step.inputs.map { _ in LaneHint.shared }
      + batch.map { $0.shape.rank > 0 && $0.shape[0] == rows ? .lanes : .shared }
    program = try Program.compile(
      inputs: step.inputs + batch, outputs: step.updated + scalars + solves.map(\.value), options: options)
    resultCount = scalars.count + solves.count
    results = .allocate(byteCount: 64 * max(resultCount, 1), alignment: 64)
    inputs.reserveCapacity(step.inputs.count + batch.count)
    outputs.reserveCapacity(step.updated.count + resultCount)
  }

  deinit { results.deallocate() }

  /// Runs with the addresses of the inputs and of the updated parameters and state.
  func run(_ fixed: [UnsafeRawPointer], batch: [UnsafeRawPointer], updated: [UnsafeMutableRawPointer]) throws
  {
    bind(fixed, batch, updated)
    try program.run(inputs: inputs, outputs: outputs)
  }

  /// As `run`, so many times.
  func profile(
    _ fixed: [UnsafeRawPointer], batch: [UnsafeRawPointer], updated: [UnsafeMutableRawPointer], runs: Int
  ) throws -> Profile {
    bind(fixed, batch, updated)
    return try program.profile(inputs: inputs, outputs: outputs, runs: runs)
  }

  private func bind(
    _ fixed: [UnsafeRawPointer], _ batch: [UnsafeRawPointer], _ updated: [UnsafeMutableRawPointer]
  ) {
    inputs.removeAll(keepingCapacity: true)
    inputs.append(contentsOf: fixed)
    inputs.append(contentsOf: batch)
    outputs.removeAll(keepingCapacity: true)
    outputs.append(contentsOf: updated)
    for i in 0..<resultCount { outputs.append(results + 64 * i) }
  }

  /// The loss of the last run.
  var loss: Double { scalar(0) }

  /// Of the gradient of the last run, which was a step.
  var gradientNorm: Double { scalar(1) }

  /// Everything the last run answered.
  var report: StepReport {
    let first = isStep ? 2 : 1
    return StepReport(
      loss: loss, gradientNorm: isStep ? gradientNorm : nil,
      metrics: metricNames.enumerated().map { ($1, scalar(first + $0)) },
      solves: solveKinds.enumerated().map { i, isGradient in
        let row = results + 64 * (first + metricNames.count + i)
        let numbers = UnsafeBufferPointer(start: row.assumingMemoryBound(to: Double.self), count: 8)
        return (isGradient, SolveStatistics(row: Array(numbers)))
      })
  }

  private func scalar(_ index: Int) -> Double { (results + 64 * index).load(as: Scalar.self).asDouble }
}

/// The graph of a step or an evaluation, without the batch.
struct TracedStep<Scalar: FloatingScalar> {
  var inputs: [Value]
  var updated: [Value]
  var objective: Objective<Scalar>
  var gradientNorm: Value?
}
