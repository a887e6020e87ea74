// Activation functions. The first four are primitives (the compiler fuses them into matrix products); the rest compose.

/// The hyperbolic tangent, between -1 and 1.
public func tanh<S: FloatingScalar>(_ x: Tensor<S>) -> Tensor<S> { apply(.tanh, x) }
/// 1 / (1 + exp(-x)).
public func sigmoid<S: FloatingScalar>(_ x: Tensor<S>) -> Tensor<S> { apply(.sigmoid, x) }
/// log(1 + exp(x)), without overflow.
public func softplus<S: FloatingScalar>(_ x: Tensor<S>) -> Tensor<S> { apply(.softplus, x) }
/// x where positive, else 0. The derivative at 0 is 0.
public func relu<S: FloatingScalar>(_ x: Tensor<S>) -> Tensor<S> { apply(.relu, x) }

/// x sigmoid(x), also called swish.
public func silu<S: FloatingScalar>(_ x: Tensor<S>) -> Tensor<S> { x * sigmoid(x) }

/// The Gaussian error linear unit, x times the normal distribution function: x/2 (1 + erf(x / sqrt(2)))
/// (Hendrycks and Gimpel 2016, section 2).
public func gelu<S: FloatingScalar>(_ x: Tensor<S>) -> Tensor<S> {
  (0.5 * x) * (1.0 + erf(x * 0.5.squareRoot()))
}

/// The approximation of `gelu` with a hyperbolic tangent, off by at most 5e-4: x/2 (1 + tanh(sqrt(2/pi)
/// (x + 0.044715 x^3))) (Hendrycks and Gimpel 2016, section 2).
public func geluTanh<S: FloatingScalar>(_ x: Tensor<S>) -> Tensor<S> {
  let inner = (x + 0.044715 * (x * square(x))) * 0.797_884_560_802_865_4
  return (0.5 * x) * (1.0 + tanh(inner))
}

/// x where positive, else alpha (exp(x) - 1).
public func elu<S: FloatingScalar>(_ x: Tensor<S>, alpha: Double = 1) -> Tensor<S> {
  // The argument of expm1 is cut at 0 so that the branch that is not taken cannot overflow.
  `where`(step(x), x, alpha * expm1(minimum(x, 0)))
}

/// x where positive, else slope * x.
public func leakyReLU<S: FloatingScalar>(_ x: Tensor<S>, slope: Double = 0.01) -> Tensor<S> {
  `where`(step(x), x, slope * x)
}

/// exp(-x^2), a radial basis function of one input.
public func gaussian<S: FloatingScalar>(_ x: Tensor<S>) -> Tensor<S> { exp(-square(x)) }
