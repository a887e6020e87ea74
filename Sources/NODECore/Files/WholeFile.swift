import Foundation

/// Files that are read and written whole.
package enum WholeFile {
  /// What `parse` makes of the file's bytes; its errors get the path. Throws `FileError`.
  package static func read<Content>(
    _ path: String, _ parse: ([UInt8]) throws -> Content
  ) throws -> Content {
    do { return try parse(bytes(of: path)) } catch var error as FileError {
      error.path = path
      throw error
    }
  }

  private static func bytes(of path: String) throws -> [UInt8] {
    func failure(_ found: String) -> FileError {
      FileError(.inaccessible, in: "file", expected: "a readable file", found: found)
    }
    // A C string ends at its first zero byte: another file than the one that was named.
    guard !path.utf8.contains(0) else { throw failure("a zero byte in its path") }
    // Without O_NONBLOCK, opening a pipe would wait for somebody to write into it.
    let file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    guard file >= 0 else { throw failure(systemMessage()) }
    defer { close(file) }
    var status = stat()
    guard fstat(file, &status) == 0 else { throw failure(systemMessage()) }
    guard status.st_mode & S_IFMT == S_IFREG else { throw failure("a folder or device") }
    let size = Int(status.st_size)
    // The size of a file with holes is no bound of what it takes on the disk, and an array that there is no memory for ends
    // the process.
    let memory = ProcessInfo.processInfo.physicalMemory
    guard size < memory else {
      throw failure("\(size) bytes, on a machine with \(memory) bytes of memory")
    }
    var code: Int32 = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      while count < size {
        let received = Foundation.read(file, buffer.baseAddress! + count, size - count)
        if received < 0, errno == EINTR { continue }
        if received < 0 { code = errno }
        if received <= 0 { break }
        count += received
      }
    }
    guard code == 0 else { throw failure(systemMessage(code)) }
    return bytes
  }

  /// Writes a temporary file beside `path` and renames it once its content is on the disk: an interrupted write leaves what
  /// was there before, even where the machine stops. Throws `FileError`.
  package static func write(_ bytes: [UInt8], to path: String) throws {
    func failure(_ found: String) -> FileError {
      FileError(.inaccessible, path: path, in: "file", expected: "a place to write to", found: found)
    }
    guard !path.utf8.contains(0) else { throw failure("a zero byte in its path") }
    let temporary = "\(path).\(UInt32.random(in: 0...UInt32.max)).tmp"
    let file = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard file >= 0 else { throw failure(systemMessage()) }
    var written = 0, code: Int32 = 0
    bytes.withUnsafeBytes { buffer in
      while written < buffer.count {
        let sent = Foundation.write(file, buffer.baseAddress! + written, buffer.count - written)
        if sent < 0, errno == EINTR { continue }
        if sent <= 0 {
          code = errno
          break
        }
        written += sent
      }
    }
    while code == 0, fsync(file) != 0 { if errno != EINTR { code = errno } }
    if close(file) != 0, code == 0 { code = errno }
    if code == 0, rename(temporary, path) != 0 { code = errno }
    guard code == 0 else {
      unlink(temporary)
      throw failure(systemMessage(code))
    }
  }

  private static func systemMessage(_ code: Int32 = errno) -> String { String(cString: strerror(code)) }
}
