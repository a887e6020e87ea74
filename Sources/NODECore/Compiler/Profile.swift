/// Where a program spends its time: every operation, and inside of solves every operation of the field and every part of
/// the solver.
///
/// ```swift
/// let step = compiled { (y: Tensor<Float>) in try odeint(from: y, t0: 0, t1: 1) { t, y in net(y) }.final }
/// let profile = try step.profile(start)
/// print(profile)                                              // a table
/// try profile.svg.write(toFile: "step.svg", atomically: true, encoding: .utf8)   // a flame graph
/// ```
/// Times are those of the runs that were profiled, which are slower than others by two readings of a clock an operation:
/// about 20 ns, which matters for operations of a few hundred numbers.
public struct Profile: Sendable, CustomStringConvertible {
  /// An operation, a program inside of one, a part of a solver, with what it consists of.
  public struct Entry: Sendable {
    /// What the time went into.
    public enum Kind: Sendable, Hashable {
      case operation
      /// The field of a solve in one of its forms, the body of a loop.
      case program
      /// What a solver does beside evaluating its field.
      case phase
      /// What nothing inside accounts for: calls, and waiting for other threads.
      case rest
    }

    /// Of an operation the one that `print(program)` shows.
    public var name: String
    public var kind: Kind
    /// Of the (first) result; equal operations of a program share an entry.
    public var shape: [Int]?
    /// A run, as everything that follows: how often it was called; blocks of lanes call one after the other.
    public var calls: Int
    /// Of all threads together.
    public var seconds: Double
    /// Floating-point operations as `Program.flops` counts them; nil where they are not counted.
    public var flops: Int?
    /// Read and written, as `Program.traffic` counts them; nil where they are not counted.
    public var bytes: Int?
    /// Of the fused-multiply-add peak of as many threads as were busy.
    public var shareOfPeak: Double?
    /// Longest first; times of operations with children are the sums of theirs.
    public var children: [Entry] = []

    /// Operations a second.
    public var flopRate: Double? { flops.flatMap { seconds > 0 ? Double($0) / seconds : nil } }
  }

  /// Of the program itself, longest first.
  public let entries: [Entry]
  /// From the beginning of a run to its end, the mean of `runs`.
  public let seconds: Double
  /// How many were averaged, after one that is not counted.
  public let runs: Int
  /// Of a run, the calling one included.
  public let threads: Int
  /// Fused multiply-adds in registers, operations a second of one thread, measured for this profile.
  public let floatPeak: Double, doublePeak: Double
  let signature: String

  /// Time of all threads that no entry accounts for: between operations, and threads without work.
  public var restSeconds: Double {
    max(0, seconds * Double(threads) - entries.reduce(0) { $0 + $1.seconds })
  }

  init(_ program: ProgramDescription, signature: String, sheet: ProfileSheet, runs: Int) {
    let peaks = [DType.float32: measuredPeak(.float32), .float64: measuredPeak(.float64)]
    (floatPeak, doublePeak) = (peaks[.float32]!, peaks[.float64]!)
    self.signature = signature
    self.runs = runs
    threads = sheet.threads
    seconds = sheet.seconds / Double(runs)
    entries = ProfileBuilder(sheet: sheet, runs: runs, peaks: peaks).entries(of: program, first: 0)
  }
}

extension Program {
  /// Where a run with these inputs spends its time, averaged over `runs` runs after one that is not counted.
  package func profile(_ inputs: [Storage], runs: Int) throws -> Profile {
    let outputs = outputTypes.map { Storage(byteCount: $0.byteCount) { _ in } }
    return try withExtendedLifetime((inputs, outputs)) {
      try profile(
        inputs: inputs.map { UnsafeRawPointer($0.pointer) }, outputs: outputs.map(\.pointer), runs: runs)
    }
  }

  package func profile(inputs: [UnsafeRawPointer], outputs: [UnsafeMutableRawPointer], runs: Int) throws
    -> Profile
  {
    require(runs > 0, "profile: runs must be positive, got \(runs)")
    return Profile(
      program, signature: signature, sheet: try sheet(inputs: inputs, outputs: outputs, runs: runs),
      runs: runs)
  }
}

/// Entries of counters.
private struct ProfileBuilder {
  let sheet: ProfileSheet
  let runs: Int
  let peaks: [DType: Double]

  private func seconds(_ ticks: Int) -> Double { Double(ticks) * sheet.secondsPerTick / Double(runs) }

  /// `first`: the number of the program's first instruction.
  func entries(of program: ProgramDescription, first: Int) -> [Profile.Entry] {
    var entries: [Profile.Entry] = []
    var known: [[String]: Int] = [:]
    var inside = first + program.instructions.count
    for (index, region) in program.regions.enumerated() {
      for position in region.instructions {
        let instruction = program.instructions[position], number = first + position
        let programs = instruction.kernel.namedPrograms
        defer { inside += programs.reduce(0) { $0 + $1.program.instructionCount } }
        let count = sheet.instruction(number)
        guard count.calls > 0 else { continue }
        let origin = program.origins[instruction.origin]
        var entry = Profile.Entry(
          name: origin.name, kind: .operation, shape: origin.shape, calls: count.calls / runs,
          seconds: seconds(count.ticks))
        let key = ["\(index)", origin.name, "\(origin.shape)", programs.isEmpty ? "" : "\(position)"]
        if programs.isEmpty {
          let cost = program.cost(of: position, lanes: count.lanes, calls: count.calls)
          (entry.flops, entry.bytes) = (cost.flops / runs, cost.bytes / runs)
        } else {
          fill(&entry, instruction, number, programs, inside: inside)
        }
        entry.shareOfPeak = share(entry, instruction.dtype)
        if let same = known[key] {
          entries[same] = sum(entries[same], entry, instruction.dtype)
        } else {
          known[key] = entries.count
          entries.append(entry)
        }
      }
    }
    return entries.sorted { $0.seconds > $1.seconds }
  }

  private func share(_ entry: Profile.Entry, _ dtype: DType) -> Double? {
    guard let peak = peaks[dtype], let rate = entry.flopRate, rate > 0 else { return nil }
    return rate / peak
  }

  private func sum(_ a: Profile.Entry, _ b: Profile.Entry, _ dtype: DType) -> Profile.Entry {
    var sum = a
    sum.calls += b.calls
    sum.seconds += b.seconds
    sum.flops = a.flops.flatMap { x in b.flops.map { x + $0 } }
    sum.bytes = a.bytes.flatMap { x in b.bytes.map { x + $0 } }
    sum.shareOfPeak = share(sum, dtype)
    return sum
  }

  /// A solve or a loop: its programs, its phases, and what the calling thread did beside them.
  private func fill(
    _ entry: inout Profile.Entry, _ instruction: Instruction, _ number: Int,
    _ programs: [(name: String, program: ProgramDescription)], inside: Int
  ) {
    var first = inside, caller = 0
    for (name, program) in programs {
      let count = sheet.program(first)
      if count.calls > 0 {
        var child = Profile.Entry(
          name: name, kind: .program, calls: count.calls / runs, seconds: seconds(count.ticks),
          children: entries(of: program, first: first))
        finish(&child, own: child.seconds, instruction.dtype)
        entry.children.append(child)
        caller += sheet.program(first, worker: 0).ticks
      }
      first += program.instructionCount
    }
    for (phase, name) in ProfileSheet.phaseNames.enumerated() {
      let count = sheet.phase(phase, ofSolve: number)
      guard count.calls > 0 else { continue }
      entry.children.append(
        Profile.Entry(name: name, kind: .phase, calls: count.calls / runs, seconds: seconds(count.ticks)))
      caller += sheet.phase(phase, ofSolve: number, worker: 0).ticks
    }
    // What the calling thread spent in here beside its own share of the work.
    let rest = seconds(max(0, sheet.instruction(number).ticks - caller))
    finish(&entry, own: entry.children.reduce(rest) { $0 + $1.seconds }, instruction.dtype)
  }

  /// Adds up the children; what is left of `own` seconds is the rest.
  private func finish(_ entry: inout Profile.Entry, own: Double, _ dtype: DType) {
    let counted = entry.children.reduce(0) { $0 + $1.seconds }
    entry.seconds = max(own, counted)
    entry.flops = entry.children.reduce(0) { $0 + ($1.flops ?? 0) }
    entry.bytes = entry.children.reduce(0) { $0 + ($1.bytes ?? 0) }
    entry.shareOfPeak = share(entry, dtype)
    entry.children.sort { $0.seconds > $1.seconds }
    if own > counted {
      entry.children.append(
        Profile.Entry(name: "calls and waiting", kind: .rest, calls: entry.calls, seconds: own - counted))
    }
  }
}
