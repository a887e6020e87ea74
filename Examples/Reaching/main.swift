// Learns from three demonstrations that stop short how a hand reaches a target; a stable field reaches it from everywhere.
import NODECore

// The hand turns around the target, slower the farther it is, and comes nearer.
func hand(_ y: Tensor<Float>) -> Tensor<Float> {
  let turn = 4.0 / (square(y).sum(axes: 1, keepingDimensions: true) + 1)
  return .concatenated([-y[.all, 1..<2], y[.all, 0..<1]], axis: 1) * turn - y * 0.4
}
let times = (0...20).map { Double($0) * 0.1 }
let starts = Tensor<Float>([[2, 0.5], [-1.5, 1], [0, -2]])
let shown = try odeint(from: starts, at: times) { _, y in hand(y) }.states.reshaped(to: [63, 2])
let noise = Tensor<Float>.normal(shape: [63, 2], standardDeviation: 0.05, key: RandomKey(seed: 1))
let samples = DerivativeSamples(x: try shown.evaluated(), dx: try (hand(shown) + noise).evaluated())

let far = Tensor<Float>.uniform(shape: [200, 2], in: -6..<6, key: RandomKey(seed: 2))
let distance = Invariant<Float>("distance from the target", equals: 0) { y in sqrt(square(y).sum(axes: 1)) }
func learn<Field: VectorField>(_ name: String, _ field: Field) throws where Field.Scalar == Float {
  var trainer = Trainer(field, optimizer: .adam(learningRate: .cosine(1e-2, steps: 1000))) {
    (field: Field, batch: DerivativeSamples<Float>) in
    meanSquaredError(try field(0, batch.x), batch.dx)
  }
  for _ in 0..<1000 { try trainer.step(samples) }
  let learned = trainer.model
  print("\(name): mean squared error of velocities \(try trainer.evaluate(samples).loss)")
  let path = try odeint(from: far, at: [0, 20, 40], controller: .perLane) { t, y in try learned(t, y) }
  let ends = try TrajectoryReport(path, [distance]).quantities[0].drifts.map(\.final).sorted()
  print("  from 200 other starts it ends at a distance of \(ends[0]) to \(ends[199])")
}
let network = AutonomousField(MLP<Float>(2, 32, 32, 2, activation: .softplus, key: RandomKey(seed: 3)))
let lyapunov = LyapunovFunction<Float>(2, hidden: [32, 32], quadratic: 0.1, key: RandomKey(seed: 4))
try learn("plain network", network)
try learn("stable field", StableField(network, lyapunov: lyapunov, rate: 0.2))
