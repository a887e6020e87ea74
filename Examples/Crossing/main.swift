// Learns x -> -x. Points of a flow on the line keep their order, so a neural ODE can only map all of them to
// 0; with one more component, with velocities, or with a field that is told where a point began, they pass
// each other.
import NODECore

let x = Tensor<Float>((0..<64).map { Float($0) / 32 - 1 }, shape: [64, 1])

func fit<M: Module>(
  _ name: String, _ model: M, prediction: @escaping (M, Tensor<Float>) throws -> Tensor<Float>
) throws {
  var trainer = Trainer(model, optimizer: .adam(learningRate: 1e-2)) { (model: M, x: Tensor<Float>) in
    meanSquaredError(try prediction(model, x), -x)
  }
  for _ in 0..<300 { try trainer.step(x) }
  print("\(name): mean squared error \(try trainer.evaluate(x).loss)")
}

func net(_ inputs: Int, _ outputs: Int) -> MLP<Float> {
  MLP(inputs, 16, 16, outputs, activation: .tanh, key: RandomKey(seed: 1))
}

try fit("neural ODE", NeuralODE(AutonomousField(net(1, 1)))) { try $0($1) }
try fit("augmented", AugmentedODE(AutonomousField(net(2, 2)), augmentation: .zeros(1))) { model, x in
  model.projected(try model(x))
}
try fit("second order", SecondOrderODE(AccelerationNetwork<Float>(net(2, 1)), velocity: net(1, 1))) {
  try $0($1)
}
try fit("data-controlled", DataControlledODE(DataControlledField<Float>(1, context: 1, hidden: [16, 16]))) {
  try $0($1)
}
