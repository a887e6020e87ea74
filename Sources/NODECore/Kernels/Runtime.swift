import CKernels
import Synchronization

/// What runs programs: threads, and the kernels that answer on this machine.
public enum Runtime {
  /// Threads of a run, the calling one included. At first the number of processors that this process may use. Results do
  /// not depend on it. Traps outside of 1...maximumThreads.
  public static var threads: Int {
    get { defaultThreads.load(ordering: .relaxed) }
    set {
      requireThreads(newValue, "Runtime.threads")
      defaultThreads.store(newValue, ordering: .relaxed)
    }
  }

  /// The largest number of threads.
  public static let maximumThreads = Int(NK_MAX_THREADS)

  /// Threads that a run in this task really gets: those asked for, or fewer where the system does not give so many.
  /// Makes them where nothing has run yet.
  public static var grantedThreads: Int { currentPool()?.threads ?? 1 }

  /// Processors that this process may use.
  public static var processors: Int { Int(nk_processors()) }

  /// The instruction set of the kernels in force.
  public static var instructionSet: InstructionSet { .current }

  /// The core type whose kernels OpenBLAS runs. An environment variable or a processor that it does not know can make it
  /// a slow one; the main path has kernels of its own.
  public static var openBLASCore: String { String(cString: nk_blas_core()) }

  /// OpenBLAS's own threads. Never changed by this library: they belong to the host.
  public static var openBLASThreads: Int { Int(nk_blas_threads()) }

  /// One line for reports.
  public static var summary: String {
    "\(instructionSet) kernels, \(grantedThreads) threads on \(processors) processors; OpenBLAS core \(openBLASCore), "
      + "\(openBLASThreads) threads"
  }

  private static let defaultThreads = Atomic<Int>(min(max(Int(nk_processors()), 1), maximumThreads))

  /// Threads of runs in this task: `withThreads` or the process's setting.
  package static var currentThreads: Int { ThreadOverride.threads ?? threads }

  /// The pool of the current number of threads, or nil for one. Pools are made once for each number and kept: their
  /// workers sleep between runs.
  package static func currentPool() -> ThreadPool? {
    let threads = currentThreads
    guard threads > 1 else { return nil }
    return pools.withLock { pools in
      if let pool = pools[threads] { return pool }
      let pool = ThreadPool(threads: threads)
      pools[threads] = pool
      return pool
    }
  }

  static func requireThreads(_ count: Int, _ operation: String) {
    require(
      (1...maximumThreads).contains(count),
      "\(operation): \(count) threads are not possible; 1 to \(maximumThreads) are")
  }

  private static let pools = Guarded<[Int: ThreadPool]>([:])
}

enum ThreadOverride {
  @TaskLocal static var threads: Int?
}

/// Runs of programs inside of `body` use `count` threads, whatever `Runtime.threads` is; other tasks are not affected.
public func withThreads<Result>(_ count: Int, _ body: () throws -> Result) rethrows -> Result {
  Runtime.requireThreads(count, "withThreads")
  return try ThreadOverride.$threads.withValue(count, operation: body)
}

/// Runs of programs inside of `body` use `count` threads, whatever `Runtime.threads` is; other tasks are not affected.
public func withThreads<Result>(
  _ count: Int, isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> Result
) async rethrows -> Result {
  Runtime.requireThreads(count, "withThreads")
  return try await ThreadOverride.$threads.withValue(count, operation: body)
}
