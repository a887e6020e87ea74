// Learns how prey and predators interact from 31 noisy observations, reads it off as formulas, and extrapolates.
import NODECore

let system = DynamicalSystem.lotkaVolterra
let data = try system.observations(noise: 0.005, key: RandomKey(seed: 1)).evaluated()

let x = Term(powers: [1, 0]), y = Term(powers: [0, 1])
let known = SymbolicField<Double>(
  variables: ["x", "y"], equations: [[(x, 1.3)], [(y, -1.8)]], isLearned: false)
let network = MLP<Double>(2, 5, 5, 5, 2, activation: .gaussian, key: RandomKey(seed: 2))
@Sendable func misfit<F>(_ field: UniversalField<F>) throws -> Tensor<Double> where F.Scalar == Double {
  let path = try odeint(from: data[0..<1], at: system.times, method: .tsit5) { t, y in field(t, y) }
  return square(path.states.reshaped(to: data.shape) - data).sum()
}

// First the derivatives of a smoothed trajectory, without solving, then the observations.
let smooth = LocalPolynomial(degree: 3)(data, at: system.times)
let start = try LBFGS(maximumIterations: 100).minimize(UniversalField(known: known, unknown: network)) {
  field in
  meanSquaredError(field(0, smooth.states), smooth.derivatives)
}
let fit = try LBFGS(maximumIterations: 300).minimize(start.point) { try misfit($0) }
print(
  "loss \(fit.history[0]) after the smoothed derivatives, \(fit.value) after \(fit.iterations) iterations")

let library = TermLibrary.polynomials(of: 2, degree: 3) + .functions([.sin], of: 2)
let found = SINDy(library: library, regression: SparseRegression(ridges: [0, 1e-3]))
  .discover(["x", "y"], states: data, values: fit.point.unknown(data))
let best = try found.selected(maximumTerms: 2, observations: data.count) { formulas in
  let fitted = try LBFGS().minimize(fit.point.replacing(unknown: formulas)) { try misfit($0) }
  return (fitted.point.unknown, fitted.value)
}
guard let best else { fatalError("nothing could be fitted") }
let equations = fit.point.replacing(unknown: best.field).equations
print(equations)
let later = try odeint(from: data[0..<1], at: [0, 50], method: .tsit5) { t, y in equations(t, y) }
print("at t = 50:", later.final, "the truth is", try system.trajectory(at: [0, 50])[1])
