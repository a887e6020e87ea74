import NODECore

/// The states that a model went through.
struct DepthPath {
  /// [times, rows, width]: the whole states.
  var states: Tensor<Double>
  /// Components, from the first on, that a read-out sees.
  var readable: Int
  /// The solves, one after the other.
  var solutions: [Solution<Double>]

  init(_ solution: Solution<Double>, readable: Int? = nil) {
    states = solution.states
    self.readable = readable ?? states.shape[2]
    solutions = [solution]
  }

  init(states: Tensor<Double>, solutions: [Solution<Double>]) {
    self.states = states
    readable = states.shape[2]
    self.solutions = solutions
  }

  /// What a read-out sees at the last time, [rows, readable].
  var end: Tensor<Double> { states[-1].sliced(0..<readable, axis: 1) }

  var evaluations: Int { get throws { try solutions.reduce(0) { $0 + (try $1.statistics.evaluations) } } }
}

/// A model whose depth is continuous, as the comparisons see it.
protocol DepthModel: Module {
  var options: SolveOptions { get set }
  /// - Parameters:
  ///   - x: [rows, d].
  ///   - times: the first is where x holds.
  func depthPath(from x: Tensor<Double>, at times: [Double]) throws -> DepthPath
  /// |x there and back - x| / |x| over the whole depth.
  func reconstructionError(from x: Tensor<Double>) throws -> Double
}

extension DepthModel {
  func reconstructionError(from x: Tensor<Double>) throws -> Double {
    try depthPath(from: x, at: [0, 1]).solutions[0].reconstructionError()
  }
}

extension NeuralODE: DepthModel where Scalar == Double {
  func depthPath(from x: Tensor<Double>, at times: [Double]) throws -> DepthPath {
    DepthPath(try path(from: x, at: times))
  }
}

extension AugmentedODE: DepthModel where Scalar == Double {
  var options: SolveOptions {
    get { ode.options }
    set { ode.options = newValue }
  }
  func depthPath(from x: Tensor<Double>, at times: [Double]) throws -> DepthPath {
    DepthPath(try path(from: x, at: times))
  }
}

extension SecondOrderODE: DepthModel where Scalar == Double {
  var options: SolveOptions {
    get { ode.options }
    set { ode.options = newValue }
  }
  func depthPath(from x: Tensor<Double>, at times: [Double]) throws -> DepthPath {
    DepthPath(try path(from: x, at: times), readable: x.shape[1])
  }
}

extension DataControlledODE: DepthModel where Scalar == Double {
  var options: SolveOptions {
    get { ode.options }
    set { ode.options = newValue }
  }
  func depthPath(from x: Tensor<Double>, at times: [Double]) throws -> DepthPath {
    DepthPath(try path(from: x, at: times))
  }
}

extension PiecewiseConstantODE: DepthModel where Scalar == Double {
  func depthPath(from x: Tensor<Double>, at times: [Double]) throws -> DepthPath {
    if times == [boundaries[0], boundaries[boundaries.count - 1]] {
      let solutions = try solutions(from: x)
      let end = solutions[solutions.count - 1].final
      return DepthPath(states: .stacked([x, end]), solutions: solutions)
    }
    return DepthPath(states: try path(from: x, at: times), solutions: [])
  }
}

/// The models that are compared, one line each in `make`.
enum DepthModelKind: String, CaseIterable {
  case node = "NODE"
  case anode = "ANODE"
  case sonode = "SONODE"
  case timeConcat = "time-concat"
  case galerkin = "Galerkin"
  case stacked = "piecewise"
  case dataControlled = "data-controlled"

  /// What of an architecture the kinds share.
  struct Architecture {
    var dimensions: Int
    var hidden: [Int]
    var activation: Activation
    /// Components that ANODE has besides.
    var augmented = 1
    /// Whether fields see the time, where they need not.
    var seesTime = false
    /// After the last layer of an acceleration.
    var accelerationOutput = Activation.identity
    /// Bound of the units of a linear network for the initial velocity (Norcliffe's Hardtanh); nil: a network
    /// like the field's.
    var velocityBound: Double?
    var tolerance = 1e-3
  }

  /// A model of the kind over the depth 0 to 1.
  func make(_ a: Architecture, key: RandomKey) -> any DepthModel {
    let d = a.dimensions, options = SolveOptions(method: .dopri5, rtol: a.tolerance, atol: a.tolerance)
    func plain(_ width: Int, _ key: RandomKey) -> AutonomousField<MLP<Double>> {
      AutonomousField(
        MLP(sizes: [width] + a.hidden + [width], activation: a.activation, key: key))
    }
    func timed(_ width: Int) -> TimeConcatField<Double> {
      TimeConcatField(width, hidden: a.hidden, activation: a.activation, key: key)
    }
    switch self {
    case .node:
      return a.seesTime
        ? NeuralODE(timed(d), options: options) : NeuralODE(plain(d, key), options: options)
    case .anode:
      let augmentation = StateAugmentation<Double>.zeros(a.augmented), width = d + a.augmented
      return a.seesTime
        ? AugmentedODE(timed(width), augmentation: augmentation, options: options)
        : AugmentedODE(plain(width, key), augmentation: augmentation, options: options)
    case .sonode:
      let keys = key.split(2)
      let sizes = [2 * d + (a.seesTime ? 1 : 0)] + a.hidden + [d]
      let net = MLP<Double>(
        sizes: sizes, activation: a.activation, outputActivation: a.accelerationOutput, key: keys[0])
      return SecondOrderODE(
        AccelerationNetwork(net, seesTime: a.seesTime), velocity: velocity(a, keys[1]), options: options)
    case .timeConcat: return NeuralODE(timed(d), options: options)
    case .galerkin:
      let field = GalerkinField<Double>(
        d, hidden: a.hidden, basis: DepthBasis(.fourier, count: 5), activation: a.activation, key: key)
      return NeuralODE(field, options: options)
    case .stacked: return PiecewiseConstantODE(key.split(5).map { plain(d, $0) }, options: options)
    case .dataControlled:
      let field = DataControlledField<Double>(
        d, context: d, hidden: a.hidden, activation: a.activation, key: key)
      return DataControlledODE(field, options: options)
    }
  }

  private func velocity(_ a: Architecture, _ key: RandomKey) -> any Layer<Double> {
    let sizes = [a.dimensions] + a.hidden + [a.dimensions]
    guard let bound = a.velocityBound else {
      return MLP<Double>(sizes: sizes, activation: a.activation, key: key)
    }
    var layers = Sequential<Double>()
    for (extents, key) in zip(zip(sizes, sizes.dropFirst()), key.split(sizes.count - 1)) {
      layers.layers += [Linear<Double>(extents.0, extents.1, key: key), Clamp(-bound...bound)]
    }
    return layers
  }
}

/// A model with a read-out, or without one: what is trained.
struct DepthRegressor: Module {
  var flow: any DepthModel
  /// Of the readable state at the end; nil: its first components are the prediction.
  var readout: (any Layer<Double>)?

  func prediction(_ path: DepthPath, like targets: Tensor<Double>) -> Tensor<Double> {
    readout.map { $0(path.end) } ?? path.end.sliced(0..<targets.shape[1], axis: 1)
  }

  mutating func visitParameters(_ visit: inout ParameterVisitor) {
    visit("flow", &flow)
    if var layer = readout {
      visit("readout", &layer)
      readout = layer
    }
  }
}

/// A model at a tolerance at which what it computes is the solution of its equation: integrating back
/// recovers the input.
struct CheckedModel {
  var flow: any DepthModel
  var tolerance: Double
  /// Of one solve of all rows, forward.
  var evaluations: Int

  /// The loosest tolerance of 1e-3, 1e-4, ... 1e-10 that passes: a relative error of reconstruction below
  /// 1e-2; nil where none does.
  init?(_ model: any DepthModel, on x: Tensor<Double>) {
    var flow = model
    for exponent in 3...10 {
      tolerance = Double("1e-\(exponent)")!
      flow.options.rtol = tolerance
      flow.options.atol = tolerance
      // A solve that fails passes no check.
      guard let error = try? flow.reconstructionError(from: x), error < 1e-2,
        let evaluations = try? flow.depthPath(from: x, at: [0, 1]).evaluations
      else { continue }
      self.flow = flow
      self.evaluations = evaluations
      return
    }
    return nil
  }
}
