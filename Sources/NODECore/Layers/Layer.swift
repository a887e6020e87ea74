/// A module that maps one tensor to one tensor.
public protocol Layer<Scalar>: Module {
  associatedtype Scalar: FloatingScalar
  /// The output of the layer. Which shapes x may have, the layer says; others stop the program.
  func callAsFunction(_ x: Tensor<Scalar>) -> Tensor<Scalar>
}

/// Layers one after the other.
public struct Sequential<Scalar: FloatingScalar>: Layer {
  /// In the order in which they are applied; none is the identity.
  public var layers: [any Layer<Scalar>]

  /// - Parameter layers: in the order in which they are applied.
  public init(_ layers: any Layer<Scalar>...) { self.layers = layers }

  public func callAsFunction(_ x: Tensor<Scalar>) -> Tensor<Scalar> { layers.reduce(x) { $1($0) } }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {
    for i in layers.indices { visit(String(i), &layers[i]) }
  }
}
