import Foundation
import NODECore
import RunnerSupport

/// A density on the plane as pictures: the points of the test, the density that was learned, its samples, and where the flow
/// takes them between the base and the data. density.png are the pixels; density.svg has them with words.
struct DensityPicture {
  let model: DensityModel
  /// Points [n, 2], in the data's units.
  let data: [Double]
  let title: String

  private static let side = 240, times = 6

  /// Half the side of the square that is shown, around its middle.
  private var view: (x: Double, y: Double, half: Double) {
    func range(_ offset: Int) -> (Double, Double) {
      let sorted = stride(from: offset, to: data.count, by: 2).map { data[$0] }.sorted()
      return (sorted[sorted.count / 200], sorted[sorted.count - 1 - sorted.count / 200])
    }
    let (x, y) = (range(0), range(1))
    let half = 0.6 * max(x.1 - x.0, y.1 - y.0)
    // All points in one place: a square of the model's own scale around it.
    let scale = model.settings.deviations.max() ?? 1
    return (
      x.0 / 2 + x.1 / 2, y.0 / 2 + y.1 / 2, half > 0 && half.isFinite ? half : scale > 0 ? scale : 1
    )
  }

  func write(to folder: String) throws {
    let samples = try model.density.base.sample(20_000, key: RandomKey(seed: 1)).evaluated()
    let way = try path(of: samples)
    var panels: [(String, [UInt8])] = [
      ("test points", histogram(data)), ("learned density", try density()),
      ("samples", histogram(way.last!.points)),
    ]
    panels += way.map { (String(format: "flow, t = %.2f", $0.time), histogram($0.points)) }
    let columns = 3, gap = 12, words = 22, side = Self.side
    let rows = (panels.count + columns - 1) / columns
    var all = PNG(width: columns * (side + gap) + gap, height: rows * (side + gap) + gap)
    var body = ""
    for (index, panel) in panels.enumerated() {
      var one = PNG(width: side, height: side)
      one.pixels = panel.1
      let column = index % columns, row = index / columns
      for y in 0..<side {
        for x in 0..<side {
          let at = 3 * (y * side + x)
          all.set(
            gap + column * (side + gap) + x, gap + row * (side + gap) + y,
            (panel.1[at], panel.1[at + 1], panel.1[at + 2]))
        }
      }
      let x = gap + column * (side + gap), y = 40 + row * (side + gap + words)
      body += "<text x='\(x)' y='\(y + 14)' font-size='13' fill='#222'>\(panel.0)</text>\n"
      body += "<image x='\(x)' y='\(y + words)' width='\(side)' height='\(side)' href='data:image/png;base64,"
      body += Data(one.encoded).base64EncodedString() + "'/>\n"
    }
    try writeAtomically(all.encoded, to: folder + "/density.png")
    let width = columns * (side + gap) + gap, height = 40 + rows * (side + gap + words)
    let frame = String(
      format: "each picture shows x from %.2f to %.2f, y from %.2f to %.2f", view.x - view.half,
      view.x + view.half,
      view.y - view.half, view.y + view.half)
    try writeAtomically(
      """
      <svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 \(width) \(height)' font-family='Helvetica, Arial, sans-serif'>
      <rect width='100%' height='100%' fill='white'/>
      <text x='\(gap)' y='18' font-size='12' fill='#222'>\(SVGPlot.escaped(title))</text>
      <text x='\(gap)' y='34' font-size='11' fill='#666'>\(frame)</text>
      \(body)</svg>

      """, to: folder + "/density.svg")
  }

  /// Points between the base and the data, in the data's units, and the time.
  private func path(of samples: Tensor<Double>) throws -> [(time: Double, points: [Double])] {
    let flow = model.density.flow
    let end: Double = try square(flow.rootOfEndTime).evaluated().scalar
    let times = (0..<Self.times).map { end * (1 - Double($0) / Double(Self.times - 1)) }
    let states = try flow.path(of: samples, at: times).evaluated()
    return try times.indices.map { (times[$0], model.settings.original(try states[$0].evaluated().scalars)) }
  }

  /// Densities on the grid of pixels, brighter where there is more.
  private func density() throws -> [UInt8] {
    let side = Self.side, view = view
    var points: [Double] = []
    for y in 0..<side {
      for x in 0..<side {
        points.append(view.x + view.half * ((Double(x) + 0.5) / Double(side) * 2 - 1))
        points.append(view.y + view.half * (1 - (Double(y) + 0.5) / Double(side) * 2))
      }
    }
    let standardised = model.settings.standardised(points)
    var values: [Double] = []
    for start in stride(from: 0, to: side * side, by: 2400) {
      let part = Tensor(Array(standardised[2 * start..<2 * (start + 2400)]), shape: [2400, 2])
      values += try model.density.logDensity(part).evaluated().scalars.map { Foundation.exp($0) }
    }
    return colours(values)
  }

  /// How many points fall on each pixel of a grid three times as coarse.
  private func histogram(_ points: [Double]) -> [UInt8] {
    let side = Self.side, cells = side / 3, view = view
    var counts = [Double](repeating: 0, count: cells * cells)
    for row in 0..<points.count / 2 {
      let x = ((points[2 * row] - view.x) / view.half + 1) / 2 * Double(cells)
      let y = (1 - (points[2 * row + 1] - view.y) / view.half) / 2 * Double(cells)
      if 0..<Double(cells) ~= x, 0..<Double(cells) ~= y { counts[Int(y) * cells + Int(x)] += 1 }
    }
    return colours((0..<side * side).map { counts[($0 / side / 3) * cells + $0 % side / 3] })
  }

  /// The 99.5th percentile of what is not empty is the brightest.
  private func colours(_ values: [Double]) -> [UInt8] {
    let sorted = values.filter { $0 > 0 }.sorted()
    let top = sorted.isEmpty ? 1 : sorted[min(sorted.count - 1, sorted.count * 199 / 200)]
    return values.flatMap { value -> [UInt8] in
      let colour = viridis((value / top).squareRoot())
      return [colour.0, colour.1, colour.2]
    }
  }
}
