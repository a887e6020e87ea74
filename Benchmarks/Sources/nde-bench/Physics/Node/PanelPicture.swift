import Foundation
import RunnerSupport

/// Small pictures in rows and columns, each with lines and dots in a common range: how points move through
/// depth.
struct PanelPicture {
  struct Mark {
    var points: [(x: Double, y: Double)]
    var colour: String
    /// A line through the points; else a dot at each.
    var isLine: Bool
  }

  struct Panel {
    var title: String
    var marks: [Mark]
  }

  var title: String
  var rows: [[Panel]]
  var x: ClosedRange<Double>, y: ClosedRange<Double>

  static let blue = "#0072B2", red = "#D55E00"
  private static let side = 180.0, gap = 14.0, words = 20.0, head = 34.0

  var svg: String {
    let columns = rows.map(\.count).max() ?? 0
    let width = Double(columns) * (Self.side + Self.gap) + Self.gap
    let height = Self.head + Double(rows.count) * (Self.side + Self.words + Self.gap)
    var body = ""
    for (row, panels) in rows.enumerated() {
      for (column, panel) in panels.enumerated() {
        let left = Self.gap + Double(column) * (Self.side + Self.gap)
        let top = Self.head + Self.words + Double(row) * (Self.side + Self.words + Self.gap)
        body += "<text x='\(left)' y='\(top - 6)' font-size='12' fill='#222'>"
        body += SVGPlot.escaped(panel.title) + "</text>\n"
        body += "<svg x='\(left)' y='\(top)' width='\(Self.side)' height='\(Self.side)'>\n"
        for mark in panel.marks { body += drawing(of: mark) }
        body += "<rect width='\(Self.side)' height='\(Self.side)' fill='none' stroke='#888'/></svg>\n"
      }
    }
    let range = String(
      format: "x from %.1f to %.1f, y from %.1f to %.1f", x.lowerBound, x.upperBound, y.lowerBound,
      y.upperBound)
    return """
      <svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 \(width) \(height)' font-family='Helvetica, Arial, sans-serif'>
      <rect width='100%' height='100%' fill='white'/>
      <text x='\(Self.gap)' y='20' font-size='13' fill='#222'>\(SVGPlot.escaped("\(title) (\(range))"))</text>
      \(body)</svg>

      """
  }

  private func drawing(of mark: Mark) -> String {
    func place(_ value: Double, in range: ClosedRange<Double>) -> Double {
      (value - range.lowerBound) / (range.upperBound - range.lowerBound) * Self.side
    }
    let shown = mark.points.filter { $0.x.isFinite && $0.y.isFinite }
    let places = shown.map {
      (String(format: "%.1f", place($0.x, in: x)), String(format: "%.1f", Self.side - place($0.y, in: y)))
    }
    guard mark.isLine else {
      return places.map { "<circle cx='\($0.0)' cy='\($0.1)' r='1.6' fill='\(mark.colour)'/>\n" }.joined()
    }
    let points = places.map { "\($0.0),\($0.1)" }.joined(separator: " ")
    return
      "<polyline points='\(points)' fill='none' stroke='\(mark.colour)' stroke-width='1' opacity='0.7'/>\n"
  }
}
