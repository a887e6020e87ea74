/// Stops the program with a message unless the condition holds: for errors of the programmer, such as shapes that do not fit.
///
/// `precondition` does the same in a debug build, but drops the message in an optimised one, where users of a numerical
/// library live; so the message goes through `fatalError`, which always prints it.
@inline(__always)
package func require(
  _ condition: Bool, _ message: @autoclosure () -> String, file: StaticString = #fileID, line: UInt = #line
) {
  if !condition { fatalError(message(), file: file, line: line) }
}

/// What a number that somebody sets may be. No range has NaN.
package enum SettingRange: String, Sendable {
  case finite = "finite"
  case positive = "finite and positive"
  case notNegative = "finite and not negative"
  /// A weight of the past, a probability of being dropped: what is divided by its distance from 1.
  case belowOne = "in [0, 1)"
  case share = "in [0, 1]"

  package func contains(_ value: Double) -> Bool {
    switch self {
    case .finite: value.isFinite
    case .positive: value.isFinite && value > 0
    case .notNegative: value.isFinite && value >= 0
    case .belowOne: value >= 0 && value < 1
    case .share: value >= 0 && value <= 1
    }
  }
}

/// Stops the program where a setting is outside of its range: "Adam: beta1 must be in [0, 1), got 1.0".
package func requireSetting(
  _ operation: String, _ name: String, _ value: Double, _ range: SettingRange, file: StaticString = #fileID,
  line: UInt = #line
) {
  require(
    range.contains(value), "\(operation): \(name) must be \(range.rawValue), got \(value)", file: file,
    line: line)
}
