import CKernels
import Synchronization
import Testing

@Suite struct PoolTests {
  private final class Counts: Sendable {
    let seen: [Atomic64]
    let workers = Atomic64()
    let inner = Atomic64()
    let pool: PoolBox
    init(_ count: Int, _ pool: PoolBox) {
      seen = (0..<count).map { _ in Atomic64() }
      self.pool = pool
    }
  }
  final class Atomic64: Sendable {
    let value = Atomic<Int>(0)
  }
  /// The pool itself is made for calls from any thread.
  struct PoolBox: @unchecked Sendable { let pool: OpaquePointer? }

  @Test(arguments: [1, 2, 3, 5]) func everyIndexRunsOnce(threads: Int32) {
    let pool = nk_pool_create(threads)
    defer { nk_pool_destroy(pool) }
    #expect(nk_pool_threads(pool) == threads)
    for count in [0, 1, 2, 7, 100] {
      for _ in 0..<20 {
        let counts = Counts(count, PoolBox(pool: pool))
        nk_pool_run(
          pool, Int64(count),
          { context, index, worker in
            let counts = Unmanaged<Counts>.fromOpaque(context!).takeUnretainedValue()
            counts.seen[Int(index)].value.add(1, ordering: .relaxed)
            counts.workers.value.max(Int(worker), ordering: .relaxed)
          }, Unmanaged.passUnretained(counts).toOpaque())
        #expect(counts.seen.allSatisfy { $0.value.load(ordering: .relaxed) == 1 })
        #expect(counts.workers.value.load(ordering: .relaxed) < Int(threads))
      }
    }
  }

  /// A body that uses its own pool gets a serial loop, not a deadlock.
  @Test func nestedLoopsAreSerial() {
    let pool = nk_pool_create(2)
    defer { nk_pool_destroy(pool) }
    let counts = Counts(0, PoolBox(pool: pool))
    nk_pool_run(
      pool, 4,
      { context, _, _ in
        let counts = Unmanaged<Counts>.fromOpaque(context!).takeUnretainedValue()
        nk_pool_run(
          counts.pool.pool, 5,
          { context, _, worker in
            let counts = Unmanaged<Counts>.fromOpaque(context!).takeUnretainedValue()
            counts.inner.value.add(worker == 0 ? 1 : 1000, ordering: .relaxed)
          }, context)
      }, Unmanaged.passUnretained(counts).toOpaque())
    #expect(counts.inner.value.load(ordering: .relaxed) == 20)
  }

  @Test func badSizesAreRefused() {
    #expect(
      nk_pool_create(0) == nil && nk_pool_create(-1) == nil && nk_pool_create(NK_MAX_THREADS + 1) == nil)
    #expect(nk_pool_threads(nil) == 1)
  }
}
