import CMeasure
import Foundation
import NODECore

/// Instructions of the processor, counted by valgrind's callgrind: the same to about one in a million from run to run.
/// It runs the AVX2 kernels (it knows nothing wider).
public enum Callgrind {
  /// What the counted process does: run it under callgrind with one thread.
  public static func runCounted(_ item: PerformanceCase, flaw: Flaw?) throws {
    try withThreads(1) {
      let subject = try item.make()
      try counted { _ = try subject.compile() }
      nde_counted_mark()
      for _ in 0..<2 { try subject.run() }
      try counted { try flaw.applied(to: subject.run) }
    }
  }

  private final class Body {
    let run: () throws -> Void
    var error: (any Error)?
    init(_ run: @escaping () throws -> Void) { self.run = run }
  }

  private static func counted(_ run: () throws -> Void) throws {
    try withoutActuallyEscaping(run) { run in
      let body = Body(run)
      nde_counted(
        { context in
          let body = Unmanaged<Body>.fromOpaque(context!).takeUnretainedValue()
          do { try body.run() } catch { body.error = error }
        }, Unmanaged.passUnretained(body).toOpaque())
      if let error = body.error { throw error }
    }
  }

  /// Where valgrind is; nil where it is not.
  public static let valgrind: String? = program("valgrind")

  private static func program(_ name: String) -> String? {
    (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin").split(separator: ":").map { "\($0)/\(name)" }
      .first { FileManager.default.isExecutableFile(atPath: $0) }
  }

  /// A copy of an executable that valgrind can load: it gives up on debug information of a newer DWARF than it knows.
  /// Symbols stay, the regions are found by name. The caller removes it.
  public static func stripped(_ executable: String) throws -> String {
    guard let strip = program("strip") else {
      throw CallgrindError(description: "strip (binutils) is not installed")
    }
    let copy = FileManager.default.temporaryDirectory.path + "/counted-\(UUID().uuidString)"
    _ = try output(of: strip, ["--strip-debug", "-o", copy, executable])
    return copy
  }

  /// Runs `command`, which ends in `runCounted`, and returns the instructions of both regions.
  public static func count(_ command: [String]) throws -> Counters {
    guard let valgrind else { throw CallgrindError(description: "valgrind is not installed") }
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
      "callgrind-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    _ = try output(
      of: valgrind,
      [
        "--tool=callgrind", "--callgrind-out-file=\(folder.path)/out", "--collect-atstart=no",
        "--toggle-collect=nde_counted", "--dump-before=nde_counted_mark",
      ] + command,
      // OpenBLAS's choice for a processor that valgrind does not know would be an illegal instruction.
      environment: [
        "OPENBLAS_NUM_THREADS": "1", "OPENBLAS_CORETYPE": "Haswell", "SWIFT_DETERMINISTIC_HASHING": "1",
        "SWIFT_BACKTRACE": "enable=no",
      ])
    return [
      .compileInstructions: try total(folder.path + "/out.1"),
      .runInstructions: try total(folder.path + "/out"),
    ]
  }

  /// What a program printed; throws where it fails.
  private static func output(
    of executable: String, _ arguments: [String], environment: [String: String] = [:]
  ) throws -> String {
    let process = Process(), pipe = Pipe()
    process.executableURL = URL(fileURLWithPath: executable)
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw CallgrindError(
        description: "\(executable) ended with \(process.terminationStatus): \(text.suffix(600))")
    }
    return text
  }

  /// The "totals:" line of one output file.
  static func total(_ path: String) throws -> Int {
    let text = try String(contentsOfFile: path, encoding: .utf8)
    let line = text.split(separator: "\n").last { $0.hasPrefix("totals:") || $0.hasPrefix("summary:") }
    guard let count = line?.split(separator: " ").last.flatMap({ Int($0) }), count > 0 else {
      throw CallgrindError(description: "\(path) has no total: was the counted region run?")
    }
    return count
  }
}

public struct CallgrindError: Error, CustomStringConvertible {
  public let description: String
}
