import Foundation

/// A file or folder that could not be written.
public struct FileFailure: Error, CustomStringConvertible {
  public let description: String
}

/// Makes a folder, and those above it, where they are missing. Throws `FileFailure`.
public func makeFolder(_ path: String) throws {
  do { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) } catch {
    throw FileFailure(description: "the folder \(path) cannot be made: \(reason(error, for: path))")
  }
}

/// Writes a file whole or not at all. Throws `FileFailure`.
public func writeAtomically(_ text: String, to path: String) throws {
  try writeAtomically(Array(text.utf8), to: path)
}

/// Writes the bytes whole or not at all.
public func writeAtomically(_ bytes: [UInt8], to path: String) throws {
  do { try Data(bytes).write(to: URL(fileURLWithPath: path), options: .atomic) } catch {
    throw FileFailure(description: "\(path) cannot be written: \(reason(error, for: path))")
  }
}

/// Why `path` could not be read or written, in the system's own words where it has some: Foundation passes only part of
/// them on.
public func reason(_ error: any Error, for path: String) -> String {
  let error = error as NSError
  let underlying = error.userInfo[NSUnderlyingErrorKey] as? NSError
  if let posix = [error, underlying].compactMap({ $0 }).first(where: { $0.domain == NSPOSIXErrorDomain }) {
    return String(cString: strerror(Int32(posix.code)))
  }
  // What stands in the way: the path itself, or the nearest folder above it that is there.
  var place = URL(fileURLWithPath: path)
  while access(place.path, F_OK) != 0, errno == ENOENT, place.path != "/" { place.deleteLastPathComponent() }
  guard access(place.path, R_OK | W_OK) != 0 else { return error.localizedDescription }
  let words = String(cString: strerror(errno))
  return place.path == path ? words : "\(place.path): \(words)"
}
