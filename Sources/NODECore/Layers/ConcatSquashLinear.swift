/// A linear layer gated and shifted by the time (FFJORD, Grathwohl et al. 2019; the authors' ConcatSquashLinear):
/// (x W + b) sigmoid(t g + c) + t d, [..., inputs] -> [..., outputs].
public struct ConcatSquashLinear<Scalar: FloatingScalar>: Module {
  public var linear: Linear<Scalar>
  /// [1] -> [outputs]: t g + c.
  public var gate: Linear<Scalar>
  /// [1] -> [outputs], no bias: t d.
  public var shift: Linear<Scalar>

  public init(
    _ inputs: Int, _ outputs: Int, weightInitializer: Initializer = .fanIn,
    biasInitializer: Initializer = .fanIn, key: RandomKey = RandomKey(seed: 0)
  ) {
    require(
      inputs > 0 && outputs > 0, "ConcatSquashLinear: extents must be positive, got \(inputs) and \(outputs)")
    let keys = key.split(3)
    linear = Linear(
      inputs, outputs, weightInitializer: weightInitializer, biasInitializer: biasInitializer, key: keys[0])
    gate = Linear(
      1, outputs, weightInitializer: weightInitializer, biasInitializer: biasInitializer, key: keys[1])
    shift = Linear(1, outputs, bias: false, weightInitializer: weightInitializer, key: keys[2])
  }

  /// - Parameter t: scalar, or [rows, 1] for x [rows, inputs].
  public func callAsFunction(_ t: Tensor<Scalar>, _ x: Tensor<Scalar>) -> Tensor<Scalar> {
    require(
      t.count == 1 || x.rank == 2 && t.shape == [x.shape[0], 1],
      "ConcatSquashLinear: the time must be a scalar or one for each row, got \(t.shape) for \(x.shape)")
    let time = t.count == 1 ? t.reshaped(to: [1]) : t
    return linear(x) * sigmoid(gate(time)) + shift(time)
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {
    visit("linear", &linear)
    visit("gate", &gate)
    visit("shift", &shift)
  }
}
