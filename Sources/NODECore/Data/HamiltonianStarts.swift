import Foundation

// Where the motions of `HamiltonianTask` start, and the energy of bodies, as the authors' code has them.

extension HamiltonianTask {
  /// A point whose radius is uniform, in the direction of a uniform point of the square.
  static func ring(_ radii: Range<Double>) -> @Sendable (Int, RandomKey) -> Tensor<Double> {
    { count, key in
      let keys = key.split(2)
      let point = Tensor<Double>.uniform(shape: [count, 2], in: -1..<1, key: keys[0])
      let radius = Tensor<Double>.uniform(shape: [count, 1], in: radii, key: keys[1])
      return point * (radius / sqrt(square(point).sum(axes: [1], keepingDimensions: true)))
    }
  }

  /// Both components between 0.2 and 1 from zero. The authors test the pendulum from there too, inside of what it has seen.
  static func offAxes(_ count: Int, _ key: RandomKey) -> Tensor<Double> {
    let point = Tensor<Double>.uniform(shape: [count, 2], in: -0.8..<0.8, key: key)
    return point + sign(point) * 0.2
  }

  /// Two bodies opposite each other: one at a uniform point of [0.5, 1.5)² with the speed of the circle, but for a normal factor
  /// of deviation 0.05.
  static func pairs(_ count: Int, _ key: RandomKey) -> Tensor<Double> {
    let keys = key.split(2)
    let place = Tensor<Double>.uniform(shape: [count, 2], in: 0.5..<1.5, key: keys[0])
    let factor = Tensor<Double>.normal(shape: [count, 1], standardDeviation: 0.05, key: keys[1]) + 1
    let radius = sqrt(square(place).sum(axes: [1], keepingDimensions: true))
    let speed = factor / (radius * sqrt(radius) * 2)
    let x = place.sliced(0..<1, axis: 1), y = place.sliced(1..<2, axis: 1)
    let vx = -y * speed, vy = x * speed
    return .concatenated([x, -x, y, -y, vx, -vx, vy, -vy], axis: 1)
  }

  /// Three bodies a third of a turn apart, at a radius of 0.9 to 1.2 with the speed of the circle, but for uniform factors of
  /// each component in [0.8, 1.2).
  static func triangles(_ count: Int, _ key: RandomKey) -> Tensor<Double> {
    let keys = key.split(3)
    let point = Tensor<Double>.uniform(shape: [count, 2], in: -1..<1, key: keys[0])
    let radius = Tensor<Double>.uniform(shape: [count, 1], in: 0.9..<1.2, key: keys[1])
    let first = point * (radius / sqrt(square(point).sum(axes: [1], keepingDimensions: true)))
    func turned(_ v: Tensor<Double>, by angle: Double) -> Tensor<Double> {
      let c = Foundation.cos(angle), s = Foundation.sin(angle)
      return matmul(v, Tensor([[c, s], [-s, c]]))
    }
    let third = 2 * Double.pi / 3
    // sin 60° / (2 cos² 30°): the pull of the two others on a unit mass, at the radius 1.
    let pull = Foundation.sin(Double.pi / 3) / (2 * 0.75)
    let speed = turned(first, by: .pi / 2) * (pull.squareRoot() / (radius * sqrt(radius)))
    let factors = Tensor<Double>.uniform(shape: [count, 6], in: 0.8..<1.2, key: keys[2])
    var columns: [[Tensor<Double>]] = [[], [], [], []]
    for body in 0..<3 {
      let place = turned(first, by: Double(body) * third)
      let velocity =
        turned(speed, by: Double(body) * third) * factors.sliced(2 * body..<2 * body + 2, axis: 1)
      for axis in 0..<2 {
        columns[axis].append(place.sliced(axis..<axis + 1, axis: 1))
        columns[2 + axis].append(velocity.sliced(axis..<axis + 1, axis: 1))
      }
    }
    return .concatenated(columns.flatMap { $0 }, axis: 1)
  }

  /// Unit masses in the plane with G = 1; columns x of all bodies, y of all, and the momenta likewise.
  static func gravity(bodies: Int) -> KnownEnergy<Double> {
    KnownEnergy { state in
      let (q, p) = phaseHalves(state, "HamiltonianTask.gravity")
      var energy = square(p).sum(axes: [1], keepingDimensions: true) * 0.5
      for i in 0..<bodies {
        for j in i + 1..<bodies {
          func distance(_ offset: Int) -> Tensor<Double> {
            q.sliced(offset + i..<offset + i + 1, axis: 1) - q.sliced(offset + j..<offset + j + 1, axis: 1)
          }
          energy = energy - rsqrt(square(distance(0)) + square(distance(bodies)))
        }
      }
      return energy
    }
  }
}
