import Foundation

/// Resident memory of this process as the kernel counts it, in bytes.
public enum ResidentMemory {
  /// Now (VmRSS).
  public static var current: Int? { field("VmRSS") }
  /// The highest since the process began or `resetPeak` (VmHWM).
  public static var peak: Int? { field("VmHWM") }

  /// Starts a new peak; false where the kernel does not allow it (then `peak` is that of the whole process).
  @discardableResult
  public static func resetPeak() -> Bool {
    guard let file = fopen("/proc/self/clear_refs", "w") else { return false }
    defer { fclose(file) }
    return fputs("5", file) >= 0
  }

  private static func field(_ name: String) -> Int? {
    guard let text = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8) else { return nil }
    for line in text.split(separator: "\n") where line.hasPrefix(name + ":") {
      let digits = line.drop { !$0.isNumber }.prefix { $0.isNumber }
      return Int(digits).map { $0 * 1024 }
    }
    return nil
  }
}

/// "1.23 MB", "618 KB": decimal units, three figures.
public func bytesText(_ bytes: Int) -> String {
  let units = ["B", "KB", "MB", "GB", "TB"]
  var value = Double(bytes)
  var unit = 0
  while value >= 999.5, unit < units.count - 1 {
    value /= 1000
    unit += 1
  }
  let digits = unit == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2
  return String(format: "%.\(digits)f ", value) + units[unit]
}
