// A profile as a picture.

extension Profile {
  /// A flame graph, a self-contained SVG without scripts: the widths are times of all threads, what stands on something is
  /// what it consists of. Rectangles tell their numbers when pointed at. The form is Brendan Gregg's.
  public var svg: String {
    let capacity = seconds * Double(threads)
    let roots =
      entries + (restSeconds > 0 ? [Entry(name: "rest", kind: .rest, calls: 0, seconds: restSeconds)] : [])
    let height = FlameGraph.rowHeight * Double(1 + FlameGraph.depth(roots)) + FlameGraph.top + 12
    var graph = FlameGraph(profile: self, height: height, scale: FlameGraph.width / max(capacity, 1e-12))
    graph.draw(
      Entry(name: signature, kind: .program, calls: 1, seconds: capacity, children: roots), from: 0, level: 0)
    return """
      <svg xmlns="http://www.w3.org/2000/svg" width="\(Int(FlameGraph.width + 20))" height="\(Int(height))" \
      viewBox="-10 0 \(Int(FlameGraph.width + 20)) \(Int(height))" font-family="sans-serif" font-size="12">
      <rect x="-10" width="100%" height="100%" fill="white"/>
      <text x="0" y="20" font-size="14">\(FlameGraph.escaped(summary))</text>
      \(graph.elements.joined(separator: "\n"))
      </svg>

      """
  }

  private var summary: String {
    "\(duration(seconds)) a run, \(threads) \(threads == 1 ? "thread" : "threads"), mean of \(runs)"
  }
}

private struct FlameGraph {
  static let width = 1180.0, rowHeight = 19.0, top = 32.0
  let profile: Profile
  let height: Double
  /// Units of the picture a second.
  let scale: Double
  var elements: [String] = []

  init(profile: Profile, height: Double, scale: Double) {
    self.profile = profile
    self.height = height
    self.scale = scale
  }

  static func depth(_ entries: [Profile.Entry]) -> Int {
    entries.reduce(0) { max($0, 1 + depth($1.children)) }
  }

  /// Flames grow upward: the program is at the bottom.
  mutating func draw(_ entry: Profile.Entry, from seconds: Double, level: Int) {
    let width = entry.seconds * scale
    guard width >= 0.2 else { return }
    let x = seconds * scale, y = height - 8 - Double(level + 1) * Self.rowHeight
    let label = Self.escaped(name(entry))
    elements.append(
      "<g><title>\(Self.escaped(numbers(entry)))</title>"
        + "<rect x=\"\(Self.short(x))\" y=\"\(Self.short(y))\" width=\"\(Self.short(width))\" "
        + "height=\"\(Int(Self.rowHeight - 1))\" fill=\"\(colour(entry))\" rx=\"1\"/>"
        + (Double(name(entry).count) * 6.6 + 6 < width
          ? "<text x=\"\(Self.short(x + 3))\" y=\"\(Self.short(y + 13))\">\(label)</text>" : "") + "</g>")
    var start = seconds
    for child in entry.children {
      draw(child, from: start, level: level + 1)
      start += child.seconds
    }
  }

  private func name(_ entry: Profile.Entry) -> String {
    entry.name + (entry.shape.map { " " + Shape($0).description } ?? "")
  }

  private func numbers(_ entry: Profile.Entry) -> String {
    let total = profile.seconds * Double(profile.threads)
    var text = "\(name(entry)): \(profile.duration(entry.seconds)), \(profile.percent(entry.seconds / total))"
    if entry.calls > 0 { text += ", \(entry.calls) calls" }
    if let flops = entry.flops, flops > 0 { text += ", \(quantity(flops, "flop"))" }
    if let bytes = entry.bytes, bytes > 0 { text += ", \(quantity(bytes, "B"))" }
    if let share = entry.shareOfPeak { text += ", \(profile.percent(share)) of the peak" }
    return text
  }

  /// Warm for work, by name, so that the same operation has the same colour everywhere; cool for what is not an operation.
  private func colour(_ entry: Profile.Entry) -> String {
    let hash = entry.name.utf8.reduce(UInt32(2_166_136_261)) { ($0 ^ UInt32($1)) &* 16_777_619 }
    switch entry.kind {
    case .operation: return "rgb(\(215 + hash % 41),\(105 + hash / 41 % 120),\(40 + hash / 4920 % 50))"
    case .program: return "rgb(150,190,\(210 + hash % 40))"
    case .phase: return "rgb(\(165 + hash % 30),205,150)"
    case .rest: return "rgb(214,214,214)"
    }
  }

  /// Two digits after the point: what a picture resolves.
  private static func short(_ x: Double) -> String { decimal(max(x, 0), digits: 2) }

  static func escaped(_ text: String) -> String {
    var result = ""
    for character in text {
      switch character {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      default: result.append(character)
      }
    }
    return result
  }
}
