/// An array of numbers with a shape, or the symbol of one.
///
/// A tensor is a value: a thin typed handle on an immutable node of an expression graph, free to copy and to send to other
/// threads. Operations build the graph; reading `scalars` evaluates it. Inside of `gradient`, `compiled` or a solve the same
/// code builds a program instead.
public struct Tensor<Scalar: TensorScalar>: Sendable {
  package let value: Value

  package init(_ value: Value) {
    require(value.dtype == Scalar.dtype, "Tensor: a \(value.type) is not a tensor of \(Scalar.self)")
    self.value = value
  }

  /// `scalars` in row-major order. Traps where their number is not the shape's.
  public init(_ scalars: [Scalar], shape: Shape) {
    require(
      scalars.count == shape.count, "Tensor: \(scalars.count) scalars do not fill the shape \(shape)")
    self.init(Graph.constant(scalars, shape))
  }

  /// A vector [scalars.count].
  public init(_ scalars: [Scalar]) { self.init(scalars, shape: [scalars.count]) }

  /// A matrix [rows.count, columns]. Traps where the rows differ in length.
  public init(_ rows: [[Scalar]]) {
    let columns = rows.first?.count ?? 0
    require(
      rows.allSatisfy { $0.count == columns }, "Tensor: rows differ in length: \(rows.map(\.count))")
    self.init(rows.flatMap { $0 }, shape: [rows.count, columns])
  }

  /// A tensor of rank 0.
  public init(_ scalar: Scalar) { self.init(repeating: scalar, shape: []) }

  /// `scalar` in every element.
  public init(repeating scalar: Scalar, shape: Shape) {
    self.init(Graph.splat(scalar.asDouble, TensorType(Scalar.dtype, shape)))
  }

  /// Kept as one number until elements are needed.
  public static func zeros(_ shape: Shape) -> Tensor { Tensor(repeating: Scalar(0.0), shape: shape) }
  /// Kept as one number until elements are needed.
  public static func ones(_ shape: Shape) -> Tensor { Tensor(repeating: Scalar(1.0), shape: shape) }

  /// [count]: 0, 1, ..., count - 1. At most 2^40 bytes.
  public static func iota(_ count: Int) -> Tensor {
    require(count >= 0, "iota: the count must not be negative, got \(count)")
    return Tensor(Graph.iota(count, Scalar.dtype))
  }

  /// [n, n] with ones on the diagonal. At most 2^40 bytes.
  public static func identityMatrix(_ n: Int) -> Tensor {
    require(n >= 0, "identityMatrix: the extent must not be negative, got \(n)")
    return Tensor(.identityMatrix(n, Scalar.dtype))
  }

  /// Known without any numbers, that of a symbol too.
  public var shape: Shape { value.shape }
  /// Axes: 0 for a scalar, at most `Shape.maximumRank`.
  public var rank: Int { value.shape.rank }
  /// The number of elements.
  public var count: Int { value.shape.count }

  /// The same numbers in another element type; conversion to integers rounds toward zero, takes what no integer
  /// is to the nearest one, and NaN to 0. Differentiable between floating-point types.
  public func converted<Other: TensorScalar>(to type: Other.Type) -> Tensor<Other> {
    Tensor<Other>(value.converted(to: Other.dtype))
  }
}

extension Tensor: ExpressibleByFloatLiteral where Scalar: FloatingScalar {
  /// A tensor of rank 0, rounded to the element type.
  public init(floatLiteral value: Double) { self.init(Scalar(value)) }
}

extension Tensor: ExpressibleByIntegerLiteral {
  /// A tensor of rank 0. Traps where a `Tensor<Int32>` is made of a number outside of Int32.
  public init(integerLiteral value: Int) {
    require(
      Scalar.dtype != .int32 || Int32(exactly: value) != nil,
      "Tensor<Int32>: the literal \(value) is outside of \(Int32.min)...\(Int32.max)")
    self.init(Scalar(Double(value)))
  }
}

/// The value of x, seen as a constant by every derivative.
public func stopGradient<Scalar>(_ x: Tensor<Scalar>) -> Tensor<Scalar> { Tensor(x.value.stoppingGradient) }
