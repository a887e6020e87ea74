import Foundation

/// Resident memory of this process as the kernel counts it, in bytes.
public enum ResidentMemory {
  /// Now (VmRSS).
  public static var current: Int? { field("VmRSS") }
  /// The highest since the process began or `resetPeak` (VmHWM).
  public static var peak: Int? { field("VmHWM") }

  /// Starts a new peak at what is in use now; nil where the kernel does not allow it. Free memory that the allocator
  /// keeps goes back first: otherwise what comes next would hide in it.
  public static func resetPeak() -> Int? {
    returnFreeMemory()
    return clearPeak() ? current : nil
  }

  // glibc's malloc_trim, looked up by name: the module map of the C library leaves <malloc.h> out.
  private static func returnFreeMemory() {
    guard let symbol = dlsym(nil, "malloc_trim") else { return }
    _ = unsafeBitCast(symbol, to: (@convention(c) (Int) -> Int32).self)(0)
  }

  private static func clearPeak() -> Bool {
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
