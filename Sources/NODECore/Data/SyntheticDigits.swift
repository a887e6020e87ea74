import Foundation

/// Handwritten-like digits drawn from strokes: the data set that is always there. 28 x 28, white on black,
/// like MNIST, and generated again bit for bit from a key on one kind of machine (libm's sine may differ
/// between platforms).
///
/// Each image chooses a digit, a style of writing it, and then bends, turns, shears, scales and shifts the
/// pen's path and chooses the pen's width.
public enum SyntheticDigits {
  /// Of every image, in pixels.
  public static let height = 28, width = 28

  /// `count` images; sample i depends on (key, i) only, so that a longer set begins with the shorter one.
  public static func dataset(count: Int, key: RandomKey) -> ImageDataset {
    let words = key.hostWords
    var pixels = [UInt8](repeating: 0, count: count * height * width)
    var labels = [Int32](repeating: 0, count: count)
    var nearest = [Double](repeating: 0, count: height * width)
    for i in 0..<count {
      var stream = RandomStream(words: RandomStream.child(i, of: words))
      let digit = stream.nextInteger(below: 10)
      labels[i] = Int32(digit)
      let styles = DigitStrokes.styles[digit]
      let pen = Pen(&stream)
      for j in nearest.indices { nearest[j] = .infinity }
      for stroke in styles[stream.nextInteger(below: styles.count)] {
        pen.draw(stroke, &stream, into: &nearest)
      }
      for j in nearest.indices {
        // Ink falls from full to none over one pixel at the pen's edge: anti-aliasing for a round nib.
        let ink = min(max(pen.halfWidth + 0.5 - nearest[j].squareRoot(), 0), 1)
        pixels[i * height * width + j] = UInt8((ink * pen.darkness * 255).rounded())
      }
    }
    return ImageDataset(pixels: pixels, height: height, width: width, labels: labels)
  }
}

/// One writer's hand on one image: a map from the unit square to pixels, and a nib.
private struct Pen {
  let halfWidth: Double, darkness: Double
  private let matrix: (Double, Double, Double, Double)
  private let origin: Stroke.Point
  // A slow wave bends the whole digit; `wobble` moves each point of a path.
  private let amplitude: Stroke.Point, phase: Stroke.Point, frequency: Stroke.Point
  private let wobble: Double

  init(_ stream: inout RandomStream) {
    halfWidth = stream.nextUniform(0.6, 1.7)
    darkness = stream.nextUniform(0.75, 1)
    let angle = stream.nextUniform(-0.26, 0.26), shear = stream.nextUniform(-0.35, 0.35)
    let sx = stream.nextUniform(15, 24), sy = stream.nextUniform(18, 24)
    matrix = (
      sx * cos(angle), sy * (-sin(angle) - shear * cos(angle)), sx * sin(angle),
      sy * (cos(angle) - shear * sin(angle))
    )
    origin = Stroke.Point(13.5 + stream.nextUniform(-2, 2), 13.5 + stream.nextUniform(-1.5, 1.5))
    amplitude = Stroke.Point(stream.nextUniform(-0.06, 0.06), stream.nextUniform(-0.05, 0.05))
    phase = Stroke.Point(stream.nextUniform(0, 6.3), stream.nextUniform(0, 6.3))
    frequency = Stroke.Point(stream.nextUniform(3, 7), stream.nextUniform(3, 7))
    wobble = stream.nextUniform(0.005, 0.025)
  }

  private func place(_ p: Stroke.Point) -> Stroke.Point {
    let x = p.x - 0.5 + amplitude.x * sin(frequency.x * p.y + phase.x)
    let y = p.y - 0.5 + amplitude.y * sin(frequency.y * p.x + phase.y)
    return Stroke.Point(
      origin.x + matrix.0 * x + matrix.1 * y, origin.y + matrix.2 * x + matrix.3 * y)
  }

  /// Lowers each pixel's squared distance to the ink's centre line.
  func draw(_ stroke: Stroke, _ stream: inout RandomStream, into nearest: inout [Double]) {
    let points = stroke.points.map { p in
      place(p + Stroke.Point(stream.nextUniform(-wobble, wobble), stream.nextUniform(-wobble, wobble)))
    }
    let reach = halfWidth + 1
    for (a, b) in zip(points, points.dropFirst()) {
      let left = max(Int(min(a.x, b.x) - reach), 0), right = min(Int(max(a.x, b.x) + reach) + 1, 27)
      let top = max(Int(min(a.y, b.y) - reach), 0), bottom = min(Int(max(a.y, b.y) + reach) + 1, 27)
      guard left <= right, top <= bottom else { continue }
      let along = b - a
      let length2 = max((along * along).sum(), 1e-12)
      for y in top...bottom {
        for x in left...right {
          let offset = Stroke.Point(Double(x), Double(y)) - a
          let s = min(max((offset * along).sum() / length2, 0), 1)
          let gap = offset - along * s
          let d2 = (gap * gap).sum()
          if d2 < nearest[y * 28 + x] { nearest[y * 28 + x] = d2 }
        }
      }
    }
  }
}
