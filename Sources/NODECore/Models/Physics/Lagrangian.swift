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
  }

  /// n (1 + encoding width) -> hidden -> 1.
  public var net: MLP<Scalar>
  public let coordinates: Int
  public let encoding: CoordinateEncoding

  /// - Parameters:
  ///   - coordinates: n.
  ///   - hidden: widths; at least one.
  public init(
    _ coordinates: Int, hidden: [Int], activation: Activation = .softplus,
    encoding: CoordinateEncoding = .plain,
    start: Start = .cranmer, key: RandomKey = RandomKey(seed: 0)
  ) {
    require(
      coordinates > 0 && !hidden.isEmpty,
      "LagrangianNetwork: needs coordinates and a hidden layer, got \(coordinates) and \(hidden)")
    require(
      ![.identity, .relu, .leakyReLU].contains(activation),
      "LagrangianNetwork: second derivatives of \(activation) are zero, so there is no mass matrix")
    self.coordinates = coordinates
    self.encoding = encoding
    let sizes = [coordinates * (1 + encoding.width)] + hidden + [1]
    net = MLP(sizes: sizes, activation: activation, key: key)
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
    net(.concatenated([encoding(q), v], axis: 1)).reshaped(to: [q.shape[0]])
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) { visit("net", &net) }
}
