// Elementwise operations: one local partial derivative per operand. Both modes follow from it, since the Jacobian of an
// elementwise operation is diagonal.

/// d result / d operand of an elementwise operation.
enum Partial {
  case zero, one, minusOne
  /// A factor.
  case times(Value)
  /// The reciprocal of a divisor: dividing is one rounding less.
  case over(Value)
  /// 1 where the mask is not zero, else 0. Selected instead of multiplied, so that a branch that is not taken sends no NaN.
  case only(Value)
  /// 1 where the mask is zero.
  case except(Value)

  /// The product of a tangent or cotangent with the partial derivative; nil: identically zero.
  func callAsFunction(_ tangent: Value) -> Value? {
    switch self {
    case .zero: nil
    case .one: tangent
    case .minusOne: -tangent
    case .times(let factor): tangent * factor
    case .over(let divisor): tangent / divisor
    case .only(let mask): .select(mask, tangent, tangent.splat(0))
    case .except(let mask): .select(mask, tangent.splat(0), tangent)
    }
  }
}

extension Elementwise {
  /// The partial derivative with respect to operand `index`, in terms of operands x and the result y. Written with y where
  /// that is possible: the forward value is at hand in a backward pass.
  func partial(_ index: Int, _ x: [Value], _ y: Value) -> Partial {
    switch self {
    case .neg: return .minusOne
    case .abs: return .times(x[0].map(.sign))
    case .sign, .step, .floor, .greater, .greaterOrEqual, .equal: return .zero
    case .reciprocal: return .times(-y.map(.square))
    case .square: return .times(x[0] * 2)
    case .sqrt: return .over(y * 2)
    case .rsqrt: return .times(y * y.map(.square) * -0.5)
    case .exp: return .times(y)
    case .expm1: return .times(y + 1)
    case .log: return .over(x[0])
    case .log1p: return .over(x[0] + 1)
    case .tanh: return .times(y.map(.dtanh))
    case .sigmoid: return .times(y.map(.dsigmoid))
    case .softplus: return .times(x[0].map(.sigmoid))
    case .sin: return .times(x[0].map(.cos))
    case .cos: return .times(-x[0].map(.sin))
    case .atan: return .over(x[0].map(.square) + 1)
    case .erf: return .times((-x[0].map(.square)).map(.exp) * 1.128_379_167_095_512_6)  // 2 / sqrt(pi)
    case .relu: return .only(x[0].map(.step))
    case .dtanh: return .times(x[0] * -2)
    case .dsigmoid: return .times(1 - x[0] * 2)
    case .add: return .one
    case .subtract: return index == 0 ? .one : .minusOne
    case .multiply: return .times(x[1 - index])
    case .divide: return index == 0 ? .over(x[1]) : .times(-(y / x[1]))
    case .pow: return index == 0 ? .times(basePartial(x[0], x[1])) : .times(exponentPartial(x[0], y))
    case .minimum, .maximum:
      // The first operand where the two are equal. A NaN is the result wherever it stands, but compares as false: its
      // derivative goes to the second operand, unless that is known to be a number.
      let isMaximum = self == .maximum
      let larger = isMaximum ? x[0] : x[1], smaller = isMaximum ? x[1] : x[0]
      if let number = x[1].splatValue, !number.isNaN {
        let second = Value.elementwise(.greater, smaller, larger)
        return index == 0 ? .except(second) : .only(second)
      }
      let first = Value.elementwise(.greaterOrEqual, larger, smaller)
      return index == 0 ? .only(first) : .except(first)
    case .select:
      return index == 0 ? .zero : index == 1 ? .only(x[0]) : .except(x[0])
    case .fma:
      return index == 2 ? .one : .times(x[1 - index])
    }
  }

  /// b x^(b - 1), and 0 where b is 0 even at x = 0, where the power alone is infinite.
  private func basePartial(_ x: Value, _ b: Value) -> Value {
    if b.splatValue != nil { return .elementwise(.pow, x, b - 1) * b }
    let isZero = Value.elementwise(.equal, b, b.splat(0))
    return b * .elementwise(.pow, x, .select(isZero, b.splat(1), b - 1))
  }

  /// x^b log(x), and 0 at x = 0, where the limit from above is 0 for positive b.
  private func exponentPartial(_ x: Value, _ y: Value) -> Value {
    let isZero = Value.elementwise(.equal, x, x.splat(0))
    return y * Value.select(isZero, x.splat(1), x).map(.log)
  }
}
