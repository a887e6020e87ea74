// Learns a pendulum from noisy states with a Hamiltonian network, and what a plain network makes of the same data.
import NODECore

let task = HamiltonianTask.pendulum
let data: DerivativeDataset<Float> = try task.dataset(key: RandomKey(seed: 1))
let start = Tensor<Float>([[0, 1.5], [1, 1], [1.8, 0]]), times = (0...20).map(Double.init)
let law = try task.energy(start.converted(to: Double.self)).evaluated().scalars

func learn<Field: VectorField>(_ field: Field, _ name: String) throws where Field.Scalar == Float {
  var trainer = Trainer(field, optimizer: .adam(learningRate: 1e-3)) {
    (field: Field, batch: DerivativeSamples<Float>) in
    meanSquaredError(try field(0, batch.x), batch.dx)
  }
  for _ in 0..<500 { try trainer.step(data.train) }
  let model = trainer.model
  let end = try odeint(from: start, at: times, rtol: 1e-5, atol: 1e-5) { t, y in try model(t, y) }.final
  let errors = try abs(task.energy(end.converted(to: Double.self)) - Tensor(law)).evaluated().scalars
  print("\(name): after \(times.last!) seconds energies \(law) are off by \(errors)")
}
try learn(HamiltonianField(NetworkEnergy<Float>(2, key: RandomKey(seed: 2))), "Hamiltonian network")
try learn(
  AutonomousField(MLP<Float>(2, 200, 200, 2, activation: .tanh, key: RandomKey(seed: 3))), "plain network")
