// Learns how prey and predators interact from a long series: at once, and first in pieces, by multiple shooting.
import NODECore

let ecology = DynamicalSystem.lotkaVolterra
let system = DynamicalSystem(
  name: "twenty years", field: ecology.field, start: ecology.start, times: (0...200).map { Double($0) / 10 })
let data = try system.observations(noise: 0.02, key: RandomKey(seed: 1)).evaluated()
let truth = try system.trajectory().evaluated()
print("the observations' variance is \(data.variance().scalar)")

let x = Term(powers: [1, 0]), y = Term(powers: [0, 1])
let known = SymbolicField<Double>(
  variables: ["x", "y"], equations: [[(x, 1.3)], [(y, -1.8)]], isLearned: false)
let network = MLP<Double>(2, 8, 8, 2, activation: .tanh, key: RandomKey(seed: 2))
let options = SolveOptions(method: .tsit5, rtol: 1e-5, atol: 1e-5)

// One piece of all 201 observations is the plain loss. The last fit goes on from the pieces of six.
func learn(_ start: UniversalField<MLP<Double>>, groupSize: Int) throws -> UniversalField<MLP<Double>> {
  let shooting = MultipleShooting(times: system.times, observations: data, groupSize: groupSize)
  let fit = try LBFGS(maximumIterations: 150).minimize(start) { field in
    try shooting.loss(from: shooting.observedStarts, options: options) { t, y in field(t, y) }
  }
  let path = try odeint(from: data[0..<1], at: system.times, method: .tsit5) { t, y in fit.point(t, y) }
  let error = meanSquaredError(path.states.reshaped(to: truth.shape), truth).scalar
  print("pieces: \(shooting.pieces), loss: \(fit.value), mean squared error from end to end: \(error)")
  return fit.point
}
let field = UniversalField(known: known, unknown: network)
_ = try learn(field, groupSize: 201)
_ = try learn(learn(field, groupSize: 6), groupSize: 201)
