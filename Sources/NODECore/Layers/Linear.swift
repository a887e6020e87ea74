/// y = x W + b: [..., inputs] -> [..., outputs].
public struct Linear<Scalar: FloatingScalar>: Layer {
  /// [inputs, outputs].
  public var weight: Tensor<Scalar>
  /// [outputs].
  public var bias: Tensor<Scalar>?

  /// - Parameter key: two layers made with the same key start the same; give each its own.
  public init(
    _ inputs: Int, _ outputs: Int, bias: Bool = true, weightInitializer: Initializer = .fanIn,
    biasInitializer: Initializer = .fanIn, key: RandomKey = RandomKey(seed: 0)
  ) {
    require(inputs > 0 && outputs > 0, "Linear: extents must be positive, got \(inputs) and \(outputs)")
    let keys = key.split(2)
    weight = weightInitializer([inputs, outputs], fanIn: inputs, fanOut: outputs, key: keys[0])
    self.bias = bias ? biasInitializer([outputs], fanIn: inputs, fanOut: outputs, key: keys[1]) : nil
  }

  public func callAsFunction(_ x: Tensor<Scalar>) -> Tensor<Scalar> {
    require(
      x.rank >= 1 && x.shape[x.rank - 1] == weight.shape[0],
      "Linear: input \(x.shape) for a weight \(weight.shape)")
    let y = matmul(x, weight)
    guard let bias else { return y }
    require(
      bias.shape == [weight.shape[1]],
      "Linear: bias \(bias.shape) beside a weight \(weight.shape); it has to be [\(weight.shape[1])]")
    return y + bias
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {
    visit("weight", &weight)
    visit("bias", &bias)
  }
}
