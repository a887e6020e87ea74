import Foundation

/// A Lagrangian L(q, q̇) that does not depend on the time, known or learned.
public protocol Lagrangian<Scalar>: Module {
  associatedtype Scalar: FloatingScalar
  /// - Parameters:
  ///   - q: generalised coordinates, [rows, n].
  ///   - v: their velocities, [rows, n].
  /// - Returns: [rows]; each from its own row alone.
  func callAsFunction(_ q: Tensor<Scalar>, _ v: Tensor<Scalar>) -> Tensor<Scalar>
}

/// How a network is told coordinates.
public enum CoordinateEncoding: Sendable, Hashable, CaseIterable {
  /// As they are.
  case plain
  /// Angles, taken to [0, 2π): the network need not know more than one turn, but where turns meet it may jump.
  case wrappedAngles
  /// Angles, by sine and cosine: smooth and periodic, with two inputs each.
  case circle

  /// Numbers for each coordinate.
  public var width: Int { self == .circle ? 2 : 1 }

  /// [rows, n] -> [rows, n width].
  public func callAsFunction<Scalar: FloatingScalar>(_ q: Tensor<Scalar>) -> Tensor<Scalar> {
    switch self {
    case .plain: q
    case .wrappedAngles: q - floor(q * (1 / (2 * Double.pi))) * (2 * Double.pi)
    case .circle: .concatenated([sin(q), cos(q)], axis: 1)
    }
  }
}

/// A Lagrangian that is a network of coordinates and velocities (Cranmer et al. 2020, "Lagrangian neural networks"): of no
/// form, so that it is not bound to a kinetic energy of squares, as that of a relativistic particle is not.
///
/// With a prior c and a speed s it is
///
///     L(q, q̇) = c/2 |q̇|² + s² net(q, q̇ / s)
///
/// that is, the network sees times in units of 1/s, and all of its parts are of the order of one whatever speeds are. The prior
/// is where learning starts, not a bound on what is learned: the network can take it away.
///
/// Its activation has to be curved twice: with pieces of straight lines (`relu`) there is no mass matrix.
public struct LagrangianNetwork<Scalar: FloatingScalar>: Lagrangian {
  /// How weights and biases start.
  public enum Start: Sendable, Hashable {
    /// What the authors found by search to keep the accelerations' scale (appendix of the paper, and their code): normal
    /// weights with n the larger side of the matrix, of deviation 2.2 / √n in the first layer, 0.58 i / √n in layer i, and
    /// √n in the last; biases zero. For three layers and more, and `softplus`.
    case cranmer
    /// As every other network here.
    case fanIn
    /// As `fanIn`, but the last layer's weights are normal with deviation 0.1 / √n, and its bias is zero: with a kinetic prior
    /// the mass matrix starts near to the prior's, so that no state starts with a singular one.
    case quiet
  }

  /// n (1 + encoding width) -> hidden -> 1.
  public var net: MLP<Scalar>
  /// n.
  public let coordinates: Int
  /// Of coordinates; velocities are only divided by the speed.
  public let encoding: CoordinateEncoding
  /// c: ∂²L/∂q̇² is c times one, and what the network adds.
  public let kineticPrior: Double
  /// s, of the size of the velocities' spread.
  public let speed: Double

  /// - Parameters:
  ///   - coordinates: n.
  ///   - hidden: widths; at least one.
  ///   - kineticPrior: not negative. Accelerations do not change with L's scale, so that 1 is as good as any other; 0: none.
  ///   - speed: positive. 1, with no prior, is the authors' network.
  public init(
    _ coordinates: Int, hidden: [Int], activation: Activation = .softplus,
    encoding: CoordinateEncoding = .plain, kineticPrior: Double = 0, speed: Double = 1,
    start: Start = .cranmer, key: RandomKey = RandomKey(seed: 0)
  ) {
    require(
      coordinates > 0 && !hidden.isEmpty,
      "LagrangianNetwork: needs coordinates and a hidden layer, got \(coordinates) and \(hidden)")
    require(
      ![.identity, .relu, .leakyReLU].contains(activation),
      "LagrangianNetwork: second derivatives of \(activation) are zero, so there is no mass matrix")
    require(
      kineticPrior >= 0 && kineticPrior.isFinite && speed > 0 && speed.isFinite,
      "LagrangianNetwork: needs a prior that is not negative and a positive speed, got \(kineticPrior) and \(speed)"
    )
    self.coordinates = coordinates
    self.encoding = encoding
    self.kineticPrior = kineticPrior
    self.speed = speed
    let sizes = [coordinates * (1 + encoding.width)] + hidden + [1]
    net = MLP(sizes: sizes, activation: activation, key: key)
    if start == .quiet {
      let n = hidden[hidden.count - 1]
      net.layers[hidden.count] = Linear(
        n, 1, weightInitializer: .normal(standardDeviation: 0.1 / Double(n).squareRoot()),
        biasInitializer: .zeros, key: key.split(hidden.count + 1)[hidden.count])
    }
    guard start == .cranmer else { return }
    for (index, key) in key.split(net.layers.count).enumerated() {
      let widest = Double(max(sizes[index], sizes[index + 1]))
      let factor = index == 0 ? 2.2 : index + 1 < net.layers.count ? 0.58 * Double(index) : widest
      net.layers[index] = Linear(
        sizes[index], sizes[index + 1],
        weightInitializer: .normal(standardDeviation: factor / widest.squareRoot()), biasInitializer: .zeros,
        key: key)
    }
  }

  public func callAsFunction(_ q: Tensor<Scalar>, _ v: Tensor<Scalar>) -> Tensor<Scalar> {
    // Units that are one are left out of the program.
    let learned = net(.concatenated([encoding(q), speed == 1 ? v : v * (1 / speed)], axis: 1))
      .reshaped(to: [q.shape[0]])
    let value = speed == 1 ? learned : learned * (speed * speed)
    return kineticPrior == 0 ? value : value + square(v).sum(axes: 1) * (kineticPrior / 2)
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) { visit("net", &net) }
}
