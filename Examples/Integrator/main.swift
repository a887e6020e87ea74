// Learns a pendulum from windows of one trajectory: a network whose steps are a variational integrator's keeps its energy.
import NODECore

let start = Tensor<Double>([[2, 0.5]])
let film = try Oscillator.pendulum.trajectory(from: start, steps: 150).converted(to: Float.self)
let windows = Tensor.concatenated((0..<130).map { film.sliced($0..<$0 + 11, axis: 0) }, axis: 1)

func trained<Map: StepMap>(_ map: Map) throws -> Map where Map.Scalar == Float {
  var trainer = Trainer(map, optimizer: Adam(learningRate: .cosine(3e-3, steps: 400, end: 1e-4))) {
    (map: Map, windows: Tensor<Float>) in
    meanSquaredError(map.phases(from: windows[0], steps: 10), windows)
  }
  for _ in 0..<400 { try trainer.step(windows) }
  return trainer.model
}

let energy = Oscillator.pendulum.energyInvariant(Float.self)
func report<Map: StepMap>(_ name: String, _ map: Map) throws where Map.Scalar == Float {
  let phases = map.phases(from: film[0], steps: 1000)
  print(name, try TrajectoryReport(times: (0...1000).map { Double($0) * 0.1 }, states: phases, [energy]))
  print(
    "  symplecticity defect of a step:", try symplecticityDefect(of: { map($0) }, at: film[0]).evaluated())
}

let potential = MLP<Float>(2, 64, 1, activation: .tanh, key: RandomKey(seed: 1))
try report(
  "variational integrator:",
  trained(
    VariationalIntegrator(
      potential: PeriodicPotential(potential), coordinates: 1, space: .circle, stepSize: 0.1)))
try report(
  "residual network:",
  trained(ResidualMap(MLP<Float>(2, 52, 2, activation: .tanh, key: RandomKey(seed: 1)), stepSize: 0.1)))
