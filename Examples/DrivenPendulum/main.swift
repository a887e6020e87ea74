// Learns a pendulum's energy, friction and drive from motions under constant torques, and forecasts what a controller does.
import NODECore

let pendulum = PortHamiltonianField(
  KnownEnergy<Float> { x in square(x[.all, 1]) * 0.5 + (1 - cos(x[.all, 0])) * 4 },
  dissipation: .rayleigh(PositiveMatrix(constant: 1, diagonal: 0.3.squareRoot())),
  input: InputMatrix(constant: Tensor([[0.8]])))
func motions<Energy: EnergyFunction>(
  _ field: PortHamiltonianField<Energy>, from start: Tensor<Float>, at times: [Double],
  under control: @escaping PortHamiltonianField<Energy>.Control
) throws -> Tensor<Float> where Energy.Scalar == Float {
  let driven = field.driven(by: control)
  return try odeint(from: start, at: times, method: .rk4) { t, x in driven(t, x) }.states
}
let times = (0...10).map { Double($0) * 0.1 }
let torques = Tensor<Float>.uniform(shape: [96, 1], in: -2..<2, key: RandomKey(seed: 1))
let starts = Tensor<Float>.uniform(shape: [96, 2], in: -3..<3, key: RandomKey(seed: 2))
let truth = try motions(pendulum, from: starts, at: times) { _, _ in torques }.evaluated()

typealias Energy = MechanicalHamiltonian<PeriodicPotential<NetworkEnergy<Float>>>
let start = PortHamiltonianField(
  Energy(
    inverseMass: PositiveMatrix(constant: 1, diagonal: 2),
    potential: PeriodicPotential(NetworkEnergy(2, hidden: [32]))),
  dissipation: .rayleigh(PositiveMatrix(constant: 1)), input: InputMatrix(constant: .zeros([1, 1])))
var trainer = Trainer(start, optimizer: .adam(learningRate: .cosine(2e-2, steps: 1000))) {
  (field: PortHamiltonianField<Energy>, truth: Tensor<Float>) in
  meanSquaredError(try motions(field, from: truth[0], at: times) { _, _ in torques }, truth)
}
for _ in 0..<1000 { try trainer.step(truth) }
let learned = trainer.model, unit = Tensor<Float>([[0, 1]])
print("power lost at velocity 1: \(learned.dissipatedPower(unit).scalars[0]), the truth is 0.3")
print("power of torque 1 at velocity 1: \(learned.output(unit).scalars[0]), the truth is 0.8")

// A torque along the velocity swings it up, until friction takes what the torque brings.
let later = (0...200).map { Double($0) * 0.1 }
let forecast = try motions(learned, from: unit, at: later) { _, x in tanh(x[.all, 1..<2] * 4) }.evaluated()
let seen = try motions(pendulum, from: unit, at: later) { _, x in tanh(x[.all, 1..<2] * 4) }.evaluated()
for step in [0, 20, 50, 100, 200] {
  let energies = [forecast, seen].map { pendulum.energy($0[step]).scalars[0] }
  print("t = \(later[step]): energy \(energies[0]), the truth \(energies[1])")
}
