import Foundation

/// Pictures of a pendulum: a rod from the middle of a square to where its angle points, with soft edges. As those of
/// Saemundsson et al. 2020, section 5, in the proportions of the authors' program (a rod of length 1 in a square of 2.4 a side,
/// 12 points wide at 28 dots an inch), but each pixel has the share of it that is covered, where theirs are 0 or 1.
public enum PendulumFrames {
  /// Pixels of a row, and rows.
  public static let side = 28

  /// Frames [angles, side²], row by row from the top, 1 on the rod.
  public static func render<S: FloatingScalar>(angles: [Double]) -> Tensor<S> {
    require(!angles.isEmpty, "PendulumFrames: there are no angles")
    require(angles.allSatisfy(\.isFinite), "PendulumFrames: angles must be finite, got \(angles)")
    let scale = Double(side) / 2.4, radius = 12.0 / 72 * 28 / 2
    var pixels: [S] = []
    pixels.reserveCapacity(angles.count * side * side)
    for angle in angles {
      // From the middle, in pixels, y downward: at angle 0 the rod hangs.
      let (x, y) = (sin(angle) * scale, cos(angle) * scale)
      for row in 0..<side {
        for column in 0..<side {
          let u = Double(column) + 0.5 - Double(side) / 2, v = Double(row) + 0.5 - Double(side) / 2
          let along = min(max((u * x + v * y) / (scale * scale), 0), 1)
          let distance = hypot(u - along * x, v - along * y)
          pixels.append(S(min(max(radius + 0.5 - distance, 0), 1)))
        }
      }
    }
    return Tensor(pixels, shape: [angles.count, side * side])
  }

  /// The angle of a frame's rod, from the first moments of its pixels: what a picture shows, without a model of it. NaN for an
  /// empty frame.
  public static func angle(of frame: some Collection<Double>) -> Double {
    require(
      frame.count == side * side, "PendulumFrames: a frame has \(side * side) pixels, got \(frame.count)")
    var x = 0.0, y = 0.0, mass = 0.0
    for (index, pixel) in frame.enumerated() {
      x += pixel * (Double(index % side) + 0.5 - Double(side) / 2)
      y += pixel * (Double(index / side) + 0.5 - Double(side) / 2)
      mass += pixel
    }
    return mass > 0 ? atan2(x, y) : .nan
  }
}
