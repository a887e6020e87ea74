// Learns from a film of a pendulum, 28 x 28 pixels a frame, to go on with it: the latent steps are a variational integrator's.
import NODECore

let motion = try Oscillator.pendulum.trajectory(from: Tensor([[1.8, 0]]), steps: 100)
let film: Tensor<Float> = PendulumFrames.render(angles: motion.reshaped(to: [101, 2])[.all, 0].scalars)
let (seen, length, pixels) = (50, 15, film.shape[1])
let windows = FrameWindows(films: film[0..<seen].reshaped(to: [seen, 1, pixels]), length: length)

typealias Model = PixelMechanics<VariationalIntegrator<PeriodicPotential<MLP<Float>>>>
let keys = RandomKey(seed: 1).split(4)
let potential = PeriodicPotential(MLP<Float>(2, 32, 1, activation: .tanh, key: keys[0]))
let model = Model(
  VariationalIntegrator(potential: potential, coordinates: 1, space: .circle, stepSize: 0.3),
  encoder: RecurrentStateEncoder(observation: pixels, width: 2, hidden: [64], key: keys[1]),
  decoder: MLP(2, 64, pixels, activation: .relu, key: keys[2]), view: .angles,
  priorDeviations: [1, 1], encoded: 8)
var trainer = Trainer(model, optimizer: .adam(learningRate: .cosine(5e-3, steps: 500)), key: keys[3]) {
  (model: Model, windows: FrameWindows<Float>, key: RandomKey) in
  Objective(loss: model.negativeELBO(windows, length: length, key: key).loss)
}
for step in 1...500 {
  let loss = try trainer.step(windows)
  if step % 100 == 0 { print("step \(step): negative lower bound \(loss) nats a window") }
}

// From the first eight frames alone; frames from the fiftieth on were not in the film that it saw.
let forecast = trainer.model.forecast(from: film[0..<8].reshaped(to: [8, 1, pixels]), steps: 100)
let shown = try forecast.pixels.reshaped(to: [101, pixels]).evaluated(), mean = film[0..<seen].mean(axes: 0)
for frames in [0..<25, 25..<50, 50..<75, 75..<100] {
  let error = meanSquaredError(shown[frames], film[frames]), blur = square(film[frames] - mean).mean()
  print("frames \(frames): mean squared error \(error.scalar), of the mean picture \(blur.scalar)")
}
