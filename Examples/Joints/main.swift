// Learns the friction in the joints of a double pendulum, whose Lagrangian is known, from noisy motions.
import NODECore

let law = DoublePendulum<Double>()
// Coefficients of 0.3 at the pivot and of 0.2 between the rods.
let friction = Tensor<Double>([[0.5, -0.2], [-0.2, 0.2]])
let truth = LagrangianField(law, force: LinearFriction(root: try cholesky(friction).evaluated()))
let starts: Tensor<Double> = LagrangianTask.doublePendulum.states(16, speed: 2, key: RandomKey(seed: 1))
func motions(
  _ field: LagrangianField<DoublePendulum<Double>>, at times: [Double]
) throws -> Tensor<Double> {
  try odeint(from: starts, at: times, controller: .perLane) { t, y in field(t, y) }.states
}
let times = (0...20).map { Double($0) * 0.1 }, shape: Shape = [21, 16, 4]
let noise = Tensor<Double>.normal(shape: shape, standardDeviation: 0.05, key: RandomKey(seed: 2))
let data = try (motions(truth, at: times) + noise).evaluated()

let start = LagrangianField(law, force: LinearFriction(2, coefficient: 0.05))
let fit = try LBFGS(maximumIterations: 50).minimize(start) { field in
  meanSquaredError(try motions(field, at: times), data)
}
print("mean squared error \(fit.history[0]) at the start, \(fit.value) after \(fit.iterations) iterations")
let learned = fit.point.force as! LinearFriction<Double>
print("friction", try learned.coefficients.evaluated(), "the truth is", friction)

for time in [2.0, 5, 10, 20] {
  let energies = try [fit.point, truth, LagrangianField(law)].map { field in
    law.energy(try motions(field, at: [0, time])[1]).mean().scalar
  }
  print("t = \(time): mean energy \(energies[0]), the truth \(energies[1]), without friction \(energies[2])")
}
