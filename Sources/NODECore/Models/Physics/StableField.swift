/// A function with its least value at zero and nowhere else: V(x) = s(g(x) - g(0)) + c |x|², g an input-convex network
/// (Amos, Xu, Kolter 2017) and s a smooth rectifier, zero at and below zero (Manek, Kolter 2019, "Learning Stable Deep
/// Dynamics Models", section 3.2).
public struct LyapunovFunction<Scalar: FloatingScalar>: EnergyFunction {
  /// Of the state into every layer; the first layer has no other.
  public var inputs: [Linear<Scalar>]
  /// Of a layer into the next; their weights count by their softplus, which keeps g convex.
  public var hidden: [Tensor<Scalar>]
  /// c, positive.
  public let quadratic: Double
  /// d: the rectifier is z² / 2d up to d, and z - d / 2 from there. Positive.
  public let smoothing: Double

  /// - Parameters:
  ///   - dimensions: columns of a state.
  ///   - hidden: widths of the convex network; at least one.
  ///   - quadratic: c, finite and positive: how round level sets are before g has learned theirs.
  ///   - smoothing: d, finite and positive.
  public init(
    _ dimensions: Int, hidden: [Int], quadratic: Double = 1e-3, smoothing: Double = 0.1,
    key: RandomKey = RandomKey(seed: 0)
  ) {
    require(!hidden.isEmpty, "LyapunovFunction: needs a hidden layer")
    requireSetting("LyapunovFunction", "quadratic", quadratic, .positive)
    requireSetting("LyapunovFunction", "smoothing", smoothing, .positive)
    let sizes = hidden + [1]
    let keys = key.split(2 * sizes.count)
    inputs = sizes.indices.map {
      Linear(dimensions, sizes[$0], bias: $0 + 1 < sizes.count, key: keys[2 * $0])
    }
    self.hidden = sizes.indices.dropFirst().map {
      Initializer.fanIn(
        [sizes[$0 - 1], sizes[$0]], fanIn: sizes[$0 - 1], fanOut: sizes[$0], key: keys[2 * $0 + 1])
    }
    self.quadratic = quadratic
    self.smoothing = smoothing
  }

  /// g: [rows, columns] -> [rows, 1], convex.
  private func convex(_ x: Tensor<Scalar>) -> Tensor<Scalar> {
    var z = softplus(inputs[0](x))
    for (index, weight) in hidden.enumerated() {
      // Divided by the width, or a sum of many positive weights would grow with it.
      let sum = matmul(z, softplus(weight)) * (1 / Double(weight.shape[0])) + inputs[index + 1](x)
      z = index + 1 < hidden.count ? softplus(sum) : sum
    }
    return z
  }

  public func callAsFunction(_ x: Tensor<Scalar>) -> Tensor<Scalar> {
    requireRows("LyapunovFunction", x)
    let rise = convex(x) - convex(.zeros([1, x.shape[1]]))
    // z² / 2d up to d and z - d / 2 from there, without a selection: with c = min(max(z, 0), d) both are c z⁺ / d - c² / 2d.
    let above = relu(rise)
    let capped = minimum(above, Tensor(Scalar(smoothing)))
    let smooth = (capped * above - square(capped) * 0.5) * (1 / smoothing)
    return smooth.reshaped(to: [x.shape[0]]) + square(x).sum(axes: 1) * quadratic
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {
    visit("inputs", &inputs)
    visit("hidden", &hidden)
  }
}

/// Any field made to approach zero from everywhere: its component up the gradient of a Lyapunov function is taken off as far as
/// it breaks ∇V · f <= -a V (Manek, Kolter 2019, equation 7),
///
///     f(x) = f̂(x) - ∇V relu(∇V · f̂ + a V) / |∇V|²,     f̂(x) = base(t, x) - base(t, 0)
///
/// The paper takes f̂ as it comes; where f̂(0) is not zero, zero is no equilibrium then and f jumps there. So V falls at least like exp(-a t) along solutions, trained or not. The field is continuous; its derivative jumps where the
/// projection begins. Where V or its gradient leaves the numbers of the type, the rate is not kept.
public struct StableField<Base: VectorField, Lyapunov: EnergyFunction>: VectorField
where Base.Scalar == Lyapunov.Scalar {
  public typealias Scalar = Base.Scalar

  /// Called for the states and for zeros.
  public var base: Base
  /// V: zero at zero and positive elsewhere, as a ``LyapunovFunction`` is by form.
  public var lyapunov: Lyapunov
  /// a, positive: the rate at which V falls.
  public let rate: Double

  /// - Parameters:
  ///   - base: of states [rows, columns].
  ///   - lyapunov: V; zero at zero and positive elsewhere.
  ///   - rate: a, finite and positive.
  public init(_ base: Base, lyapunov: Lyapunov, rate: Double = 1e-3) {
    requireSetting("StableField", "the rate", rate, .positive)
    self.base = base
    self.lyapunov = lyapunov
    self.rate = rate
  }

  public func callAsFunction(_ t: Tensor<Scalar>, _ y: Tensor<Scalar>) throws -> Tensor<Scalar> {
    requireRows("StableField", y)
    let rows = y.shape[0]
    let field = try requireField("StableField", base(t, y), y) - base(t, .zeros(y.shape))
    // At rest, where ∇V = 0, nothing is taken off.
    let slope = Directions(lyapunov.gradient(y))
    let climb = (slope.unit * field).sum(axes: [1], keepingDimensions: true)
    let excess = relu(climb + lyapunov.energies(y).reshaped(to: [rows, 1]) / slope.scale * rate)
    return field - slope.unit * (excess / slope.square)
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {
    visit("base", &base)
    visit("lyapunov", &lyapunov)
  }
}
