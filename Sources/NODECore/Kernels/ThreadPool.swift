import CKernels

/// Worker threads that programs give their blocks to.
///
/// `@unchecked Sendable`: the pool is a constant pointer; `nk_pool_run` may be called from any number of threads at once
/// (all but one of them then run serially).
package final class ThreadPool: @unchecked Sendable {
  let pool: OpaquePointer?
  /// The calling thread included.
  package let threads: Int

  /// At least one thread; where the system refuses to make more, as many as it gives.
  package init(threads: Int) {
    Runtime.requireThreads(threads, "ThreadPool")
    pool = threads > 1 ? nk_pool_create(Int32(threads)) : nil
    self.threads = Int(nk_pool_threads(pool))
  }

  deinit { nk_pool_destroy(pool) }
}
