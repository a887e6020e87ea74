import Foundation

/// Why a file cannot be read or written: where, what was expected there, and what was found. All formats of arrays throw
/// this one error.
public struct FileError: Error, Hashable, CustomStringConvertible {
  /// Whose fault it is: what a program can react to.
  public enum Reason: Sendable, Hashable, CaseIterable {
    /// The operating system does not give the file, or does not take it.
    case inaccessible
    /// The bytes break the rules of the format: damaged, cut short, or something else altogether.
    case malformed
    /// The format allows it, but it cannot be read here.
    case unsupported
    /// A sound file, but not of what was asked for.
    case mismatch
  }

  public var reason: Reason
  /// Nil for bytes that did not come from a file.
  public var path: String?
  /// Format and place inside of the file: "npy: header".
  public var place: String
  /// Follows "expected" in the message: "8 bytes".
  public var expected: String
  /// Follows "found" in the message: "nothing".
  public var found: String

  /// - Parameters:
  ///   - path: nil for bytes that did not come from a file.
  ///   - place: format and place inside of the file: "npy: header".
  ///   - expected: follows "expected" in the message.
  ///   - found: follows "found" in the message.
  public init(_ reason: Reason, path: String? = nil, in place: String, expected: String, found: String) {
    self.reason = reason
    self.path = path
    self.place = place
    self.expected = expected
    self.found = found
  }

  public var description: String {
    (path.map { "\($0): " } ?? "") + "\(place): expected \(expected), found \(found)"
  }
}

extension FileError: LocalizedError {
  /// As in print.
  public var errorDescription: String? { description }
}
