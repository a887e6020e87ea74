import Foundation

/// One axis of a plot: a range, linear or logarithmic, and where its ticks go.
public struct Axis: Sendable {
  public enum Scale: Sendable { case linear, log }
  public var label: String
  public var scale: Scale
  /// A linear axis that starts at zero even when the data do not.
  public var startsAtZero: Bool

  public init(_ label: String, _ scale: Scale = .linear, startsAtZero: Bool = false) {
    self.label = label
    self.scale = scale
    self.startsAtZero = startsAtZero
  }

  /// The data's range, widened a little; nil when there is nothing that this scale can show.
  func range(of values: [Double]) -> ClosedRange<Double>? {
    let shown = values.filter { $0.isFinite && (scale == .linear || $0 > 0) }
    guard var low = shown.min(), var high = shown.max() else { return nil }
    switch scale {
    case .linear:
      if startsAtZero { low = min(low, 0) }
      if low == high { (low, high) = (low - max(abs(low), 1) * 0.5, high + max(abs(high), 1) * 0.5) }
      let margin = (high - low) * 0.05
      return (startsAtZero && low == 0 ? 0 : low - margin)...(high + margin)
    case .log:
      if high / low < 1.5 { (low, high) = (low / 1.5, high * 1.5) }
      let margin = pow(high / low, 0.05)
      return low / margin...high * margin
    }
  }

  /// Position of a value between 0 and 1.
  func position(_ value: Double, in range: ClosedRange<Double>) -> Double {
    switch scale {
    case .linear: (value - range.lowerBound) / (range.upperBound - range.lowerBound)
    case .log: log(value / range.lowerBound) / log(range.upperBound / range.lowerBound)
    }
  }

  /// About six round numbers; on a logarithmic axis powers of ten, with 2 and 5 between them where there is room.
  func ticks(in range: ClosedRange<Double>) -> [Double] {
    switch scale {
    case .linear:
      let rough = (range.upperBound - range.lowerBound) / 6
      let power = pow(10, floor(log10(rough)))
      let step = [1, 2, 5, 10].map { $0 * power }.first { $0 >= rough } ?? 10 * power
      let first = (range.lowerBound / step).rounded(.up)
      let last = (range.upperBound / step).rounded(.down)
      guard last >= first else { return [] }
      return stride(from: first, through: last, by: 1).map { $0 * step }
    case .log:
      let low = Int(floor(log10(range.lowerBound))), high = Int(ceil(log10(range.upperBound)))
      let factors: [Double] = high - low <= 3 ? [1, 2, 5] : [1]
      let all = (low...high).flatMap { p in factors.map { $0 * pow(10, Double(p)) } }
      return all.filter { range.contains($0) }
    }
  }

  static func text(_ value: Double) -> String {
    if value == 0 { return "0" }
    let magnitude = abs(value)
    if magnitude >= 1e5 || magnitude < 1e-3 { return String(format: "%.0e", value) }
    return String(format: "%.4g", value)
  }
}
