import Foundation

/// How much is too much: Benchmarks/perf/thresholds.json.
public struct Thresholds: Codable, Sendable {
  /// Share by which a counter may differ; one that is not here must be equal.
  public var counters: [Counter: Double]
  /// Counters that must be zero, whatever the baseline says.
  public var zero: [Counter]
  /// Times against the yardstick, compared with the baseline: coarse, because processors differ.
  public var ratio: Ratio
  /// Pairs of runs of base and head: fine, because they ran side by side.
  public var pairs: Pairs

  public struct Ratio: Codable, Sendable {
    public var rounds: Int
    /// Share by which the median may differ where the baseline was recorded on this model of processor.
    public var tolerance: Double
    /// The same on another processor.
    public var elsewhere: Double
  }

  public struct Pairs: Codable, Sendable {
    public var count: Int
    /// Rounds of timing in each process.
    public var rounds: Int
    /// Share by which the median of the ratios of pairs may differ from one.
    public var tolerance: Double
    /// Largest probability of the signed-rank test for a difference to count.
    public var probability: Double
  }

  public init(contentsOf path: String) throws {
    self = try JSONDecoder().decode(Thresholds.self, from: Data(contentsOf: URL(fileURLWithPath: path)))
  }
}

/// What the counters and ratios were: Benchmarks/perf/baseline.json, renewed by `make perf-baseline`.
public struct Baseline: Codable, Sendable {
  public struct Case: Codable, Sendable {
    public var counters: Counters
    /// Median time over the yardstick's.
    public var ratio: Double?

    public init(counters: Counters, ratio: Double?) {
      self.counters = counters
      self.ratio = ratio
    }
  }

  /// The processor of the ratios.
  public var processor: String
  /// Compiler and C library of the instruction counts.
  public var toolchain: String
  public var cases: [String: Case]

  public init(processor: String, toolchain: String, cases: [String: Case]) {
    self.processor = processor
    self.toolchain = toolchain
    self.cases = cases
  }

  public init(contentsOf path: String) throws {
    self = try JSONDecoder().decode(Baseline.self, from: Data(contentsOf: URL(fileURLWithPath: path)))
  }
}

extension Encodable {
  /// JSON for files that people read in diffs.
  public func prettyJSON() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(self), as: UTF8.self) + "\n"
  }
}
