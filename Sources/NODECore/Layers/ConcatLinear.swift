/// A linear layer of [t, x], the time being the first input (FFJORD, Grathwohl et al. 2019; the authors' ConcatLinear):
/// [..., inputs] -> [..., outputs].
///
/// The concatenation is never made: [t, x] W + b = x W[1:] + (t W[0] + b), whose bracket is one row for the whole batch.
public struct ConcatLinear<Scalar: FloatingScalar>: Module {
  /// [1 + inputs, outputs].
  public var weight: Tensor<Scalar>
  /// [outputs].
  public var bias: Tensor<Scalar>

  /// - Parameters:
  ///   - inputs: positive; the time is not counted. The fan-in counts it.
  ///   - outputs: positive.
  ///   - key: two layers made with the same key start the same; give each its own.
  public init(
    _ inputs: Int, _ outputs: Int, weightInitializer: Initializer = .fanIn,
    biasInitializer: Initializer = .fanIn, key: RandomKey = RandomKey(seed: 0)
  ) {
    require(inputs > 0 && outputs > 0, "ConcatLinear: extents must be positive, got \(inputs) and \(outputs)")
    let linear = Linear<Scalar>(
      inputs + 1, outputs, weightInitializer: weightInitializer, biasInitializer: biasInitializer, key: key)
    weight = linear.weight
    bias = linear.bias!
  }

  /// - Parameter t: scalar, or [rows, 1] for x [rows, inputs].
  public func callAsFunction(_ t: Tensor<Scalar>, _ x: Tensor<Scalar>) -> Tensor<Scalar> {
    require(
      (t.count == 1 || x.rank == 2 && t.shape == [x.shape[0], 1])
        && x.rank >= 1 && x.shape[x.rank - 1] + 1 == weight.shape[0],
      "ConcatLinear: time \(t.shape) and input \(x.shape) for a weight \(weight.shape), whose first row is the time's"
    )
    let time = t.count == 1 ? t.reshaped(to: []) : t
    return matmul(x, weight[1...]) + (time * weight[0] + bias)
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {
    visit("weight", &weight)
    visit("bias", &bias)
  }
}
