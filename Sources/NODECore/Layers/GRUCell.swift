/// One step of a gated recurrent unit (Cho et al. 2014, in the form of PyTorch: the reset gate acts on the product with
/// the hidden state, bias included). With x [..., inputs] and h [..., hidden]:
///
///     r = sigmoid(x Wr + br + h Ur + cr)
///     z = sigmoid(x Wz + bz + h Uz + cz)
///     n = tanh(x Wn + bn + r (h Un + cn))
///     h' = (1 - z) n + z h
public struct GRUCell<Scalar: FloatingScalar>: Module {
  /// [inputs, 3 hidden]: Wr, Wz, Wn.
  public var inputWeight: Tensor<Scalar>
  /// [hidden, 3 hidden]: Ur, Uz, Un.
  public var hiddenWeight: Tensor<Scalar>
  /// [3 hidden].
  public var inputBias: Tensor<Scalar>
  /// [3 hidden].
  public var hiddenBias: Tensor<Scalar>

  /// Columns of a hidden state.
  public var hidden: Int { hiddenWeight.shape[0] }

  /// Everything starts uniform on (-1/sqrt(hidden), 1/sqrt(hidden)), as PyTorch's.
  /// - Parameters:
  ///   - inputs: positive.
  ///   - hidden: positive.
  ///   - initializer: of the weights, in place of that; biases start so in any case.
  public init(
    _ inputs: Int, hidden: Int, initializer: Initializer? = nil, key: RandomKey = RandomKey(seed: 0)
  ) {
    require(inputs > 0 && hidden > 0, "GRUCell: extents must be positive, got \(inputs) and \(hidden)")
    let start = GatedParameters<Scalar>(inputs, hidden, gates: 3, initializer, key)
    (inputWeight, hiddenWeight) = (start.inputWeight, start.hiddenWeight)
    (inputBias, hiddenBias) = (start.inputBias, start.hiddenBias)
  }

  /// The next hidden state; shapes [..., inputs] and [..., hidden] lead with the same axes.
  public func callAsFunction(_ x: Tensor<Scalar>, _ h: Tensor<Scalar>) -> Tensor<Scalar> {
    let n = hidden
    requireRecurrent("GRUCell", x, h, inputs: inputWeight.shape[0], hidden: n)
    let fromInput = (matmul(x, inputWeight) + inputBias).split(counts: [n, n, n], axis: -1)
    let fromHidden = (matmul(h, hiddenWeight) + hiddenBias).split(counts: [n, n, n], axis: -1)
    let reset = sigmoid(fromInput[0] + fromHidden[0])
    let update = sigmoid(fromInput[1] + fromHidden[1])
    let candidate = tanh(fromInput[2] + reset * fromHidden[2])
    return candidate + update * (h - candidate)
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {
    visit("inputWeight", &inputWeight)
    visit("hiddenWeight", &hiddenWeight)
    visit("inputBias", &inputBias)
    visit("hiddenBias", &hiddenBias)
  }
}

/// How the parameters of a recurrent cell with so many gates start.
struct GatedParameters<Scalar: FloatingScalar> {
  let inputWeight: Tensor<Scalar>, hiddenWeight: Tensor<Scalar>
  let inputBias: Tensor<Scalar>, hiddenBias: Tensor<Scalar>

  init(_ inputs: Int, _ hidden: Int, gates: Int, _ initializer: Initializer?, _ key: RandomKey) {
    let keys = key.split(4), bound = 1 / Double(hidden).squareRoot(), width = gates * hidden
    let initializer = initializer ?? .uniform(-bound..<bound)
    inputWeight = initializer([inputs, width], fanIn: inputs, fanOut: hidden, key: keys[0])
    hiddenWeight = initializer([hidden, width], fanIn: hidden, fanOut: hidden, key: keys[1])
    let ofBias: Initializer = .uniform(-bound..<bound)
    inputBias = ofBias([width], fanIn: hidden, fanOut: hidden, key: keys[2])
    hiddenBias = ofBias([width], fanIn: hidden, fanOut: hidden, key: keys[3])
  }
}

/// Input [..., inputs] and state [..., hidden] of a recurrent cell lead with the same axes.
func requireRecurrent<S>(_ name: String, _ x: Tensor<S>, _ h: Tensor<S>, inputs: Int, hidden: Int) {
  require(
    x.rank >= 1 && x.rank == h.rank && x.shape.dimensions.dropLast() == h.shape.dimensions.dropLast()
      && x.shape[x.rank - 1] == inputs && h.shape[h.rank - 1] == hidden,
    "\(name): input \(x.shape) and state \(h.shape); [..., \(inputs)] and [..., \(hidden)] are needed")
}
