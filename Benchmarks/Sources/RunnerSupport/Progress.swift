import Foundation

/// A progress line on standard error, redrawn in place; silent when that is not a terminal.
///
///     ResNet-6 epoch 3/12 [########------------]  41 %  loss 0.0831, 1204 images/s  0:42 left
public struct ProgressLine {
  public let isLive: Bool
  private let start = monotonicSeconds()
  private var lastDraw = -1.0
  private var width = 0

  public init(isLive: Bool = isatty(2) == 1) { self.isLive = isLive }

  /// Draws at most ten times a second.
  public mutating func update(_ label: String, fraction: Double, detail: String, secondsLeft: Double?) {
    guard isLive else { return }
    let now = monotonicSeconds()
    guard now - lastDraw >= 0.1 || fraction >= 1 else { return }
    lastDraw = now
    let text = Self.line(label, fraction: fraction, detail: detail, secondsLeft: secondsLeft)
    write("\r" + text + String(repeating: " ", count: max(0, width - text.count)))
    width = text.count
  }

  /// Draws after `done` of `total` equal steps since this line was made; tells what the rest will take at that pace.
  public mutating func update(_ label: String, done: Int, of total: Int, detail: String) {
    update(
      label, fraction: Double(done) / Double(total), detail: detail,
      secondsLeft: (monotonicSeconds() - start) / Double(max(1, done)) * Double(total - done))
  }

  /// Removes the line, so that a finished row can be printed.
  public mutating func clear() {
    guard isLive, width > 0 else { return }
    write("\r" + String(repeating: " ", count: width) + "\r")
    width = 0
  }

  static func line(_ label: String, fraction: Double, detail: String, secondsLeft: Double?) -> String {
    let cells = 20
    let fraction = min(max(fraction.isFinite ? fraction : 0, 0), 1)
    let filled = Int((fraction * Double(cells)).rounded(.down))
    let bar = String(repeating: "#", count: filled) + String(repeating: "-", count: cells - filled)
    var text = "\(label) [\(bar)] \(String(format: "%3.0f", fraction * 100)) %  \(detail)"
    if let secondsLeft, secondsLeft.isFinite { text += "  \(clock(secondsLeft)) left" }
    return text
  }

  private func write(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }
}

/// Minutes and seconds, hours when there are any: "1:02:05", "0:42".
public func clock(_ seconds: Double) -> String {
  let total = Int(max(0, seconds).rounded())
  let (hours, minutes, rest) = (total / 3600, total / 60 % 60, total % 60)
  return hours > 0
    ? String(format: "%d:%02d:%02d", hours, minutes, rest) : String(format: "%d:%02d", minutes, rest)
}

/// Seconds of a clock that only moves forward.
public func monotonicSeconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}

/// Prints a line at once: standard output is buffered where it is a file, and somebody may be following it.
public func say(_ line: String) {
  print(line)
  fflush(nil)
}
