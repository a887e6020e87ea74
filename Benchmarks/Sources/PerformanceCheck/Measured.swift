import CMeasure
import NODECore

/// What one process found out about the cases: counters, and times by the clock of the thread's processor time.
public struct Measured: Codable, Sendable {
  public struct Case: Codable, Sendable {
    public var counters: Counters = [:]
    /// Seconds of one run, one entry a round.
    public var seconds: [Double] = []
    /// The same rounds, divided by the yardstick that ran before and after.
    public var ratios: [Double] = []

    public init(counters: Counters = [:], seconds: [Double] = [], ratios: [Double] = []) {
      self.counters = counters
      self.seconds = seconds
      self.ratios = ratios
    }
  }

  public var toolchain: String
  public var cases: [String: Case]

  public init(toolchain: String = String(cString: nde_toolchain()), cases: [String: Case] = [:]) {
    self.toolchain = toolchain
    self.cases = cases
  }
}

/// A deliberate flaw, to test that the check finds it.
public enum Flaw: String, Sendable, CaseIterable {
  /// Every run of the case is done three times.
  case slowdown
  /// Every run of the case's loop allocates once more.
  case allocation
}

/// Runs cases on one thread with AVX2 kernels.
public struct Bench {
  public var cases: [PerformanceCase]
  /// By the name of the case.
  public var flaws: [String: Flaw]
  /// Rounds of timing; each round goes over all cases. 0: counters only.
  public var rounds: Int
  /// A timed sample repeats short runs up to this long.
  public var sampleSeconds = 0.004

  public init(cases: [PerformanceCase] = PerformanceCase.all, flaws: [String: Flaw] = [:], rounds: Int) {
    self.cases = cases
    self.flaws = flaws
    self.rounds = rounds
  }

  public func measure() throws -> Measured {
    try withThreads(1) {
      var result = Measured()
      var ready: [Ready] = []
      for item in cases {
        let prepared = try Ready(item, flaw: flaws[item.name], sampleSeconds: sampleSeconds)
        result.cases[item.name] = Measured.Case(counters: prepared.counters)
        ready.append(prepared)
      }
      let buffer = CopyBuffer()
      for _ in 0..<rounds {
        for subject in ready {
          let before = subject.item.yardstick.seconds(buffer)
          let seconds = try subject.sample()
          let after = subject.item.yardstick.seconds(buffer)
          result.cases[subject.item.name]!.seconds.append(seconds)
          result.cases[subject.item.name]!.ratios.append(2 * seconds / (before + after))
        }
      }
      return result
    }
  }

  /// A case that was compiled, warmed up and counted.
  private final class Ready {
    let item: PerformanceCase
    let counters: Counters
    private let subject: any CountedSubject
    private let flaw: Flaw?
    private var repeats = 1

    init(_ item: PerformanceCase, flaw: Flaw?, sampleSeconds: Double) throws {
      self.item = item
      self.flaw = flaw
      subject = try item.make()
      let program = try subject.compile()
      for _ in 0..<2 { try subject.run() }
      counters = try Bench.counters(subject, program, flaw)
      let start = nde_thread_seconds()
      try subject.run()
      let once = max(nde_thread_seconds() - start, 1e-7)
      repeats = max(1, Int(sampleSeconds / once))
    }

    /// Seconds of one run.
    func sample() throws -> Double {
      let start = nde_thread_seconds()
      for _ in 0..<repeats { try flaw.applied(to: subject.run) }
      return (nde_thread_seconds() - start) / Double(repeats)
    }
  }

  private static func counters(_ subject: any CountedSubject, _ program: Program, _ flaw: Flaw?) throws
    -> Counters
  {
    let counted = program.counters
    var counters: Counters = [
      .plannedBytes: program.plannedBytes(threads: 1), .operations: counted.operations,
      .packedBytes: counted.packedBytes,
    ]
    let evaluations = try subject.evaluations()
    let spent = evaluations ?? Evaluations()
    counters[.flops] = counted.flops(
      forward: spent.forward, recomputed: spent.recomputed, backward: spent.backward)
    if let evaluations {
      counters[.forwardEvaluations] = evaluations.forward
      counters[.recomputedEvaluations] = evaluations.recomputed
      counters[.backwardEvaluations] = evaluations.backward
    }
    if nde_allocation_count() >= 0 {
      // The nth turn of the loop gets n of them: so they do not cancel where turns are subtracted from each other.
      var turns = 0
      counters[.loopAllocations] = try subject.loopAllocations { body in
        turns += 1
        if flaw == .allocation { for _ in 0..<turns { nde_allocate_once() } }
        try body()
      }
    }
    return counters
  }
}

extension Flaw? {
  func applied(to run: () throws -> Void) rethrows {
    try run()
    switch self {
    case .slowdown: for _ in 0..<2 { try run() }
    case .allocation: nde_allocate_once()
    case nil: break
    }
  }
}
