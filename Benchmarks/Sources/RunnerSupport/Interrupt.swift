import Foundation
import Synchronization

/// Ctrl-C as a flag that long loops look at: the first one asks for an orderly end (results so far are written), the
/// second one ends the process at once.
public enum Interrupt {
  private static let count = Atomic<Int>(0)

  /// From here on SIGINT and SIGTERM raise the flag.
  public static func install() {
    for number in [SIGINT, SIGTERM] {
      signal(number) { _ in Interrupt.arrived() }
    }
  }

  public static var isRequested: Bool { count.load(ordering: .relaxed) > 0 }

  /// Throws `Interrupted` where an end was asked for: after a loop that was cut short, whose result is none.
  public static func check() throws {
    if isRequested { throw Interrupted() }
  }

  // Runs in a signal handler: atomics and write(2) only.
  private static func arrived() {
    if count.add(1, ordering: .relaxed).newValue > 1 { _exit(130) }
    let message: StaticString = "\ninterrupted: finishing this step, then writing what there is\n"
    _ = write(2, message.utf8Start, message.utf8CodeUnitCount)
  }
}

/// A run that the user ended.
public struct Interrupted: Error {}
