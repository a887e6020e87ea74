// Learns the Lagrangian of a double pendulum from accelerations, and follows a motion that it was not shown.
import NODECore

let system = DoublePendulum<Float>(), task = LagrangianTask.doublePendulum
let network = LagrangianNetwork<Float>(
  2, hidden: [64, 64], activation: .silu, encoding: .circle, kineticPrior: 1, speed: 2, start: .quiet,
  key: RandomKey(seed: 1))
let steps = 2000

var trainer = Trainer(
  LagrangianField(network), optimizer: .adam(learningRate: .cosine(1e-2, steps: steps)),
  maximumGradientNorm: 1
) { (field: LagrangianField<LagrangianNetwork<Float>>, y: Tensor<Float>) in
  let (q, v) = (y[0..., 0..<2], y[0..., 2..<4])
  return field.residual(0, q, v, acceleration: system.acceleration(q, v))
}
let keys = RandomKey(seed: 2).split(steps)
for step in 1...steps {
  let loss = try trainer.step(task.states(128, speed: 4, key: keys[step - 1]))
  if step % 500 == 0 { print("step \(step): error of the equations of motion \(loss) m/s²") }
}

// Steps of its own for each lane: the field is rows to the compiler, mass matrices and all.
let learned = trainer.model, start = Tensor<Float>([0.5, 0.2, 0, 0, 0.3, -0.8, 0, 0], shape: [2, 4])
let path = try odeint(from: start, at: [0, 2, 4, 6, 8, 10], controller: .perLane) { t, y in learned(t, y)
}
for (frame, time) in path.times.scalars.enumerated() {
  let drift = (system.energy(path.states[frame]) - system.energy(start)) * (1 / system.energyScale)
  print("t = \(time): energies off by \(drift.scalars) of their scale")
}
