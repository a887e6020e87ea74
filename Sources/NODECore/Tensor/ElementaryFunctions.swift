// Elementwise functions: one free function each, one primitive each. Shapes broadcast where there are several operands.

/// |x|. The derivative at 0 is 0.
public func abs<S: FloatingScalar>(_ x: Tensor<S>) -> Tensor<S> { apply(.abs, x) }
/// -1, 0 or 1. Derivative zero.
public func sign<S: FloatingScalar>(_ x: Tensor<S>) -> Tensor<S> { apply(.sign, x) }
/// 1 where x > 0, else 0. Derivative zero.
public func step<S: FloatingScalar>(_ x: Tensor<S>) -> Tensor<S> { apply(.step, x) }
/// The largest integer not above x. Derivative zero.
public func floor<S: FloatingScalar>(_ x: Tensor<S>) -> Tensor<S> { apply(.floor, x) }
/// 1 / x.
public func reciprocal<S: FloatingScalar>(_ x: Tensor<S>) -> Tensor<S> { apply(.reciprocal, x) }
/// x^2.
public func square<S: FloatingScalar>(_ x: Tensor<S>) -> Tensor<S> { apply(.square, x) }
/// The square root, NaN where x < 0. The derivative at 0 is infinite.
public func sqrt<S: FloatingScalar>(_ x: Tensor<S>) -> Tensor<S> { apply(.sqrt, x) }
/// 1 / sqrt(x).
public func rsqrt<S: FloatingScalar>(_ x: Tensor<S>) -> Tensor<S> { apply(.rsqrt, x) }
/// e to the power x.
public func exp<S: FloatingScalar>(_ x: Tensor<S>) -> Tensor<S> { apply(.exp, x) }
/// exp(x) - 1 without cancellation.
public func expm1<S: FloatingScalar>(_ x: Tensor<S>) -> Tensor<S> { apply(.expm1, x) }
/// The natural logarithm.
public func log<S: FloatingScalar>(_ x: Tensor<S>) -> Tensor<S> { apply(.log, x) }
/// log(1 + x) without cancellation.
public func log1p<S: FloatingScalar>(_ x: Tensor<S>) -> Tensor<S> { apply(.log1p, x) }
/// Of x in radians.
public func sin<S: FloatingScalar>(_ x: Tensor<S>) -> Tensor<S> { apply(.sin, x) }
/// Of x in radians.
public func cos<S: FloatingScalar>(_ x: Tensor<S>) -> Tensor<S> { apply(.cos, x) }
/// The arctangent, between -pi/2 and pi/2.
public func atan<S: FloatingScalar>(_ x: Tensor<S>) -> Tensor<S> { apply(.atan, x) }
/// The error function, 2/sqrt(pi) times the integral of exp(-s^2) from 0 to x.
public func erf<S: FloatingScalar>(_ x: Tensor<S>) -> Tensor<S> { apply(.erf, x) }

/// x to the power y. Where the exponent is a plain number 2, 1, 0 or -1, the square, x, 1 or the reciprocal.
public func pow<S: FloatingScalar>(_ x: Tensor<S>, _ y: Tensor<S>) -> Tensor<S> { apply(.pow, x, y) }

/// The larger of both; NaN where either is. The derivative at a tie goes to `a`.
public func maximum<S: FloatingScalar>(_ a: Tensor<S>, _ b: Tensor<S>) -> Tensor<S> { apply(.maximum, a, b) }
/// The smaller of both; NaN where either is. The derivative at a tie goes to `a`.
public func minimum<S: FloatingScalar>(_ a: Tensor<S>, _ b: Tensor<S>) -> Tensor<S> { apply(.minimum, a, b) }

/// a * b + c, rounded once.
public func fma<S: FloatingScalar>(_ a: Tensor<S>, _ b: Tensor<S>, _ c: Tensor<S>) -> Tensor<S> {
  Tensor(Graph.broadcasting(.fma, a.value, b.value, c.value))
}

/// x limited to [lower, upper].
public func clamp<S: FloatingScalar>(_ x: Tensor<S>, _ lower: Tensor<S>, _ upper: Tensor<S>) -> Tensor<S> {
  minimum(maximum(x, lower), upper)
}
