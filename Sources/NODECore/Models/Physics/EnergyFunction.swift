import Foundation

/// A number for every state: rows [rows, columns] -> [rows]. A row's energy depends on that row alone, so that the sum over rows
/// has each row's own gradient, and rows stay lanes of a solve.
///
/// Hamiltonians and potentials are energies; so is whatever else a vector field is made of by differentiation.
public protocol EnergyFunction<Scalar>: Layer {}

extension EnergyFunction {
  /// dE/dx for rows x [rows, columns], of x's shape.
  public func gradient(_ x: Tensor<Scalar>) -> Tensor<Scalar> {
    requireRows("\(Self.self)", x)
    return NODECore.gradient(at: x) { energies($0).sum() }
  }

  /// The energies of rows, each its own: a sum over rows would look like one, and broadcast among others.
  func energies(_ x: Tensor<Scalar>) -> Tensor<Scalar> {
    let energies = self(x)
    require(
      energies.shape == [x.shape[0]],
      "\(Self.self): an energy has shape [\(x.shape[0])] for a state \(x.shape), got \(energies.shape)")
    return energies
  }
}

/// An energy given as a closure: a law that is known, with no parameters of its own.
///
/// ```swift
/// let pendulum = KnownEnergy<Double> { x in 1 - cos(x.sliced(0..<1, axis: 1)) + 0.5 * square(x.sliced(1..<2, axis: 1)) }
/// ```
/// The closure may return [rows] or [rows, 1].
public struct KnownEnergy<Scalar: FloatingScalar>: EnergyFunction {
  /// [rows, columns] -> [rows] or [rows, 1].
  public let function: @Sendable (Tensor<Scalar>) -> Tensor<Scalar>

  /// - Parameter function: [rows, columns] -> [rows] or [rows, 1], each row's of that row alone.
  public init(_ function: @escaping @Sendable (_ x: Tensor<Scalar>) -> Tensor<Scalar>) {
    self.function = function
  }

  public func callAsFunction(_ x: Tensor<Scalar>) -> Tensor<Scalar> {
    requireRows("KnownEnergy", x)
    let energies = function(x)
    return energies.rank == 2 && energies.shape[1] == 1 ? energies.reshaped(to: [x.shape[0]]) : energies
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) {}
}

/// An energy that is a network with one output and no bias at the end, where it would have no gradient.
///
/// With `.orthogonal()` weights it starts as the networks of Greydanus et al. 2019 do; theirs have a second output that their
/// experiments leave unused.
public struct NetworkEnergy<Scalar: FloatingScalar>: EnergyFunction {
  /// [rows, inputs] -> [rows, 1]; its last layer has no bias.
  public var net: MLP<Scalar>

  /// - Parameters:
  ///   - inputs: columns of a state; 2n for a Hamiltonian of n degrees of freedom.
  ///   - hidden: widths; at least one.
  ///   - activation: smooth, for the field is a derivative.
  public init(
    _ inputs: Int, hidden: [Int] = [200, 200], activation: Activation = .tanh,
    weightInitializer: Initializer = .orthogonal(), key: RandomKey = RandomKey(seed: 0)
  ) {
    require(!hidden.isEmpty, "NetworkEnergy: needs a hidden layer")
    net = MLP(
      sizes: [inputs] + hidden + [1], activation: activation, weightInitializer: weightInitializer, key: key)
    net.layers[net.layers.count - 1].bias = nil
  }

  public func callAsFunction(_ x: Tensor<Scalar>) -> Tensor<Scalar> {
    requireRows("NetworkEnergy", x)
    return net(x).reshaped(to: [x.shape[0]])
  }

  public mutating func visitParameters(_ visit: inout ParameterVisitor) { visit("net", &net) }
}

/// States are rows: [rows, columns].
func requireRows<Scalar>(_ name: String, _ x: Tensor<Scalar>) {
  require(x.rank == 2, "\(name): a state is rows [rows, columns], got shape \(x.shape)")
}

/// A field has the state's shape.
func requireField<Scalar>(_ name: String, _ field: Tensor<Scalar>, _ y: Tensor<Scalar>) -> Tensor<Scalar> {
  require(field.shape == y.shape, "\(name): the field has shape \(field.shape) for a state \(y.shape)")
  return field
}

/// Gradients of a middling size: what is projected onto one does not depend on its length, whose square may leave the numbers of
/// the type in whatever unit a quantity is given.
struct Directions<Scalar: FloatingScalar> {
  /// [..., columns]; zeros where the gradient is zero.
  let unit: Tensor<Scalar>
  /// [..., 1], a power of two, so that nothing depends on it; 1 for sizes that are usual.
  let scale: Tensor<Scalar>
  /// |unit|², [..., 1]; 1 where the gradient is zero.
  let square: Tensor<Scalar>

  /// - Parameter gradients: [..., columns], with a column.
  init(_ gradients: Tensor<Scalar>) {
    let axis = gradients.rank - 1
    let largest = abs(stopGradient(gradients)).max(axes: [axis], keepingDimensions: true)
    let step: Double = Scalar.dtype == .float32 ? 24 : 192
    func power(_ steps: Double) -> Tensor<Scalar> { Tensor(Scalar(exp2(steps * step))) }
    let small = `where`(largest .< power(-3), power(-4), power(-2))
    let large = `where`(largest .> power(3), power(4), power(2))
    scale = `where`(largest .< power(-1), small, `where`(largest .> power(1), large, 1))
    unit = gradients / scale
    square = NODECore.square(unit).sum(axes: [axis], keepingDimensions: true) + `where`(largest .== 0, 1, 0)
  }
}
