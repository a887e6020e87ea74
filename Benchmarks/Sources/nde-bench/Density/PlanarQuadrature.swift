import Foundation
import NODECore
import RunnerSupport

/// Points of the plane with the standard normal's weights, the sum of which is 1: the trapezoidal rule, spectrally accurate for
/// smooth integrands.
struct PlaneQuadrature {
  /// [points, 2]
  var points: Tensor<Double>
  /// [points]
  var weights: Tensor<Double>

  /// A lattice in s of z = sinh(s), which is `spacing` apart at the origin and wider further out, where the weights are small.
  /// A flow to a ring tears the plane near the origin, in a slit as narrow as it is good.
  /// - Parameters:
  ///   - offset: of the lattice, in spacings.
  ///   - angle: that the points are turned by.
  ///   - radius: beyond it, where the mass is exp(-radius² / 2), there are no points.
  ///   - least: points of no larger weight are left out.
  init(
    spacing: Double, offset: (Double, Double) = (0, 0), angle: Double = 0, radius: Double = 5.5,
    least: Double = 1e-9
  ) {
    let reach = Int((asinh(radius) / spacing).rounded(.up)) + 1
    func axis(_ offset: Double) -> [(z: Double, width: Double)] {
      (-reach...reach).map {
        let s = (Double($0) + offset) * spacing
        return (sinh(s), cosh(s) * spacing)
      }
    }
    let second = axis(offset.1)
    var points: [Double] = [], weights: [Double] = []
    for x in axis(offset.0) {
      for y in second {
        let squared = x.z * x.z + y.z * y.z
        let weight = exp(-squared / 2) / (2 * .pi) * x.width * y.width
        guard squared <= radius * radius, weight > least else { continue }
        points += [cos(angle) * x.z - sin(angle) * y.z, sin(angle) * x.z + cos(angle) * y.z]
        weights.append(weight)
      }
    }
    let sum = weights.reduce(0, +)
    self.points = Tensor(points, shape: [weights.count, 2])
    self.weights = Tensor(weights.map { $0 / sum })
  }

  /// Somewhere else for every key.
  init(spacing: Double, radius: Double = 5.5, least: Double = 1e-9, key: RandomKey) throws {
    let u = try Tensor<Double>.uniform(shape: [3], key: key).evaluated().scalars
    self.init(spacing: spacing, offset: (u[0], u[1]), angle: 2 * .pi * u[2], radius: radius, least: least)
  }

  /// The Kullback-Leibler divergence from the density q to p, as the integral over the base of r + exp(-r) - 1, r = log(q / p).
  /// That of exp(-r) is 1, so it is the integral of r; but no point has less than zero. Of r alone a flow makes as little as it
  /// likes: it grows at the points of the lattice and shrinks between them.
  func divergence<F: SamplingFlow<Double>>(
    _ density: FlowDensity<F, NormalDistribution<Double>>,
    to logTarget: (Tensor<Double>) throws -> Tensor<Double>, logNormaliser: Double
  ) throws -> Tensor<Double> {
    let image = try density.flow.fromBase(points, key: RandomKey(seed: 0))
    let logDensity = density.base.logDensity(points) - image.logDeterminant
    let excess = try logDensity - logTarget(image.state) + logNormaliser
    return (weights * (excess + exp(-excess) - 1)).sum()
  }
}

/// L-BFGS on quadratures of the base. The budget of evaluations is divided among lattices at random places: what was fitted to
/// one, between its points, is found by the next.
struct PlanarMinimisation {
  /// Of the divergence and its gradient, all lattices together: an evaluation is a step of Adam or RMSprop.
  var budget: Int
  var lattices: Int
  /// At the origin.
  var spacing = 0.055
  var lbfgs = LBFGS(memory: 60, maximumIterations: .max, gradientTolerance: 1e-9)

  /// The parameters and the evaluations that were used; no parameters where the divergence was infinite. nil: interrupted.
  func minimise<F: SamplingFlow<Double>>(
    _ start: FlowDensity<F, NormalDistribution<Double>>,
    to logTarget: @escaping @Sendable (Tensor<Double>) throws -> Tensor<Double>, logNormaliser: Double,
    key: RandomKey, progress: (_ evaluations: Int, _ value: Double) -> Void = { _, _ in }
  ) throws -> (parameters: [Double]?, evaluations: Int)? {
    var density = start, used = 0, idle = 0, lattice = 0
    let share = max(1, budget / lattices)
    // A second lattice on which no step lowers the divergence is the end.
    while used < budget, idle < 2 {
      if Interrupt.isRequested { return nil }
      let quadrature = try PlaneQuadrature(spacing: spacing, key: key.fold(in: lattice))
      var own = lbfgs
      own.maximumEvaluations = min(share, budget - used)
      let found = try own.minimize(density) {
        try quadrature.divergence($0, to: logTarget, logNormaliser: logNormaliser)
      }
      guard found.value.isFinite else { return (nil, used + found.evaluations) }
      density = found.point
      used += found.evaluations
      idle = found.iterations == 0 && found.status != .maximumEvaluations ? idle + 1 : 0
      lattice += 1
      progress(used, found.value)
    }
    return (density.parameterVector(Double.self).scalars, used)
  }
}
