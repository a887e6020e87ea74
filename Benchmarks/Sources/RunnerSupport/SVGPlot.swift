import Foundation

/// A line plot as a self-contained SVG: axes with ticks and labels, a grid, series with points, error bars and a legend.
///
/// Our own hundred lines and not a plotting program, because a result must become a picture on a machine that has
/// nothing but the runner.
public struct SVGPlot: Sendable {
  public struct Point: Sendable {
    public var x: Double, y: Double
    /// Ends of a vertical error bar.
    public var interval: ClosedRange<Double>?

    public init(_ x: Double, _ y: Double, interval: ClosedRange<Double>? = nil) {
      self.x = x
      self.y = y
      self.interval = interval
    }
  }

  public struct Series: Sendable {
    public var name: String
    public var points: [Point]
    public var joined: Bool

    public init(_ name: String, _ points: [Point], joined: Bool = true) {
      self.name = name
      self.points = points
      self.joined = joined
    }
  }

  public var title: String
  public var x: Axis, y: Axis
  public var series: [Series]
  /// A line under the title: what data, which machine, what was cut.
  public var note: String

  public init(title: String, note: String = "", x: Axis, y: Axis, series: [Series]) {
    self.title = title
    self.note = note
    self.x = x
    self.y = y
    self.series = series
  }

  // Okabe and Ito's colours: distinct for readers with any colour vision.
  static let colours = [
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8B6F00",
  ]

  private static let width = 760.0, height = 460.0
  private static let left = 76.0, right = 200.0, top = 58.0, bottom = 58.0

  public var svg: String {
    let values = series.flatMap(\.points)
    let shownY = values.flatMap { [$0.y] + ($0.interval.map { [$0.lowerBound, $0.upperBound] } ?? []) }
    guard let xRange = x.range(of: values.map(\.x)), let yRange = y.range(of: shownY) else {
      return Self.frame(title: title, note: "nothing to show", body: "")
    }
    let plotWidth = Self.width - Self.left - Self.right, plotHeight = Self.height - Self.top - Self.bottom
    func px(_ value: Double) -> Double { Self.left + x.position(value, in: xRange) * plotWidth }
    func py(_ value: Double) -> Double { Self.top + (1 - y.position(value, in: yRange)) * plotHeight }

    var body = ""
    for tick in x.ticks(in: xRange) {
      let at = px(tick)
      body += Self.line(at, Self.top, at, Self.top + plotHeight, "#e4e4e4")
      body += Self.text(at, Self.top + plotHeight + 18, Axis.text(tick), anchor: "middle")
    }
    for tick in y.ticks(in: yRange) {
      let at = py(tick)
      body += Self.line(Self.left, at, Self.left + plotWidth, at, "#e4e4e4")
      body += Self.text(Self.left - 8, at + 4, Axis.text(tick), anchor: "end")
    }
    body += "<rect x='\(Self.left)' y='\(Self.top)' width='\(plotWidth)' height='\(plotHeight)' "
    body += "fill='none' stroke='#444'/>\n"
    body += Self.text(Self.left + plotWidth / 2, Self.height - 16, x.label, anchor: "middle", size: 13)
    body += Self.text(
      20, Self.top + plotHeight / 2, y.label, anchor: "middle", size: 13,
      extra: " transform='rotate(-90 20 \(Self.number(Self.top + plotHeight / 2)))'")

    for (index, series) in series.enumerated() {
      let colour = Self.colours[index % Self.colours.count]
      let shown = series.points.filter {
        $0.x.isFinite && $0.y.isFinite && (x.scale == .linear || $0.x > 0) && (y.scale == .linear || $0.y > 0)
      }
      if series.joined, shown.count > 1 {
        let path = shown.map { "\(Self.number(px($0.x))),\(Self.number(py($0.y)))" }.joined(separator: " ")
        body += "<polyline points='\(path)' fill='none' stroke='\(colour)' stroke-width='1.8'/>\n"
      }
      for point in shown {
        let cx = px(point.x)
        if let interval = point.interval {
          let lowest = y.scale == .log ? max(interval.lowerBound, yRange.lowerBound) : interval.lowerBound
          body += Self.line(cx, py(lowest), cx, py(interval.upperBound), colour)
        }
        if shown.count <= 200 {
          body +=
            "<circle cx='\(Self.number(cx))' cy='\(Self.number(py(point.y)))' r='3.2' fill='\(colour)'/>\n"
        }
      }
      let row = Self.top + 10 + Double(index) * 20
      body += Self.line(
        Self.width - Self.right + 14, row, Self.width - Self.right + 34, row, colour, width: 3)
      body += Self.text(Self.width - Self.right + 40, row + 4, series.name, anchor: "start")
    }
    return Self.frame(title: title, note: note, body: body)
  }

  private static func frame(title: String, note: String, body: String) -> String {
    """
    <svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 \(number(width)) \(number(height))' \
    font-family='Helvetica, Arial, sans-serif'>
    <rect width='100%' height='100%' fill='white'/>
    \(text(left, 24, title, anchor: "start", size: 16))\(text(left, 43, note, anchor: "start", size: 11))\(body)</svg>

    """
  }

  private static func line(
    _ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ colour: String, width: Double = 1
  ) -> String {
    "<line x1='\(number(x1))' y1='\(number(y1))' x2='\(number(x2))' y2='\(number(y2))' "
      + "stroke='\(colour)' stroke-width='\(number(width))'/>\n"
  }

  private static func text(
    _ x: Double, _ y: Double, _ content: String, anchor: String, size: Int = 12, extra: String = ""
  ) -> String {
    "<text x='\(number(x))' y='\(number(y))' font-size='\(size)' text-anchor='\(anchor)' fill='#222'\(extra)>"
      + escaped(content) + "</text>\n"
  }

  private static func number(_ value: Double) -> String { String(format: "%.1f", value) }

  /// Text as XML has it.
  public static func escaped(_ text: String) -> String {
    text.replacingOccurrences(of: "&", with: "&amp;").replacingOccurrences(of: "<", with: "&lt;")
      .replacingOccurrences(of: ">", with: "&gt;")
  }
}
