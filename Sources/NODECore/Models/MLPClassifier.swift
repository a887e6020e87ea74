/// A network with one hidden layer on flattened images, 784-300-10 by default (LeCun et al. 1998): [n, ...]
/// -> [n, 10].
public struct MLPClassifier<Scalar: FloatingScalar>: Layer {
  /// [n, inputs] -> logits [n, classes].
  public var net: MLP<Scalar>

  /// - Parameters:
  ///   - inputs: numbers of one image, positive.
  ///   - hidden: width, positive.
  ///   - classes: positive.
  public init(
    inputs: Int = 784, hidden: Int = 300, classes: Int = 10, activation: Activation = .relu,
    key: RandomKey = RandomKey(seed: 0)
  ) {
    net = MLP(inputs, hidden, classes, activation: activation, key: key)
  }

  public func callAsFunction(_ images: Tensor<Scalar>) -> Tensor<Scalar> { net(Flatten()(images)) }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) { visit("net", &net) }
}
