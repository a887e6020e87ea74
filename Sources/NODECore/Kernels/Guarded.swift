import CKernels
import Synchronization

/// A value behind a lock: `Mutex`, with its hand-over told to the thread sanitizer.
///
/// On Linux `Mutex` is a futex of the standard library, which the sanitizer cannot see into: it would report every
/// guarded access as a race. Outside of a sanitized build there is no tag and telling costs two empty calls.
package struct Guarded<State>: ~Copyable, Sendable {
  private let mutex: Mutex<State>
  private let tag: Tag?

  /// `@unchecked Sendable`: an address that nobody reads or writes.
  private final class Tag: @unchecked Sendable {
    let address: UnsafeMutableRawPointer
    init(_ address: UnsafeMutableRawPointer) { self.address = address }
    deinit { nk_tsan_free(address) }
  }

  package init(_ state: consuming sending State) {
    mutex = Mutex(state)
    tag = nk_tsan_tag().map(Tag.init)
  }

  package borrowing func withLock<Result, Failure: Error>(
    _ body: (inout sending State) throws(Failure) -> sending Result
  ) throws(Failure) -> sending Result {
    let address = tag?.address
    return try mutex.withLock { (state: inout sending State) throws(Failure) -> sending Result in
      nk_tsan_acquire(address)
      defer { nk_tsan_release(address) }
      return try body(&state)
    }
  }
}
