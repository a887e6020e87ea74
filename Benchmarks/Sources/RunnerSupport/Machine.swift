import Foundation

/// What a benchmark ran on: printed above every table and stored with every result.
public struct Machine: Codable, Sendable, Equatable {
  public var processor: String
  public var cores: Int
  public var instructionSet: String
  public var openBLASCore: String
  public var threads: Int
  public var system: String

  public init(instructionSet: String, openBLASCore: String, threads: Int) {
    processor = Self.processorName
    cores = ProcessInfo.processInfo.activeProcessorCount
    self.instructionSet = instructionSet
    self.openBLASCore = openBLASCore
    self.threads = threads
    system = ProcessInfo.processInfo.operatingSystemVersionString
  }

  private static var processorName: String {
    let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
    let line = text.split(separator: "\n").first { $0.hasPrefix("model name") }
    return line?.split(separator: ":").last.map { $0.trimmingCharacters(in: .whitespaces) }
      ?? "unknown processor"
  }

  /// What times are compared by: hosts give processors of several generations one name.
  public var model: String { "\(processor), \(instructionSet)" }

  public var summary: String {
    "\(processor), \(cores) cores, kernels \(instructionSet), OpenBLAS \(openBLASCore), \(threads) threads"
  }
}
