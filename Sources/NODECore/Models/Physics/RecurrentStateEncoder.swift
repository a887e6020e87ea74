/// The distribution of the state at the first of several observations, from all of them: features of each observation by a
/// network, an LSTM over them from the last to the first, a linear layer of its end (as Chen et al. 2018, section 5, and
/// Saemundsson et al. 2020, section 4.2).
public struct RecurrentStateEncoder<Scalar: FloatingScalar>: Module {
  /// [..., observation] -> [..., features].
  public var features: MLP<Scalar>
  /// [rows, features] and its state, from the last observation to the first.
  public var cell: LSTMCell<Scalar>
  /// [..., hidden] -> [..., 2 width].
  public var head: Linear<Scalar>

  /// - Parameters:
  ///   - observation: numbers of one observation.
  ///   - width: of the state.
  ///   - hidden: widths of the network of each observation, with `activation` behind each.
  ///   - memory: width of the LSTM.
  public init(
    observation: Int, width: Int, hidden: [Int] = [500], memory: Int = 20, activation: Activation = .relu,
    key: RandomKey = RandomKey(seed: 0)
  ) {
    let keys = key.split(3), features = 2 * width
    self.features = MLP(sizes: [observation] + hidden + [features], activation: activation, key: keys[0])
    cell = LSTMCell(features, hidden: memory, key: keys[1])
    head = Linear(memory, 2 * width, key: keys[2])
  }

  /// Mean and standard deviation [rows, width] of the state at the first of observations [times, rows, observation].
  public func callAsFunction(_ observations: Tensor<Scalar>) -> (
    mean: Tensor<Scalar>, deviation: Tensor<Scalar>
  ) {
    require(
      observations.rank == 3,
      "RecurrentStateEncoder: observations must be [times, rows, size], got shape "
        + "\(observations.shape)")
    return callAsFunction(features: features(observations))
  }

  /// The same from features [times, rows, features], where observations that many rows share have theirs computed once.
  public func callAsFunction(features: Tensor<Scalar>) -> (mean: Tensor<Scalar>, deviation: Tensor<Scalar>) {
    require(
      features.rank == 3,
      "RecurrentStateEncoder: features must be [times, rows, features], got shape \(features.shape)")
    let start = Tensor<Scalar>.zeros([features.shape[1], cell.hidden])
    let memory = scan(from: [start, start], over: features, reversed: true) { carry, row in
      let next = cell(row, (carry[0], carry[1]))
      return ([next.hidden, next.cell], [Tensor<Scalar>]())
    }.carry
    let numbers = head(memory[0]), width = numbers.shape[1] / 2
    return (numbers.sliced(0..<width, axis: 1), softplus(numbers.sliced(width..<2 * width, axis: 1)))
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {
    visit("features", &features)
    visit("cell", &cell)
    visit("head", &head)
  }
}
