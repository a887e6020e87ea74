/// Any field made to keep quantities that are known, or learned: what it would change them by is taken off, along their
/// gradients (the projection of Hairer, Lubich, Wanner, IV.4, on the field instead of the step),
///
///     f(t, x) = f̂ - Gᵀ (G Gᵀ)⁻¹ G f̂,   G = dC/dx, k x columns
///
/// The exact flow keeps every component of C; a solve does to the accuracy of its steps.
public struct ConservingField<Base: VectorField, Quantities: Layer>: VectorField
where Base.Scalar == Quantities.Scalar {
  public typealias Scalar = Base.Scalar

  /// f̂, of states [rows, columns].
  public var base: Base
  /// C: rows [rows, columns] -> [rows] or [rows, k], each row's of that row alone. Their units do not matter. Where the gradient of a
  /// single one is zero nothing is taken off; where those of several depend on each other the field is not finite.
  public var quantities: Quantities

  /// - Parameters:
  ///   - base: f̂, of states [rows, columns].
  ///   - quantities: C, [rows, columns] -> [rows] or [rows, k]; rows do not mix.
  public init(_ base: Base, keeping quantities: Quantities) {
    self.base = base
    self.quantities = quantities
  }

  public func callAsFunction(_ t: Tensor<Scalar>, _ y: Tensor<Scalar>) throws -> Tensor<Scalar> {
    requireRows("ConservingField", y)
    let rows = y.shape[0], columns = y.shape[1]
    let field = try requireField("ConservingField", base(t, y), y)
    let shape = quantities(y).shape
    require(
      shape.rank >= 1 && shape.rank <= 2 && shape[0] == rows && (shape.rank == 1 || shape[1] > 0),
      "ConservingField: quantities have shape [\(rows)] or [\(rows), k] for a state \(y.shape), got \(shape)")
    let count = shape.rank == 1 ? 1 : shape[1]
    let gradients = (0..<count).map { index in
      NODECore.gradient(at: y) { y in
        quantities(y).reshaped(to: [rows, count]).sliced(index..<index + 1, axis: 1).sum()
      }
    }
    if count == 1 {
      let slope = Directions(gradients[0])
      return field - slope.unit
        * ((slope.unit * field).sum(axes: [1], keepingDimensions: true) / slope.square)
    }
    let slopes = Directions(Tensor.stacked(gradients, axis: 1)).unit  // [rows, k, columns]
    let change = (slopes * field.reshaped(to: [rows, 1, columns])).sum(axes: 2)
    let shares = solve(matmul(slopes, slopes.permuted(to: 0, 2, 1)), change.reshaped(to: [rows, count, 1]))
    return field - (slopes * shares).sum(axes: 1)
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {
    visit("base", &base)
    visit("quantities", &quantities)
  }
}
