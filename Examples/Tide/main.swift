// Learns a current that turns with the tide from drifting buoys, by fields that vary with the time in three ways.
import NODECore

// An eddy that runs forth and back once in a period of 1.
let sea = KnownField<Float> { t, y in
  let eddy: Tensor<Float> = .concatenated([-y[.all, 1..<2], y[.all, 0..<1]], axis: 1)
  return eddy * (cos(t * (2 * Double.pi)) * 8) * exp(-square(y).sum(axes: 1, keepingDimensions: true))
}
let times = (0...10).map { Double($0) / 10 }
func buoys(_ count: Int, seed: UInt64) throws -> Tensor<Float> {
  let starts = Tensor<Float>.uniform(shape: [count, 2], in: -1.5..<1.5, key: RandomKey(seed: seed))
  return try NeuralODE(sea).path(from: starts, at: times).states.evaluated()
}
let paths = try buoys(96, seed: 1), others = try buoys(500, seed: 2)

func learn<M: Module>(
  _ name: String, _ model: M, path: @escaping (M, Tensor<Float>) throws -> Tensor<Float>
) throws {
  var trainer = Trainer(model, optimizer: .adam(learningRate: .cosine(2e-2, steps: 300))) {
    (model: M, paths: Tensor<Float>) in meanSquaredError(try path(model, paths[0]), paths)
  }
  for _ in 0..<300 { try trainer.step(paths) }
  let error = try trainer.evaluate(others).loss
  print("\(name): \(model.parameterCount) parameters, mean squared error \(error) on other buoys")
}
let options = SolveOptions(method: .rk4)
func learn<F: VectorField>(_ name: String, _ field: F) throws where F.Scalar == Float {
  try learn(name, NeuralODE(field, options: options)) { try $0.path(from: $1, at: times).states }
}
func net(_ key: RandomKey) -> AutonomousField<MLP<Float>> {
  AutonomousField(MLP(2, 32, 32, 2, activation: .tanh, key: key))
}
let key = RandomKey(seed: 3)
try learn("no time", net(key))
try learn("time as an input", TimeConcatField<Float>(2, hidden: [32, 32], key: key))
try learn(
  "Galerkin", GalerkinField<Float>(2, hidden: [32, 32], basis: DepthBasis(.chebyshev, count: 5), key: key))
try learn("five pieces", PiecewiseConstantODE(key.split(5).map(net), options: options)) {
  try $0.path(from: $1, at: times)
}
