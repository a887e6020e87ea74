// Comparisons give masks: 1 where true, 0 elsewhere, in the operands' own element type. Shapes broadcast. Every comparison
// with NaN is false. Masks have no derivative.

infix operator .> : ComparisonPrecedence
infix operator .>= : ComparisonPrecedence
infix operator .< : ComparisonPrecedence
infix operator .<= : ComparisonPrecedence
infix operator .== : ComparisonPrecedence

extension Tensor where Scalar: FloatingScalar {
  /// A mask of ones and zeros; 0 where either is NaN. Shapes broadcast.
  public static func .> (a: Tensor, b: Tensor) -> Tensor { apply(.greater, a, b) }
  /// A mask of ones and zeros; 0 where either is NaN. Shapes broadcast.
  public static func .>= (a: Tensor, b: Tensor) -> Tensor { apply(.greaterOrEqual, a, b) }
  /// A mask of ones and zeros; 0 where either is NaN. Shapes broadcast.
  public static func .< (a: Tensor, b: Tensor) -> Tensor { apply(.greater, b, a) }
  /// A mask of ones and zeros; 0 where either is NaN. Shapes broadcast.
  public static func .<= (a: Tensor, b: Tensor) -> Tensor { apply(.greaterOrEqual, b, a) }
  /// A mask of ones and zeros; 0 where either is NaN. Shapes broadcast.
  public static func .== (a: Tensor, b: Tensor) -> Tensor { apply(.equal, a, b) }
}

/// `a` where the mask is not zero, else `b`; shapes broadcast. The branch that is not taken receives a cotangent of zero. Where
/// its own derivative is infinite there (sqrt at 0), the product is still NaN: replace its argument as well, as in
/// `where(x .> 0, sqrt(where(x .> 0, x, 1)), 0)`.
public func `where`<Scalar: FloatingScalar>(
  _ mask: Tensor<Scalar>, _ a: Tensor<Scalar>, _ b: Tensor<Scalar>
) -> Tensor<Scalar> {
  Tensor(Graph.broadcasting(.select, mask.value, a.value, b.value))
}

/// 1 - mask, for masks.
public func not<Scalar: FloatingScalar>(_ mask: Tensor<Scalar>) -> Tensor<Scalar> { 1.0 - mask }
