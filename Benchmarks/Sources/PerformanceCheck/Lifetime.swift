import CMeasure
import Foundation

/// Seconds from the start of a process to its end, as they pass for whoever waits for it; nil where it cannot be started
/// or does not end with 0. What it prints is thrown away.
public func lifetime(of executable: URL, arguments: [String] = []) -> Double? {
  var strings: [UnsafeMutablePointer<CChar>?] = ([executable.path] + arguments).map { strdup($0) }
  strings.append(nil)
  defer { strings.forEach { free($0) } }
  let seconds = nde_process_seconds(executable.path, strings)
  return seconds < 0 ? nil : seconds
}
