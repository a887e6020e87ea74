import Foundation

/// A file or folder that could not be written.
public struct FileFailure: Error, CustomStringConvertible {
  public let description: String
}

/// Makes a folder, and those above it, where they are missing. Throws `FileFailure`.
public func makeFolder(_ path: String) throws {
  do { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) } catch {
    throw FileFailure(description: "the folder \(path) cannot be made: \(reason(error))")
  }
}

/// Writes a file whole or not at all. Throws `FileFailure`.
public func writeAtomically(_ text: String, to path: String) throws {
  do { try Data(text.utf8).write(to: URL(fileURLWithPath: path), options: .atomic) } catch {
    throw FileFailure(description: "\(path) cannot be written: \(reason(error))")
  }
}

/// What the system said, in its own few words where Foundation passes them on.
public func reason(_ error: any Error) -> String {
  let error = error as NSError
  let underlying = error.userInfo[NSUnderlyingErrorKey] as? NSError
  if let posix = [error, underlying].compactMap({ $0 }).first(where: { $0.domain == NSPOSIXErrorDomain }) {
    return String(cString: strerror(Int32(posix.code)))
  }
  return error.localizedDescription
}
