// A profile as text.

extension Profile {
  /// A table: time of all threads, share of it, calls, operations, their rate and its share of the peak, bytes; sorted, and
  /// nested where an operation is a solve or a loop. Its last lines are what nothing accounts for, and the total.
  public var description: String {
    let capacity = seconds * Double(threads)
    var rows = [["time", "share", "calls", "flop", "flop/s", "peak", "bytes", "", "operation"]]
    func add(_ entries: [Entry], depth: Int) {
      for entry in entries {
        rows.append(row(entry, capacity: capacity, depth: depth))
        add(entry.children, depth: depth + 1)
      }
    }
    add(entries, depth: 0)
    let rest = Entry(
      name: "between operations, threads without work", kind: .rest, calls: 0, seconds: restSeconds)
    rows.append(row(rest, capacity: capacity, depth: 0))
    let total = Entry(
      name: "total", kind: .rest, calls: 0, seconds: capacity,
      flops: entries.reduce(0) { $0 + ($1.flops ?? 0) }, bytes: entries.reduce(0) { $0 + ($1.bytes ?? 0) })
    rows.append(row(total, capacity: capacity, depth: 0))
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    let lines = rows.map { row in
      row.enumerated().map { column, cell in
        let space = String(repeating: " ", count: widths[column] - cell.count)
        return column == row.count - 1 ? cell : space + cell
      }.joined(separator: "  ")
    }
    return (heading + lines).joined(separator: "\n")
  }

  private var heading: [String] {
    [
      "profile: \(signature)",
      "\(duration(seconds)) a run, \(runs) \(runs == 1 ? "run" : "runs"), \(threads) "
        + "\(threads == 1 ? "thread" : "threads"); peak of one: \(rate(floatPeak)) float, \(rate(doublePeak)) double",
    ]
  }

  private func rate(_ perSecond: Double) -> String { quantity(Int(perSecond), "flop/s") }

  private func row(_ entry: Entry, capacity: Double, depth: Int) -> [String] {
    let indent = String(repeating: "  ", count: depth)
    let shape = entry.shape.map { " " + Shape($0).description } ?? ""
    let counted = (entry.flops ?? 0) > 0
    return [
      duration(entry.seconds), percent(capacity > 0 ? entry.seconds / capacity : 0),
      entry.calls > 0 ? "\(entry.calls)" : "", counted ? quantity(entry.flops!, "") : "",
      counted ? entry.flopRate.map { quantity(Int($0), "") } ?? "" : "", entry.shareOfPeak.map(percent) ?? "",
      (entry.bytes ?? 0) > 0 ? quantity(entry.bytes!, "B") : "", "", indent + entry.name + shape,
    ]
  }

  func percent(_ share: Double) -> String { decimal(100 * share, digits: 1) + " %" }

  /// Seconds with three digits and a unit that fits.
  func duration(_ seconds: Double) -> String {
    for (unit, scale) in [("s", 1.0), ("ms", 1e3), ("µs", 1e6)] where seconds * scale >= 0.9995 {
      let value = seconds * scale
      return decimal(value, digits: value < 9.995 ? 2 : value < 99.95 ? 1 : 0) + " " + unit
    }
    return decimal(seconds * 1e9, digits: 0) + " ns"
  }
}
