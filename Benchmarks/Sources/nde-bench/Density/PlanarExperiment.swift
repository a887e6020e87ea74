import ArgumentParser
import Foundation
import NODECore
import RunnerSupport

/// What planar flows are fitted to.
enum PlanarTarget {
  case energy(PlaneEnergy)
  case data(PlaneDataset)

  init?(_ name: String) {
    if let energy = PlaneEnergy(rawValue: name) {
      self = .energy(energy)
    } else if let data = PlaneDataset(rawValue: name), data.entropy != nil {
      self = .data(data)
    } else {
      return nil
    }
  }
}

enum PlanarKind: String, Codable, CaseIterable, ExpressibleByArgument {
  case continuous = "planar CNF"
  case discrete = "planar NF"

  init?(argument: String) {
    switch argument {
    case "cnf": self = .continuous
    case "nf": self = .discrete
    default: return nil
    }
  }

  /// Of the paper: 10,000 of Adam against 500,000 of RMSprop.
  var paperSteps: Int { self == .continuous ? 10_000 : 500_000 }
}

/// What is chosen for a flow by trials.
struct PlanarSettings: Codable, Hashable {
  /// 0: L-BFGS on quadratures alone, which has none.
  var learningRate: Double
  /// Of a continuous flow its end time; of a discrete one the spread of its normals at the start (`PlanarFlow`).
  var scale: Double

  /// The trials of either side: as many for one as for the other.
  static func grid(_ kind: PlanarKind, withoutRates: Bool = false) -> [PlanarSettings] {
    let rates: [Double], scales: [Double]
    switch kind {
    case .continuous: (rates, scales) = ([2e-3, 5e-3, 1e-2, 2e-2], [5, 10])
    case .discrete: (rates, scales) = ([3e-4, 1e-3, 3e-3, 1e-2], [0.5, 1])
    }
    if withoutRates { return scales.map { PlanarSettings(learningRate: 0, scale: $0) } }
    return scales.flatMap { scale in rates.map { PlanarSettings(learningRate: $0, scale: scale) } }
  }

  var text: String {
    learningRate > 0 ? String(format: "%.0e, %g", learningRate, scale) : String(format: "L-BFGS, %g", scale)
  }
}

/// A flow's worth after a training: nats above the least there is, infinite where it diverged.
struct PlanarResult: Codable {
  var excess: Double, standardError: Double, seconds: Double
  /// Of the loss and its gradient.
  var evaluations: Int
}

/// One training of a planar flow on one target.
struct PlanarExperiment {
  var target: String
  var kind: PlanarKind
  /// Units or layers.
  var size: Int
  var settings: PlanarSettings
  var steps: Int, batch: Int
  var samples: Int
  /// Of continuous flows and energies: the gradient through the samples alone.
  var pathwise = false
  /// Of energies: L-BFGS on quadratures of the base, for all iterations that are not `sampled`.
  var quadrature = false
  /// The share of the iterations that comes before it, on samples.
  var handover = 0.0
  /// That the iterations on quadratures are divided among.
  var lattices = 4
  var seed: UInt64

  /// By the midpoint rule, which takes longer than a small flow's training.
  private static let logNormalisers = Dictionary(
    uniqueKeysWithValues: PlaneEnergy.allCases.map { ($0, $0.logNormaliser) })

  /// Of the weights, of training, of what the result is found from.
  private var streams: [RandomKey] { RandomKey(seed: seed).split(3) }

  /// Steps of Adam or RMSprop.
  private var sampled: Int { quadrature ? Int(Double(steps) * handover) : steps }
  private var rate: Schedule {
    .cosine(settings.learningRate, steps: max(1, sampled), end: settings.learningRate / 100)
  }

  /// nil where the user interrupted it.
  func run() throws -> PlanarResult? {
    let key = streams[0].fold(in: size)
    switch kind {
    case .continuous:
      let field = PlanarField<Float>(2, units: size, key: key)
      let twin = PlanarField<Double>(2, units: size, key: key)
      let reported = ContinuousFlow(twin, dimensions: 2, endTime: settings.scale).evaluating()
      // A line search needs a loss that is smooth, which adaptive steps are not.
      var fixed = reported
      fixed.options = SolveOptions(method: .rk4, controller: .fixed(stepsPerInterval: 10))
      return try fitted(
        ContinuousFlow(field, dimensions: 2, endTime: settings.scale), reported, fixed,
        Adam(learningRate: rate)
      ) { density, energy, key in
        guard pathwise else { return try plainDivergence(density, energy, key) }
        return try density.pathwiseDivergence(to: energy.planeLogDensity, samples: batch, key: key)
      }
    case .discrete:
      let twin = PlanarFlow<Double>(2, layers: size, spread: settings.scale, key: key)
      // Its inverse has no formula, so its gradient keeps the score.
      return try fitted(
        PlanarFlow<Float>(2, layers: size, spread: settings.scale, key: key), twin, twin,
        RMSprop(learningRate: rate, momentum: 0.9), divergence: plainDivergence)
    }
  }

  private typealias Base<F: Flow> = FlowDensity<F, NormalDistribution<F.Scalar>>

  private func plainDivergence<F: SamplingFlow<Float>>(
    _ density: Base<F>, _ energy: PlaneEnergy, _ key: RandomKey
  ) throws -> Tensor<Float> {
    let (x, logDensity) = try density.sampleWithLogDensity(batch, key: key)
    return (logDensity - energy.planeLogDensity(x)).mean()
  }

  /// On from `parameters` over a flow that is solved in fixed steps, for the iterations that are left.
  private func minimised<F: SamplingFlow<Double>>(
    _ flow: F, from parameters: [Double], to energy: PlaneEnergy, _ key: RandomKey
  ) throws -> (parameters: [Double]?, evaluations: Int)? {
    var line = ProgressLine()
    defer { line.clear() }
    let start = FlowDensity(flow, base: NormalDistribution<Double>(dimensions: 2))
    return try PlanarMinimisation(budget: steps - sampled, lattices: lattices).minimise(
      start.replacingParameters(with: Tensor(parameters)), to: { energy.planeLogDensity($0) },
      logNormaliser: Self.logNormalisers[energy]!, key: key
    ) { evaluations, value in
      line.update(
        "\(target) \(kind.rawValue) \(size)", done: sampled + evaluations, of: steps,
        detail: String(format: "divergence %.5f", value))
    }
  }

  /// Fits a flow in Float and tells what its twin in Double is worth. `fixed`: what goes on on quadratures, if it does.
  private func fitted<F: SamplingFlow, E: SamplingFlow>(
    _ flow: F, _ twin: E, _ fixed: E, _ optimizer: some Optimizer,
    divergence: @escaping (Base<F>, PlaneEnergy, RandomKey) throws -> Tensor<Float>
  ) throws -> PlanarResult? where F.Scalar == Float, E.Scalar == Double {
    let start = monotonicSeconds(), keys = streams
    var evaluations = sampled
    func result(_ parameters: [Double]?, _ report: (Tensor<Double>) throws -> Estimate) throws
      -> PlanarResult?
    {
      if Interrupt.isRequested { return nil }
      let seconds = monotonicSeconds() - start
      let estimate = try parameters.map { try report(Tensor($0)) }
      guard let estimate, estimate.mean.isFinite else {
        return PlanarResult(
          excess: .infinity, standardError: .infinity, seconds: seconds, evaluations: evaluations)
      }
      return PlanarResult(
        excess: estimate.mean, standardError: estimate.standardError, seconds: seconds,
        evaluations: evaluations)
    }
    switch PlanarTarget(target)! {
    case .energy(let energy):
      let density = FlowDensity(flow, base: NormalDistribution<Float>(dimensions: 2))
      var parameters: [Double]? = twin.parameterVector(Double.self).scalars
      if sampled > 0 {
        parameters = try fit(density, optimizer, keys[1]) { try divergence($0, energy, $1) }
      }
      if quadrature, let found = parameters {
        guard let refined = try minimised(fixed, from: found, to: energy, keys[1]) else { return nil }
        parameters = refined.parameters
        evaluations += refined.evaluations
      }
      return try result(parameters) { parameters in
        let density = FlowDensity(twin, base: NormalDistribution<Double>(dimensions: 2))
          .replacingParameters(with: parameters)
        return try density.divergence(
          to: energy.planeLogDensity, logNormaliser: Self.logNormalisers[energy]!, samples: samples,
          key: keys[2])
      }
    case .data(let data):
      let density = FlowDensity(ReversedFlow(flow), base: NormalDistribution<Float>(dimensions: 2))
      let parameters = try fit(density, optimizer, keys[1]) { density, key in
        let keys = key.split(2)
        return -(try density.logDensity(data.sample(batch, key: keys[0]), key: keys[1])).mean()
      }
      return try result(parameters) { parameters in
        let density = FlowDensity(ReversedFlow(twin), base: NormalDistribution<Double>(dimensions: 2))
          .replacingParameters(with: parameters)
        var estimate = try density.negativeLogLikelihood(of: data.sample(samples, key: keys[2]))
        estimate.mean -= data.entropy!
        return estimate
      }
    }
  }

  /// nil where a solve failed or a step was not finite.
  private func fit<D: Module>(
    _ density: D, _ optimizer: some Optimizer, _ key: RandomKey,
    _ loss: @escaping (D, RandomKey) throws -> Tensor<Float>
  ) throws -> [Double]? {
    var trainer = Trainer(density, optimizer: optimizer, maximumGradientNorm: 10, key: key) {
      (density: D, batch: Tensor<Float>, key: RandomKey) in
      Objective(loss: try loss(density, key))
    }
    var progress = ProgressLine()
    defer { progress.clear() }
    let nothing = Tensor<Float>([0])
    for step in 0..<sampled where !Interrupt.isRequested {
      let loss: Double
      do { loss = try trainer.step(nothing) } catch let error where error.isNumerical { return nil }
      guard step % 100 == 99 else { continue }
      progress.update(
        "\(target) \(kind.rawValue) \(size)", done: step + 1, of: sampled,
        detail: String(format: "loss %.4f", loss))
    }
    return trainer.model.parameterVector(Float.self).scalars.map(Double.init)
  }
}
