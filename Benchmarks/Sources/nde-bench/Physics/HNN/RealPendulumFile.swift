import ArgumentParser
import Foundation
import NODECore
import RunnerSupport

/// Finds the real pendulum's file: the option, the environment variable, data/ and ../shared/data/ beside the package.
enum RealPendulumFile {
  static let name = "real_pend_h_1.txt"
  static let variable = "REAL_PENDULUM"

  /// - Parameter isAsked: whether the task was named; else it is left out where there is no file.
  /// - Returns: nil, having said so, where there is no file and it was not asked for.
  static func read(option: String?, isAsked: Bool) throws -> RealPendulum? {
    let folders = ["data", "../shared/data"].map { "\($0)/hnn_real_pendulum/\(name)" }
    let named = option ?? ProcessInfo.processInfo.environment[variable]
    guard
      let path = named ?? folders.first(where: FileManager.default.fileExists(atPath:))
    else {
      let how =
        "give \(name) of the supplement of Schmidt and Lipson 2009 (Science 324:81) by --real-pendulum or "
        + "$\(variable), or put it into data/hnn_real_pendulum"
      if isAsked { throw ValidationError("the real pendulum's data are missing: \(how)") }
      say("no data of the real pendulum: left out; \(how)")
      return nil
    }
    let text: String
    do { text = try String(contentsOfFile: path, encoding: .utf8) } catch {
      throw RunnerError("\(path) cannot be read: \(reason(error, for: path))")
    }
    return try RealPendulum(text: text)
  }
}
