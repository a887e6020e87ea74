// A small script: the gradient of a loss through a solve, once. `nde-bench growth` starts it to see what a process costs.
import NODECore

let net = MLP<Float>(8, 32, 8, activation: .tanh, key: RandomKey(seed: 31))
let y0 = Tensor<Float>.normal(shape: [16, 8], key: RandomKey(seed: 32))
let (loss, gradient) = try valueAndGradient(of: net) { net in
  square(try odeint(from: y0, at: [0, 1]) { _, y in net(y) }.final).mean()
}
let (value, norm) = try evaluated(loss, square(gradient.parameterVector(Float.self)).sum())
print("loss \(value.scalar), squared norm of the gradient \(norm.scalar)")
