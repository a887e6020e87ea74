/// A linear layer gated and shifted by the time (FFJORD, Grathwohl et al. 2019; the authors' ConcatSquashLinear), or by the
/// time and what else a row is conditioned on: (x W + b) sigmoid(s G + c) + s D, [..., inputs] -> [..., outputs].
public struct ConcatSquashLinear<Scalar: FloatingScalar>: Module {
  /// [..., inputs] -> [..., outputs]: x W + b.
  public var linear: Linear<Scalar>
  /// [conditions] -> [outputs]: s G + c.
  public var gate: Linear<Scalar>
  /// [conditions] -> [outputs], no bias: s D.
  public var shift: Linear<Scalar>

  /// - Parameter conditions: how many numbers gate a row: 1, the time, or more.
  public init(
    _ inputs: Int, _ outputs: Int, conditions: Int = 1, weightInitializer: Initializer = .fanIn,
    biasInitializer: Initializer = .fanIn, key: RandomKey = RandomKey(seed: 0)
  ) {
    require(
      inputs > 0 && outputs > 0 && conditions > 0,
      "ConcatSquashLinear: extents must be positive, got \(inputs) and \(outputs), \(conditions) conditions")
    let keys = key.split(3)
    linear = Linear(
      inputs, outputs, weightInitializer: weightInitializer, biasInitializer: biasInitializer, key: keys[0])
    gate = Linear(
      conditions, outputs, weightInitializer: weightInitializer, biasInitializer: biasInitializer,
      key: keys[1])
    shift = Linear(conditions, outputs, bias: false, weightInitializer: weightInitializer, key: keys[2])
  }

  /// - Parameter t: the conditions: a scalar where there is one, the time; or [rows, conditions] for x [rows, inputs].
  public func callAsFunction(_ t: Tensor<Scalar>, _ x: Tensor<Scalar>) -> Tensor<Scalar> {
    let conditions = gate.weight.shape[0]
    require(
      t.count == 1 && conditions == 1 || x.rank == 2 && t.shape == [x.shape[0], conditions],
      "ConcatSquashLinear: needs \(conditions) condition(s) for all rows or for each, got \(t.shape) for \(x.shape)"
    )
    let time = t.count == 1 ? t.reshaped(to: [1]) : t
    return linear(x) * sigmoid(gate(time)) + shift(time)
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {
    visit("linear", &linear)
    visit("gate", &gate)
    visit("shift", &shift)
  }
}
