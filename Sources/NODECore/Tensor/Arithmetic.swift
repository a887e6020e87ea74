// Arithmetic operators. Shapes broadcast. Numbers of any floating-point type may stand on either side: they are rounded to
// the tensor's element type.

extension Tensor where Scalar: FloatingScalar {
  public static func + (a: Tensor, b: Tensor) -> Tensor { apply(.add, a, b) }
  public static func - (a: Tensor, b: Tensor) -> Tensor { apply(.subtract, a, b) }
  public static func * (a: Tensor, b: Tensor) -> Tensor { apply(.multiply, a, b) }
  public static func / (a: Tensor, b: Tensor) -> Tensor { apply(.divide, a, b) }

  public static func + <B: FloatingScalar>(a: Tensor, b: B) -> Tensor { apply(.add, a, b.asDouble) }
  public static func - <B: FloatingScalar>(a: Tensor, b: B) -> Tensor { apply(.subtract, a, b.asDouble) }
  public static func * <B: FloatingScalar>(a: Tensor, b: B) -> Tensor { apply(.multiply, a, b.asDouble) }
  public static func / <B: FloatingScalar>(a: Tensor, b: B) -> Tensor { apply(.divide, a, b.asDouble) }

  public static func + <B: FloatingScalar>(a: B, b: Tensor) -> Tensor { apply(.add, a.asDouble, b) }
  public static func - <B: FloatingScalar>(a: B, b: Tensor) -> Tensor { apply(.subtract, a.asDouble, b) }
  public static func * <B: FloatingScalar>(a: B, b: Tensor) -> Tensor { apply(.multiply, a.asDouble, b) }
  public static func / <B: FloatingScalar>(a: B, b: Tensor) -> Tensor { apply(.divide, a.asDouble, b) }

  public static prefix func - (x: Tensor) -> Tensor { apply(.neg, x) }

  public static func += (a: inout Tensor, b: Tensor) { a = a + b }
  public static func -= (a: inout Tensor, b: Tensor) { a = a - b }
  public static func *= (a: inout Tensor, b: Tensor) { a = a * b }
  public static func /= (a: inout Tensor, b: Tensor) { a = a / b }
}
