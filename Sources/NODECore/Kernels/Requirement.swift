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
