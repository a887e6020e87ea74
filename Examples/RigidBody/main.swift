// Learns how a free rigid body tumbles, and keeps what is known of every body: the length of its angular momentum.
import NODECore

// Euler's equations of the angular momentum, in the frame of a body with moments of inertia 1, 2 and 3.
func law(_ l: Tensor<Float>) -> Tensor<Float> {
  let (x, y, z) = (l[.all, 0], l[.all, 1], l[.all, 2])
  return .stacked([y * z * (-1.0 / 6), z * x * (2.0 / 3), x * y * (-1.0 / 2)], axis: 1)
}
let keys = RandomKey(seed: 1).split(3)
let states = Tensor<Float>.normal(shape: [512, 3], key: keys[0])
let slopes = law(states) + .normal(shape: [512, 3], standardDeviation: 0.05, key: keys[1])
let samples = DerivativeSamples(x: try states.evaluated(), dx: try slopes.evaluated())

let length = Invariant<Float>("length") { l in sqrt(square(l).sum(axes: 1)) }
let energy = Invariant<Float>("energy") { l in (square(l) * Tensor([0.5, 0.25, 1.0 / 6])).sum(axes: 1) }
let times = (0...100).map(Double.init)
let starts = Tensor<Float>([[0.1, 1, 0.1], [0.8, 0.5, 0.3], [0.2, -0.4, 1.1]])
let truth = try odeint(from: starts, at: times) { _, l in law(l) }

func learn<Field: VectorField>(_ name: String, _ field: Field) throws where Field.Scalar == Float {
  var trainer = Trainer(field, optimizer: .adam(learningRate: .cosine(1e-2, steps: 1000))) {
    (field: Field, batch: DerivativeSamples<Float>) in
    meanSquaredError(try field(0, batch.x), batch.dx)
  }
  for _ in 0..<1000 { try trainer.step(samples) }
  let learned = trainer.model
  let path = try odeint(from: starts, at: times) { t, l in try learned(t, l) }
  print(name, try TrajectoryReport(path, [length, energy]))
}
let network = AutonomousField(MLP<Float>(3, 64, 64, 3, activation: .tanh, key: keys[2]))
try learn("plain network:", network)
try learn(
  "the same, keeping the length:",
  ConservingField(network, keeping: KnownEnergy { l in square(l).sum(axes: 1) }))
print("truth:", try TrajectoryReport(truth, [length, energy]))
