/// An activation function, by name.
public enum Activation: Sendable, Hashable, CaseIterable {
  case identity, relu, tanh, sigmoid, softplus, silu, gelu, geluTanh, elu, leakyReLU, sin, gaussian

  /// Elementwise. `elu` with alpha 1, `leakyReLU` with slope 0.01, `gaussian` exp(-x²).
  public func callAsFunction<Scalar: FloatingScalar>(_ x: Tensor<Scalar>) -> Tensor<Scalar> {
    switch self {
    case .identity: x
    case .relu: NODECore.relu(x)
    case .tanh: NODECore.tanh(x)
    case .sigmoid: NODECore.sigmoid(x)
    case .softplus: NODECore.softplus(x)
    case .silu: NODECore.silu(x)
    case .gelu: NODECore.gelu(x)
    case .geluTanh: NODECore.geluTanh(x)
    case .elu: NODECore.elu(x)
    case .leakyReLU: NODECore.leakyReLU(x)
    case .sin: NODECore.sin(x)
    case .gaussian: NODECore.gaussian(x)
    }
  }
}

/// An activation function as a layer.
public struct ActivationLayer<Scalar: FloatingScalar>: Layer {
  public var activation: Activation

  public init(_ activation: Activation) { self.activation = activation }

  public func callAsFunction(_ x: Tensor<Scalar>) -> Tensor<Scalar> { activation(x) }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {}
}
