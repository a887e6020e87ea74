import Foundation

extension TrajectoryReport: CustomStringConvertible {
  /// The rows and times, then a line for every quantity.
  public var description: String {
    let rows = quantities.first?.drifts.count ?? times.count, count = times[0].count
    let head =
      "\(rows) \(rows == 1 ? "row" : "rows"), \(count) \(count == 1 ? "time" : "times") "
      + "from \(text(times[0][0])) to \(text(times[0][count - 1]))"
    return ([head] + quantities.map { "  \($0)" }).joined(separator: "\n")
  }
}

extension TrajectoryReport.Quantity: CustomStringConvertible {
  /// Name and figures over the rows, of one row its own.
  public var description: String {
    var line = name + ": "
    if drifts.count == 1 {
      line +=
        "starts at \(text(drifts[0].initial)), drift at most \(text(largestDrift)), "
        + "\(text(finalDrift)) at the end"
    } else {
      line +=
        "drift at most \(text(largestDrift)) (median of rows \(text(medianDrift))), "
        + "\(text(finalDrift)) at the end"
    }
    // Relative to a target of zero it says nothing.
    if drifts.allSatisfy({ $0.target != 0 }) { line += ", relative \(text(relativeDrift))" }
    line +=
      "; mean squared \(text(meanSquaredError)), slope \(text(largestSlope)), "
      + "oscillation \(text(largestOscillation))"
    if nonfiniteRows > 0 {
      let first = drifts.compactMap(\.firstNonfinite).min()!
      line += "; \(nonfiniteRows) of \(drifts.count) not finite, first at time \(first)"
    }
    return line
  }
}

/// Three significant digits.
private func text(_ value: Double) -> String { String(format: "%.3g", value) }
