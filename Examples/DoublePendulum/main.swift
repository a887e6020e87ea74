// Learns the Lagrangian of a double pendulum from accelerations, and follows a motion that it was not shown.
import NODECore

let system = DoublePendulum<Float>(), task = LagrangianTask.doublePendulum
let network = LagrangianNetwork<Float>(2, hidden: [32, 32], encoding: .circle, key: RandomKey(seed: 1))
let steps = 4000

var trainer = Trainer(
  LagrangianField(network), optimizer: .adam(learningRate: .cosine(3e-3, steps: steps)),
  maximumGradientNorm: 1
) { (field: LagrangianField<LagrangianNetwork<Float>>, y: Tensor<Float>) in
  let (q, v) = (y[0..., 0..<2], y[0..., 2..<4])
  return meanAbsoluteError(field.acceleration(0, q, v), system.acceleration(q, v))
}
let keys = RandomKey(seed: 2).split(steps)
for step in 1...steps {
  let loss = try trainer.step(task.states(128, key: keys[step - 1]))
  if step % 1000 == 0 { print("step \(step): mean error of accelerations \(loss)") }
}

// Steps of its own for each lane: the field is rows to the compiler, mass matrices and all.
let learned = trainer.model, start = Tensor<Float>([0.5, 0.2, 0, 0, 0.3, -0.8, 0, 0], shape: [2, 4])
let path = try odeint(from: start, at: [0, 2, 4, 6, 8, 10], controller: .perLane) { t, y in learned(t, y)
}
for (frame, time) in path.times.scalars.enumerated() {
  let drift = (system.energy(path.states[frame]) - system.energy(start)) * (1 / system.energyScale)
  print("t = \(time): energies off by \(drift.scalars) of their scale")
}
