import Foundation
import NODECore
import Testing

@Suite struct HamiltonianTests {
  private let rows = Tensor<Double>.normal(shape: [5, 4], key: RandomKey(seed: 11))

  private func expectClose(_ a: Tensor<Double>, _ b: Tensor<Double>, _ tolerance: Double = 1e-12) {
    #expect(a.shape == b.shape)
    for (x, y) in zip(a.scalars, b.scalars) {
      #expect(abs(x - y) <= tolerance * Swift.max(1, abs(y)), "\(x) \(y)")
    }
  }

  /// The pendulum's equations are the field of its energy, by hand.
  @Test func theFieldOfAKnownEnergyIsHamiltons() {
    let pendulum = KnownEnergy<Double> { x in
      (1 - cos(x.sliced(0..<2, axis: 1))).sum(axes: 1) + square(x.sliced(2..<4, axis: 1)).sum(axes: 1) * 0.5
    }
    let q = rows.sliced(0..<2, axis: 1), p = rows.sliced(2..<4, axis: 1)
    expectClose(HamiltonianField(pendulum)(rows), .concatenated([p, -sin(q)], axis: 1))
  }

  /// The Hamiltonian vector field of any network keeps its energy and volume: J ∇H is orthogonal to ∇H and has no divergence.
  @Test func anyNetworksFieldKeepsEnergyAndVolume() {
    let field = HamiltonianField(NetworkEnergy<Double>(4, hidden: [16, 16], key: RandomKey(seed: 1)))
    let slope = field.energy.gradient(rows)
    expectClose((slope * field(rows)).sum(axes: 1), .zeros([5]))
    for row in 0..<5 {
      let jacobian = jacobian(at: rows[row..<row + 1]) { field($0) }.reshaped(to: [4, 4]).scalars
      #expect(abs((0..<4).reduce(0) { $0 + jacobian[5 * $1] }) < 1e-12)
    }
  }

  /// The network of Greydanus et al.: 2-200-200-1 without a last bias.
  @Test func theNetworkHasTheAuthorsParameters() {
    let energy = NetworkEnergy<Float>(2)
    #expect(energy.parameterCount == 2 * 200 + 200 + 200 * 200 + 200 + 200)
    // Orthonormal columns: the last one has unit length.
    let last: [Float] = energy.net.layers[2].weight.scalars
    #expect(abs(last.reduce(0) { $0 + $1 * $1 } - 1) < 1e-5)
  }

  @Test func aWholeTurnDoesNotChangeAPotentialOfAngles() {
    let field = HamiltonianField(
      SeparableHamiltonian(
        kinetic: QuadraticEnergy<Double>(2),
        potential: PeriodicPotential(NetworkEnergy(4, hidden: [8], key: RandomKey(seed: 15)))))
    let x = Tensor<Double>.normal(shape: [5, 4], key: RandomKey(seed: 16))
    expectClose(field(0, x + Tensor([2 * .pi, -4 * .pi, 0, 0])), field(0, x))
  }

  @Test func aPositiveMatrixIsItsFactorTimesItsTranspose() {
    let x = rows.sliced(0..<3, axis: 1)
    let v = Tensor<Double>.normal(shape: [5, 3], key: RandomKey(seed: 12))
    var constant = PositiveMatrix<Double>(constant: 3, diagonal: 0.5)
    expectClose(constant.product(x, v), v * 0.25)
    constant.entries = .constant(.normal(shape: [6], key: RandomKey(seed: 13)))
    let network = PositiveMatrix<Double>(3, inputs: 3, hidden: [7], key: RandomKey(seed: 14))
    for matrix in [constant, network] {
      let factor = matrix.factor(x).broadcast(to: [5, 3, 3])
      // Lower triangular with a positive diagonal.
      for row in 0..<5 {
        let l = factor[row].scalars
        for i in 0..<3 {
          #expect(l[4 * i] > 0)
          for j in i + 1..<3 { #expect(l[3 * i + j] == 0) }
        }
      }
      let full = matmul(factor, factor.permuted(to: 0, 2, 1))
      expectClose(matrix.product(x, v), matmul(full, v.reshaped(to: [5, 3, 1])).reshaped(to: [5, 3]))
      expectClose(matrix.matrix(x).broadcast(to: [5, 3, 3]), full)
      expectClose(matrix.quadraticForm(x, v), (v * matrix.product(x, v)).sum(axes: 1))
    }
  }

  /// ½ pᵀ M⁻¹(q) p + V(q) of a mechanism whose mass matrix is given by numbers.
  @Test func theMechanicalHamiltonianIsItsFormula() {
    let inverse = PositiveMatrix<Double>(2, inputs: 2, hidden: [6], key: RandomKey(seed: 3))
    let potential = NetworkEnergy<Double>(2, hidden: [6], key: RandomKey(seed: 4))
    let q = rows.sliced(0..<2, axis: 1), p = rows.sliced(2..<4, axis: 1)
    let energy = MechanicalHamiltonian(inverseMass: inverse, potential: potential)
    expectClose(energy(rows), (p * inverse.product(q, p)).sum(axes: 1) * 0.5 + potential(q))
    // The velocity is the inverse mass times the momentum.
    expectClose(HamiltonianField(energy)(rows).sliced(0..<2, axis: 1), inverse.product(q, p))
  }

  /// H' = yᵀ u - ∇Hᵀ R ∇H for any parameters.
  @Test(arguments: ["none", "rayleigh", "full"]) func powerIsBalanced(_ loss: String) {
    let energy = NetworkEnergy<Double>(4, hidden: [8], key: RandomKey(seed: 5))
    var field = PortHamiltonianField(
      energy, input: InputMatrix(momenta: 2, inputs: 3, hidden: [5], key: RandomKey(seed: 6)))
    switch loss {
    case "rayleigh": field.dissipation = .rayleigh(PositiveMatrix(2, inputs: 2, hidden: [5]))
    case "full": field.dissipation = .full(PositiveMatrix(4, inputs: 4, hidden: [5]))
    default: break
    }
    let u = Tensor<Double>.normal(shape: [5, 3], key: RandomKey(seed: 7))
    let driven = field.driven { _, _ in u }
    let rate = (energy.gradient(rows) * driven(0, rows)).sum(axes: 1)
    expectClose(rate, (driven.output(rows) * u).sum(axes: 1) - driven.dissipatedPower(rows))
    #expect(loss == "none" || field.dissipatedPower(rows).scalars.allSatisfy { $0 > 0 })
    // A matrix that is constant, and one input for all rows.
    var constant = field
    constant.input = InputMatrix(constant: Tensor([[1.0, 0, 2], [0, -1, 0.5]]))
    let one = constant.driven { t, _ in Tensor<Double>([1, 2, 3]) * t }
    expectClose(
      one(2, rows) - constant(2, rows), Tensor<Double>([0, 0, 14, -1]).broadcast(to: [5, 4]))
  }

  /// A damped oscillator against its closed form.
  @Test func rayleighsFrictionIsADampedOscillator() throws {
    let energy = KnownEnergy<Double> { square($0).sum(axes: 1) * 0.5 }
    let field = PortHamiltonianField(
      energy, dissipation: .rayleigh(PositiveMatrix(constant: 1, diagonal: 0.4.squareRoot())))
    let end = try odeint(from: Tensor([[1.0, 0]]), at: [0, 3], rtol: 1e-10, atol: 1e-10) { field($0, $1) }
      .final.scalars
    let w = 0.96.squareRoot()  // q'' + 0.4 q' + q = 0
    let q = exp(-0.6) * (cos(3 * w) + 0.2 / w * sin(3 * w))
    let p = -exp(-0.6) * sin(3 * w) / w
    #expect(abs(end[0] - q) < 1e-8 && abs(end[1] - p) < 1e-8)
  }
}
