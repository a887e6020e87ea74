// Learns the density of two moons with a continuous normalizing flow, and reports it exactly.
import NODECore

let field = ConcatSquashField<Float>(2, hidden: [64, 64], key: RandomKey(seed: 1))
let flow = ContinuousFlow(field, dimensions: 2)
let density = FlowDensity(flow, base: NormalDistribution(dimensions: 2))

var trainer = Trainer(density, optimizer: .adam(learningRate: 5e-3)) {
  (
    density: FlowDensity<ContinuousFlow<ConcatSquashField<Float>>, NormalDistribution<Float>>,
    x: Tensor<Float>
  )
  in
  -(try density.logDensity(x)).mean()
}
let keys = RandomKey(seed: 2).split(402)
for step in 0..<400 {
  let x: Tensor<Float> = PlaneDataset.moons.sample(256, key: keys[step])
  let loss = try trainer.step(x)
  if step % 100 == 99 { print("step \(step + 1): negative log-likelihood \(loss) nats") }
}

var learned = trainer.model
learned.flow = learned.flow.evaluating(tolerance: 1e-5)
let nll = try learned.negativeLogLikelihood(of: PlaneDataset.moons.sample(2000, key: keys[400]))
let entropy = PlaneDataset.moons.entropy!
print("test: \(nll.mean - entropy) nats above the entropy, standard error \(nll.standardError)")
print("five samples:", try learned.sample(5, key: keys[401]).evaluated())
