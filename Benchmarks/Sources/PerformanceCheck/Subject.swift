import CMeasure
import NODECore

/// Something small and fixed that is compiled once and run many times.
public protocol Subject: AnyObject {
  /// Traces, differentiates and compiles; nothing is run.
  func compile() throws -> Program
  /// One run of what was compiled, as the hot loop of a user does it.
  func run() throws
  /// What the solves of the last run counted; nil without solves.
  func evaluations() throws -> Evaluations?
  /// Where so many runs spend their time.
  func profile(runs: Int) throws -> Profile
}

/// A subject whose hot loop is known to the check.
public protocol CountedSubject: Subject {
  /// Allocations of the hot loop, whose turns go through `loop`.
  func loopAllocations(_ loop: (() throws -> Void) throws -> Void) throws -> Int
}

public struct Evaluations: Sendable, Equatable {
  public var forward: Int, recomputed: Int, backward: Int

  public init(forward: Int = 0, recomputed: Int = 0, backward: Int = 0) {
    self.forward = forward
    self.recomputed = recomputed
    self.backward = backward
  }
}

/// Training steps on one batch.
public final class TrainingSubject<Model: Module, Batch: Module>: CountedSubject {
  private var trainer: Trainer<Model, Batch, Float>
  private let buffer: BatchBuffer<Batch>
  private let example: Batch

  public init(
    _ model: Model, optimizer: some Optimizer, batch: Batch, fill: (BatchBuffer<Batch>) throws -> Void,
    loss: @escaping (Model, Batch) throws -> Tensor<Float>
  ) throws {
    trainer = Trainer(model, optimizer: optimizer, loss: loss)
    buffer = BatchBuffer(like: batch)
    example = batch
    try fill(buffer)
  }

  public func compile() throws -> Program { try trainer.stepProgram(for: example) }

  public func run() throws { loss = try trainer.step(buffer) }

  public func profile(runs: Int) throws -> Profile { try trainer.profile(example, runs: runs) }

  /// Of the last step, before its update.
  public private(set) var loss = Double.nan

  public func evaluations() -> Evaluations? {
    guard let report = trainer.report, !report.solves.isEmpty else { return nil }
    return Evaluations(
      forward: report.forwardEvaluations,
      recomputed: report.solves.reduce(0) { $0 + $1.statistics.recomputed },
      backward: report.backwardEvaluations)
  }

  /// Of ten steps.
  public func loopAllocations(_ loop: (() throws -> Void) throws -> Void) throws -> Int {
    let before = nde_allocation_count()
    for _ in 0..<10 { try loop(run) }
    return Int(nde_allocation_count() - before)
  }
}

/// Solves of one system from a compiled function: (y0, times) -> (states, statistics).
public final class SolveSubject<Scalar: FloatingScalar>: CountedSubject {
  public typealias Function = CompiledFunction<
    (Tensor<Scalar>, Tensor<Double>), Tensor<Scalar>, Tensor<Double>
  >
  private let function: Function
  private let y0: Tensor<Scalar>
  private let times: Tensor<Double>, shortTimes: Tensor<Double>
  private var statistics: Tensor<Double>?

  /// - Parameter times: start and end of the solve, in numbers; a short one ends after a quarter.
  public init(from y0: Tensor<Scalar>, times: (Double, Double), _ function: Function) {
    self.function = function
    self.y0 = y0
    self.times = Tensor([times.0, times.1])
    shortTimes = Tensor([times.0, times.0 + (times.1 - times.0) / 4])
  }

  public func compile() throws -> Program { try function.program(for: y0, times) }

  public func run() throws { (states, statistics) = try function(y0, times) }

  public func profile(runs: Int) throws -> Profile { try function.profile(y0, times, runs: runs) }

  /// What the function returned last.
  public private(set) var states: Tensor<Scalar>?

  public func evaluations() throws -> Evaluations? {
    // Status, evaluations, accepted, ...: the row of `Solution.statisticsTensor`.
    statistics.map { Evaluations(forward: Int($0.scalars[1])) }
  }

  /// A call makes its results; the solver's loop makes nothing. So: what a long solve allocates beyond a short one.
  public func loopAllocations(_ loop: (() throws -> Void) throws -> Void) throws -> Int {
    func count(_ times: Tensor<Double>) throws -> Int {
      let before = nde_allocation_count()
      try loop { statistics = try function(y0, times).1 }
      return Int(nde_allocation_count() - before)
    }
    // Now and then a call makes something of its own for the first time: of some in turns the least.
    var short = Int.max, long = Int.max
    for _ in 0..<4 {
      short = min(short, try count(shortTimes))
      long = min(long, try count(times))
    }
    return long - short
  }
}
