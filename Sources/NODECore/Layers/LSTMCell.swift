/// One step of a long short-term memory with a forget gate (Gers, Schmidhuber, Cummins 2000; gates in PyTorch's order).
/// With x [..., inputs], h and c [..., hidden]:
///
///     i = sigmoid(x Wi + bi + h Ui + ci)
///     f = sigmoid(x Wf + bf + h Uf + cf)
///     g = tanh(x Wg + bg + h Ug + cg)
///     o = sigmoid(x Wo + bo + h Uo + co)
///     c' = f c + i g
///     h' = o tanh(c')
public struct LSTMCell<Scalar: FloatingScalar>: Module {
  /// [inputs, 4 hidden]: Wi, Wf, Wg, Wo.
  public var inputWeight: Tensor<Scalar>
  /// [hidden, 4 hidden]: Ui, Uf, Ug, Uo.
  public var hiddenWeight: Tensor<Scalar>
  /// [4 hidden].
  public var inputBias: Tensor<Scalar>
  /// [4 hidden].
  public var hiddenBias: Tensor<Scalar>

  /// Columns of a hidden state and of a cell state.
  public var hidden: Int { hiddenWeight.shape[0] }

  /// Everything starts uniform on (-1/sqrt(hidden), 1/sqrt(hidden)), as PyTorch's.
  /// - Parameters:
  ///   - inputs: positive.
  ///   - hidden: positive.
  ///   - initializer: of the weights, in place of that; biases start so in any case.
  public init(
    _ inputs: Int, hidden: Int, initializer: Initializer? = nil, key: RandomKey = RandomKey(seed: 0)
  ) {
    require(inputs > 0 && hidden > 0, "LSTMCell: extents must be positive, got \(inputs) and \(hidden)")
    let start = GatedParameters<Scalar>(inputs, hidden, gates: 4, initializer, key)
    (inputWeight, hiddenWeight) = (start.inputWeight, start.hiddenWeight)
    (inputBias, hiddenBias) = (start.inputBias, start.hiddenBias)
  }

  /// The next hidden state and the next cell state; shapes [..., inputs] and [..., hidden] lead with the same axes.
  public func callAsFunction(
    _ x: Tensor<Scalar>, _ state: (hidden: Tensor<Scalar>, cell: Tensor<Scalar>)
  ) -> (hidden: Tensor<Scalar>, cell: Tensor<Scalar>) {
    let n = hidden
    requireRecurrent("LSTMCell", x, state.hidden, inputs: inputWeight.shape[0], hidden: n)
    require(
      state.cell.shape == state.hidden.shape,
      "LSTMCell: hidden state \(state.hidden.shape) and cell state \(state.cell.shape) differ")
    let gates = (matmul(x, inputWeight) + inputBias) + (matmul(state.hidden, hiddenWeight) + hiddenBias)
    let pieces = gates.split(counts: [n, n, n, n], axis: -1)
    let cell = sigmoid(pieces[1]) * state.cell + sigmoid(pieces[0]) * tanh(pieces[2])
    return (sigmoid(pieces[3]) * tanh(cell), cell)
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {
    visit("inputWeight", &inputWeight)
    visit("hiddenWeight", &hiddenWeight)
    visit("inputBias", &inputBias)
    visit("hiddenBias", &hiddenBias)
  }
}
