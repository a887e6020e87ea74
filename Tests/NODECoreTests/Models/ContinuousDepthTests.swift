import Foundation
import Testing

@testable import NODECore

@Suite struct ContinuousDepthTests {
  private let tight = SolveOptions(method: .dopri5, rtol: 1e-10, atol: 1e-10)

  private func distance(_ a: Tensor<Double>, _ b: Tensor<Double>) throws -> Double {
    #expect(a.shape == b.shape)
    return try abs(a - b).max(axes: Array(0..<a.rank)).evaluated().scalar
  }

  private func field(_ seed: UInt64, _ width: Int = 2) -> AutonomousField<MLP<Double>> {
    AutonomousField(MLP(width, 6, width, activation: .tanh, key: RandomKey(seed: seed)))
  }

  // MARK: Second order

  @Test func aKnownAccelerationGivesTheDampedOscillator() throws {
    let oscillator = DampedOscillator<Double>(gamma: 0.3, omega: 2)
    let model = SecondOrderODE(oscillator, t1: 3, options: tight)
    let x = Tensor<Double>([1.5, -0.7], shape: [2, 1]), v = Tensor<Double>([0.4, -2], shape: [2, 1])
    let times = [0, 0.5, 1.7, 3]
    let states = try model.path(from: x, velocity: v, at: times).states.scalars
    for (index, t) in times.enumerated() {
      for (row, start) in [(1.5, 0.4), (-0.7, -2.0)].enumerated() {
        let expected = oscillator.exact(t, from: start.0, start.1)
        #expect(abs(states[4 * index + 2 * row] - expected.x) < 1e-8)
        #expect(abs(states[4 * index + 2 * row + 1] - expected.v) < 1e-8)
      }
    }
  }

  @Test func velocitiesStartAsLearnedOrAtRest() throws {
    let x = Tensor<Double>.normal(shape: [4, 3], key: RandomKey(seed: 1))
    let initial = MLP<Double>(3, 5, 3, activation: .tanh, key: RandomKey(seed: 2))
    var model = SecondOrderODE(
      AccelerationNetwork<Double>(3, hidden: [4], key: RandomKey(seed: 3)), velocity: initial)
    #expect(
      try distance(SecondOrderField<AccelerationNetwork<Double>>.velocities(of: model.start(x)), initial(x))
        == 0)
    // Without acceleration positions move on straight lines.
    model = model.replacingParameters(with: Tensor<Double>.zeros([model.parameterCount]))
    model.velocity = initial
    #expect(try distance(model(x), x + initial(x)) < 1e-12)
    model.velocity = nil
    #expect(try distance(model(x), x) == 0)
  }

  @Test func theTimeIsTheAccelerationsFirstInput() throws {
    // a = t: x(1) = x + v + 1/6.
    var acceleration = AccelerationNetwork(Linear<Double>(3, 1), seesTime: true)
    acceleration.net = {
      var layer = Linear<Double>(3, 1)
      layer.weight = Tensor([1, 0, 0], shape: [3, 1])
      layer.bias = .zeros([1])
      return layer
    }()
    let model = SecondOrderODE(acceleration, options: tight)
    let path = try model.path(from: Tensor([[2.0]]), velocity: Tensor([[-1.0]]), at: [0, 1])
    #expect(abs(path.final.scalars[0] - (1 + 1.0 / 6)) < 1e-9)
  }

  // MARK: Augmentation

  @Test func augmentationIsZerosOrALayer() throws {
    let x = Tensor<Double>.normal(shape: [2, 3, 3, 4], key: RandomKey(seed: 1))
    let zeros = StateAugmentation<Double>.zeros(2)(x)
    #expect(zeros.shape == [2, 3, 3, 6])
    #expect(try distance(zeros.sliced(0..<4, axis: -1), x) == 0)
    #expect(try distance(zeros.sliced(4..<6, axis: -1), .zeros([2, 3, 3, 2])) == 0)
    #expect(try distance(StateAugmentation.zeros(0)(x), x) == 0)
    let layer = Linear<Double>(4, 3, key: RandomKey(seed: 2))
    #expect(try distance(StateAugmentation.learned(3, by: layer)(x).sliced(4..<7, axis: -1), layer(x)) == 0)
    let model = AugmentedODE(field(3, 6), augmentation: .zeros(2))
    #expect(model.projected(zeros).shape == x.shape)
  }

  @Test func augmentingByNothingIsThePlainODE() throws {
    let x = Tensor<Double>.normal(shape: [5, 2], key: RandomKey(seed: 4))
    let plain = try NeuralODE(field(5))(x)
    #expect(try distance(AugmentedODE(field(5), augmentation: .zeros(0))(x), plain) == 0)
  }

  /// Proposition 1 of Dupont et al. 2019: a flow on the line keeps the order of its points, a flow of two
  /// components does not have to.
  @Test func trajectoriesOnTheLineKeepTheirOrder() throws {
    let x = Tensor<Double>((0..<64).map { Double($0) / 16 - 2 }, shape: [64, 1])
    for seed: UInt64 in 1...5 {
      let field = TimeConcatField<Double>(1, hidden: [16], key: RandomKey(seed: seed))
      // Weights ten times as large, so that something happens.
      let wild = field.replacingParameters(with: field.parameterVector(Double.self) * 10)
      let y = try NeuralODE(wild, options: tight)(x).scalars
      #expect(zip(y, y.dropFirst()).allSatisfy { $0 < $1 })
    }
    // Half a turn of the plane crosses the line.
    let turn = AutonomousField(
      {
        var layer = Linear<Double>(2, 2, bias: false)
        layer.weight = Tensor([0, Double.pi, -Double.pi, 0], shape: [2, 2])
        return layer
      }())
    let turned = AugmentedODE(turn, augmentation: .zeros(1), options: tight)
    #expect(try distance(turned.projected(try turned(x)), -x) < 1e-7)
  }

  // MARK: Weights of the depth

  @Test func basesAreTheirFormulas() {
    let t = 0.9, s = (t - 0.5) / 2, x = 2 * s - 1
    func values(_ family: DepthBasis.Family, _ count: Int) -> [Double] {
      DepthBasis(family, count: count, on: 0.5...2.5)(Tensor<Double>(t)).scalars
    }
    func check(_ family: DepthBasis.Family, _ expected: [Double]) {
      let found = values(family, expected.count)
      #expect(zip(found, expected).allSatisfy { abs($0 - $1) < 1e-14 }, "\(family): \(found)")
    }
    let pi = Double.pi
    check(.fourier, [1, cos(pi * s), cos(2 * pi * s), sin(pi * s), sin(2 * pi * s)])
    check(.chebyshev, [1, x, cos(2 * acos(x)), cos(3 * acos(x))])
    check(.legendre, [1, x, (3 * x * x - 1) / 2, (5 * x * x * x - 3 * x) / 2])
    check(.hats, [1 - 4 * s, 4 * s, 0, 0, 0])
    check(.gaussians, [exp(-2 * s * s), exp(-2 * (s - 0.5) * (s - 0.5)), exp(-2 * (s - 1) * (s - 1))])
    check(.fourier, [1])
  }

  @Test(arguments: DepthBasis.Family.allCases.filter { $0 != .hats && $0 != .gaussians })
  func oneConstantFunctionIsThePlainNetwork(family: DepthBasis.Family) throws {
    let galerkin = GalerkinField<Double>(
      3, hidden: [7, 5], basis: DepthBasis(family, count: 1), key: RandomKey(seed: 1))
    var plain = MLP<Double>(3, 7, 5, 3, activation: .tanh)
    plain.layers = galerkin.layers.map { layer in
      var linear = Linear<Double>(layer.weight.shape[1], layer.weight.shape[2])
      linear.weight = layer.weight[0]
      linear.bias = layer.bias[0]
      return linear
    }
    let x = Tensor<Double>.normal(shape: [6, 3], key: RandomKey(seed: 2))
    let options = SolveOptions(method: .rk4, controller: .fixed(stepsPerInterval: 7))
    let found = try NeuralODE(galerkin, options: options)(x)
    #expect(try distance(found, NeuralODE(AutonomousField(plain), options: options)(x)) < 1e-14)
  }

  /// Hats with equal coefficients add up to a constant, and with the coefficients of a line to that line.
  @Test func weightsFollowTheirCoefficients() throws {
    var layer = GalerkinLinear<Double>(2, 1, basis: DepthBasis(.hats, count: 4, on: -1...2))
    layer.weight = Tensor([1, 5, 2, 5, 3, 5, 4, 5], shape: [4, 2, 1])
    layer.bias = Tensor([-1, -2, -3, -4], shape: [4, 1])
    for t in [-1, -0.25, 0.6, 1.9] {
      // Weights t + 2 and 5, bias -t - 2.
      let y: Tensor<Double> = layer(Tensor(t), Tensor([[3, 7]]))
      #expect(abs(y.scalars[0] - (3 * (t + 2) + 35 - (t + 2))) < 1e-13)
    }
  }

  @Test func lanesWithStepsOfTheirOwnHaveWeightsOfTheirOwnDepth() throws {
    let field = GalerkinField<Double>(
      2, hidden: [5], basis: DepthBasis(.fourier, count: 3), key: RandomKey(seed: 1))
    let x = Tensor<Double>.normal(shape: [9, 2], key: RandomKey(seed: 2))
    var options = tight
    let together = try NeuralODE(field, options: options)(x)
    options.controller = .perLane
    #expect(try distance(together, NeuralODE(field, options: options)(x)) < 1e-8)
  }

  @Test func aStackOfEqualFieldsIsTheOneField() throws {
    let x = Tensor<Double>.normal(shape: [4, 2], key: RandomKey(seed: 1))
    let times = [0, 0.1, 1.0 / 3, 0.5, 2.0 / 3, 0.9, 1]
    let stack = PiecewiseConstantODE(
      Array(repeating: field(2), count: 3), boundaries: [0, 1.0 / 3, 2.0 / 3, 1], options: tight)
    let one = NeuralODE(field(2), options: tight)
    #expect(try distance(stack(x), one(x)) < 1e-9)
    #expect(try distance(stack.path(from: x, at: times), one.path(from: x, at: times).states) < 1e-8)
    #expect(
      try distance(
        stack.path(from: x, at: [0.5]), one.path(from: x, at: [0, 0.5]).final.reshaped(to: [1, 4, 2])) < 1e-8)
    // The same steps, so the same bits.
    let steps = SolveOptions(method: .rk4, controller: .fixed(stepsPerInterval: 2))
    let halves = PiecewiseConstantODE([field(2), field(2)], options: steps)
    let whole = try NeuralODE(field(2), options: steps).path(from: x, at: [0, 0.5, 1]).final
    #expect(try distance(halves(x), whole) == 0)
    for end in [0.7, 1.4, 1.9] {
      #expect(PiecewiseConstantODE(Array(repeating: field(2), count: 3), t1: end).boundaries.last == end)
    }
  }

  /// dy/dt = 1, then -3 y, then 2: exact at the boundaries, so at the order of the method, and in either
  /// direction.
  @Test func aStackIsExactAtItsBoundaries() throws {
    func linear(_ weight: Double, _ bias: Double) -> AutonomousField<Linear<Double>> {
      var layer = Linear<Double>(1, 1)
      layer.weight = Tensor([[weight]])
      layer.bias = Tensor([bias])
      return AutonomousField(layer)
    }
    let stack = PiecewiseConstantODE(
      [linear(0, 1), linear(-3, 0), linear(0, 2)], boundaries: [0, 0.3, 0.75, 1], options: tight)
    let path = try stack.path(from: Tensor([[1.0]]), at: [0, 0.15, 0.3, 0.75, 1]).scalars
    let middle = 1.3 * exp(-3 * 0.45)
    for (found, expected) in zip(path, [1, 1.15, 1.3, middle, middle + 0.5]) {
      #expect(abs(found - expected) < 1e-9)
    }
    #expect(try stack.reconstructionError(from: Tensor([[1.0]])) < 1e-8)
    // A solver that looks at one field that jumps needs many times the evaluations, which no boundary costs
    // here.
    let spent = try stack.solutions(from: Tensor([[1.0]])).reduce(0) { $0 + (try $1.statistics.evaluations) }
    let jumping = try odeint(from: Tensor([[1.0]]), t0: 0, t1: 1, rtol: 1e-10, atol: 1e-10) { t, y in
      let second = step(t - 0.3) * (1.0 - step(t - 0.75)), third = step(t - 0.75)
      return (1.0 - step(t - 0.3)) - y * 3 * second + third * 2
    }
    #expect(try Double(jumping.statistics.evaluations) > 1.5 * Double(spent))
  }

  // MARK: Data control

  /// dh/dt = -2 x takes x to -x: impossible for a flow of the line, a linear layer for one that is told the
  /// input.
  @Test func aFieldThatIsToldTheInputCrosses() throws {
    var field = DataControlledField<Double>(1, context: 1, hidden: [1], activation: .identity)
    field.first.weight = Tensor([[0.0], [-2.0]])
    field.first.bias = .zeros([1])
    field.rest.layers[0].weight = Tensor([[1.0]])
    field.rest.layers[0].bias = .zeros([1])
    let x = Tensor<Double>.normal(shape: [20, 1], key: RandomKey(seed: 1))
    #expect(try distance(DataControlledODE(field)(x), -x) < 1e-13)
    var lanes = SolveOptions()
    lanes.controller = .perLane
    #expect(try distance(DataControlledODE(field, options: lanes)(x), -x) < 1e-13)
  }

  @Test func theInputOfADataControlledFieldReceivesGradients() throws {
    let model = DataControlledODE(
      DataControlledField<Double>(2, context: 2, hidden: [5], key: RandomKey(seed: 1)))
    let x = Tensor<Double>.normal(shape: [3, 2], key: RandomKey(seed: 2))
    try checkGradient(of: { square(try model($0)).sum() }, at: x).verify()
  }
}
