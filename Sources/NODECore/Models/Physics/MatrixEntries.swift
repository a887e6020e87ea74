/// What a matrix is made of: numbers that are learned, the same for all rows, or a network of each row.
public enum MatrixEntries<Scalar: FloatingScalar>: Module {
  /// Of the shape that the matrix wants.
  case constant(Tensor<Scalar>)
  /// [rows, inputs] -> [rows, entries].
  case network(MLP<Scalar>)

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {
    switch self {
    case .constant(var entries):
      visit("constant", &entries)
      self = .constant(entries)
    case .network(var net):
      visit("net", &net)
      self = .network(net)
    }
  }
}
