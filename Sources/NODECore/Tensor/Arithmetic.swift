// Arithmetic operators. Shapes broadcast. Numbers of any floating-point type may stand on either side: they are rounded to
// the tensor's element type.

extension Tensor where Scalar: FloatingScalar {
  /// Elementwise; shapes broadcast.
  public static func + (a: Tensor, b: Tensor) -> Tensor { apply(.add, a, b) }
  /// Elementwise; shapes broadcast.
  public static func - (a: Tensor, b: Tensor) -> Tensor { apply(.subtract, a, b) }
  /// Elementwise; shapes broadcast.
  public static func * (a: Tensor, b: Tensor) -> Tensor { apply(.multiply, a, b) }
  /// Elementwise; shapes broadcast.
  public static func / (a: Tensor, b: Tensor) -> Tensor { apply(.divide, a, b) }

  /// With the number `b`, rounded to the element type, for every element.
  public static func + <B: FloatingScalar>(a: Tensor, b: B) -> Tensor { apply(.add, a, b.asDouble) }
  /// With the number `b`, rounded to the element type, for every element.
  public static func - <B: FloatingScalar>(a: Tensor, b: B) -> Tensor { apply(.subtract, a, b.asDouble) }
  /// With the number `b`, rounded to the element type, for every element.
  public static func * <B: FloatingScalar>(a: Tensor, b: B) -> Tensor { apply(.multiply, a, b.asDouble) }
  /// With the number `b`, rounded to the element type, for every element.
  public static func / <B: FloatingScalar>(a: Tensor, b: B) -> Tensor { apply(.divide, a, b.asDouble) }

  /// With the number `a`, rounded to the element type, for every element.
  public static func + <B: FloatingScalar>(a: B, b: Tensor) -> Tensor { apply(.add, a.asDouble, b) }
  /// With the number `a`, rounded to the element type, for every element.
  public static func - <B: FloatingScalar>(a: B, b: Tensor) -> Tensor { apply(.subtract, a.asDouble, b) }
  /// With the number `a`, rounded to the element type, for every element.
  public static func * <B: FloatingScalar>(a: B, b: Tensor) -> Tensor { apply(.multiply, a.asDouble, b) }
  /// With the number `a`, rounded to the element type, for every element.
  public static func / <B: FloatingScalar>(a: B, b: Tensor) -> Tensor { apply(.divide, a.asDouble, b) }

  /// Elementwise.
  public static prefix func - (x: Tensor) -> Tensor { apply(.neg, x) }

  /// `a` gets the shape that both broadcast to.
  public static func += (a: inout Tensor, b: Tensor) { a = a + b }
  /// `a` gets the shape that both broadcast to.
  public static func -= (a: inout Tensor, b: Tensor) { a = a - b }
  /// `a` gets the shape that both broadcast to.
  public static func *= (a: inout Tensor, b: Tensor) { a = a * b }
  /// `a` gets the shape that both broadcast to.
  public static func /= (a: inout Tensor, b: Tensor) { a = a / b }
}
