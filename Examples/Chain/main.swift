// Learns masses and springs of a Fermi-Pasta-Ulam-Tsingou chain from its motions, through symplectic steps, and goes on with them.
import NODECore

// Springs between masses 1, 2, 1, 2: momenta of elongations have an inverse mass matrix that is not diagonal.
let inverseMass = Tensor<Float>([[1.5, -0.5, 0], [-0.5, 1.5, -1], [0, -1, 1.5]])
let law = HamiltonianField(
  SeparableHamiltonian(
    kinetic: KnownEnergy<Float> { p in (matmul(p, inverseMass) * p).sum(axes: 1) * 0.5 },
    potential: KnownEnergy<Float> { q in (square(q) * (q * (0.25 / 3) + 0.5)).sum(axes: 1) }))
let starts = Tensor<Float>.normal(shape: [65, 6], standardDeviation: 0.5, key: RandomKey(seed: 1))
let times = (0...10).map { Double($0) * 0.2 }
let motions = try law.symplecticPath(from: starts, at: times, method: .yoshida6).evaluated()

typealias Energy = SeparableHamiltonian<QuadraticEnergy<Float>, NetworkEnergy<Float>>
let energy = Energy(
  kinetic: QuadraticEnergy(3), potential: NetworkEnergy(3, hidden: [32], key: RandomKey(seed: 2)))
var trainer = Trainer(HamiltonianField(energy), optimizer: .adam(learningRate: .cosine(1e-2, steps: 1000))) {
  (field: HamiltonianField<Energy>, motions: Tensor<Float>) in
  meanSquaredError(field.symplecticPath(from: motions[0], at: times, method: .forestRuth), motions)
}
for step in 1...1000 {
  let loss = try trainer.step(motions[.all, 0..<64])
  if step % 250 == 0 { print("step \(step): mean squared error \(loss)") }
}
let learned = trainer.model
let found = try learned.energy.kinetic.matrix.matrix(starts)[0].evaluated()
print("inverse masses", found, "the truth is", inverseMass)

// A motion that it was not shown. Both methods take twelve forces a unit of time.
let long = (0...1000).map(Double.init), start = starts[64..<65], kept = Invariant("energy") { law.energy($0) }
let path = learned.symplecticPath(from: start, at: long, stepsPerInterval: 12)
print("symplectic steps:", try TrajectoryReport(times: long, states: path, [kept]))
let other = try odeint(from: start, at: long, method: .rk4, controller: .fixed(stepsPerInterval: 3)) { t, y in
  learned(t, y)
}
print("Runge-Kutta steps:", try TrajectoryReport(other, [kept]))
