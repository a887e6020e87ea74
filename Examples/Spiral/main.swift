// Learns dy/dt = y³ A, A = [[-0.1, 2], [-2, -0.1]], from windows of its trajectory: the demo of torchdiffeq.
import NODECore

struct Spiral: Module {
  var net = MLP<Float>(2, 50, 2, activation: .tanh, key: RandomKey(seed: 0))
  func callAsFunction(_ t: Tensor<Float>, _ y: Tensor<Float>) -> Tensor<Float> { net(y * y * y) }
  mutating func visitParameters(_ visit: inout ParameterVisitor) { visit("net", &net) }
}

let times = (0..<200).map { Double($0) * 0.025 }
let a = Tensor<Float>([-0.1, 2, -2, -0.1], shape: [2, 2])
let truth = try odeint(from: Tensor<Float>([2, 0], shape: [1, 2]), at: times) { _, y in matmul(y * y * y, a) }
  .states

var trainer = Trainer(Spiral(), optimizer: .adam(learningRate: 1e-3)) {
  (model: Spiral, window: Tensor<Float>) in
  let path = try odeint(from: window[0], at: Array(times[0..<10])) { t, y in model(t, y) }
  return abs(path.states - window).mean()
}
var sum = 0.0
for step in 1...2000 {
  let first = step * 7 % 190
  sum += try trainer.step(truth[first..<(first + 10)])
  if step % 400 == 0 {
    print("steps \(step - 399) to \(step): mean loss \(sum / 400)")
    sum = 0
  }
}
