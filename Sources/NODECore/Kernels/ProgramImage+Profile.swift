import CKernels

/// What a profiled run counted, worker by worker, by the numbers of the image: see nk_profile.h.
package struct ProfileSheet: Sendable {
  package struct Counter: Sendable, Hashable {
    package var calls = 0, lanes = 0
    /// Of the processor's clock; `secondsPerTick`.
    package var ticks = 0

    static func + (a: Counter, b: Counter) -> Counter {
      Counter(calls: a.calls + b.calls, lanes: a.lanes + b.lanes, ticks: a.ticks + b.ticks)
    }
  }

  package let threads: Int
  package let instructions: Int
  package let seconds: Double
  package let secondsPerTick: Double
  private let counters: [[Counter]]

  init(threads: Int, instructions: Int, _ profile: nk_profile) {
    self.threads = threads
    self.instructions = instructions
    seconds = Double(profile.nanoseconds) * 1e-9
    secondsPerTick = profile.ticks > 0 ? seconds / Double(profile.ticks) : 0
    let count = Int(nk_profile_counters(Int64(instructions)))
    counters = (0..<threads).map { worker in
      UnsafeBufferPointer(start: profile.tallies[worker].counters, count: count).map {
        Counter(calls: Int($0.calls), lanes: Int($0.lanes), ticks: Int($0.ticks))
      }
    }
  }

  /// Of all workers, or of one.
  private func counter(_ index: Int, _ worker: Int?) -> Counter {
    if let worker { return counters[worker][index] }
    return counters.reduce(Counter()) { $0 + $1[index] }
  }

  package func instruction(_ number: Int, worker: Int? = nil) -> Counter { counter(number, worker) }

  /// Of the whole program whose first instruction has the number.
  package func program(_ first: Int, worker: Int? = nil) -> Counter { counter(instructions + first, worker) }

  /// Of a part of a solve beside its field, in the order of `phaseNames`.
  package func phase(_ phase: Int, ofSolve number: Int, worker: Int? = nil) -> Counter {
    counter(2 * instructions + number * Self.phaseNames.count + phase, worker)
  }

  package static let phaseNames = (0..<NK_PHASE_COUNT).map {
    String(cString: nk_phase_name(nk_phase(rawValue: UInt32($0))!))
  }
}

extension ProgramImage {
  /// As `run`, so many times after one that is not counted.
  package func profile(
    arguments: UnsafePointer<UnsafeMutableRawPointer?>, workspace: UnsafeMutableRawPointer, pool: ThreadPool?,
    runs: Int
  ) throws(SolveError) -> ProfileSheet {
    try run(arguments: arguments, workspace: workspace, pool: pool)
    let threads = pool?.threads ?? 1, instructions = description.instructionCount
    let count = Int(nk_profile_counters(Int64(instructions)))
    // A cache line between workers, who all write at the same time.
    let stride = count + 3
    let counters = UnsafeMutablePointer<nk_counter>.allocate(capacity: max(stride * threads, 1))
    counters.initialize(repeating: nk_counter(), count: max(stride * threads, 1))
    let tallies = UnsafeMutablePointer<nk_tally>.allocate(capacity: threads)
    for worker in 0..<threads {
      var tally = nk_tally()
      tally.counters = counters + worker * stride
      (tallies + worker).initialize(to: tally)
    }
    defer {
      counters.deallocate()
      tallies.deallocate()
    }
    var profile = nk_profile()
    profile.instructions = Int64(instructions)
    profile.threads = Int32(threads)
    profile.tallies = tallies
    for _ in 0..<runs {
      try reporting { diagnosis in
        nk_program_profile(program, arguments, workspace, pool?.pool, diagnosis, &profile)
      }
    }
    return ProfileSheet(threads: threads, instructions: instructions, profile)
  }
}

/// Fused multiply-adds in registers, and nothing else: what one thread of this processor can do at most with the
/// instruction set in force, measured now. Operations a second.
package func measuredPeak(_ dtype: DType) -> Double {
  var best = 0.0
  for _ in 0..<8 {
    let clock = ContinuousClock()
    var operations: Int64 = 0
    let time = clock.measure { operations = nk_peak_rounds(nk_isa_current(), dtype.kernel, 200_000) }
    let seconds = Double(time.components.seconds) + 1e-18 * Double(time.components.attoseconds)
    if seconds > 0 { best = max(best, Double(operations) / seconds) }
  }
  return best
}
