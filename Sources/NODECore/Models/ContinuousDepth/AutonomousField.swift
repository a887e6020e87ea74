/// A layer as a vector field that does not look at the time: dy/dt = net(y). With it a ``NeuralODE`` is the
/// plain one (Chen et al. 2018), whose depth varies nothing.
public struct AutonomousField<Net: Layer>: RowTimedField {
  public typealias Scalar = Net.Scalar

  /// State -> slope, of one shape.
  public var net: Net

  public init(_ net: Net) { self.net = net }

  public func callAsFunction(_ t: Tensor<Scalar>, _ y: Tensor<Scalar>) -> Tensor<Scalar> { net(y) }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) { visit("net", &net) }
}
