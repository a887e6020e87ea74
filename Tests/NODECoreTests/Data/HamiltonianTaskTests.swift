import Foundation
import NODECore
import Testing

@Suite struct HamiltonianTaskTests {
  /// Extents of the sets, that derivatives are those of clean states, and that energy is kept along every motion.
  @Test(arguments: HamiltonianTask.all) func dataAreMotionsOfTheLaw(task: HamiltonianTask) throws {
    let times = (0..<task.points).map { task.duration * Double($0) / Double(task.points - 1) }
    let starts = task.testStarts(6, key: RandomKey(seed: 1))
    let motion = try task.motion(from: starts, at: times)
    let energies = task.energy(motion.reshaped(to: [task.points * 6, starts.shape[1]])).scalars
    for (index, energy) in energies.enumerated() { #expect(abs(energy - energies[index % 6]) < 1e-6) }
    // Derivatives by differences of the motion.
    let h = 1e-4
    let near = try task.motion(from: starts, at: [0, h, 2 * h])
    let difference = (near[2] - starts) * (0.5 / h), slope = task.field(near[1])
    for (a, b) in zip(difference.scalars, slope.scalars) { #expect(abs(a - b) < 1e-5 * max(1, abs(b))) }
  }

  @Test func theSpringsDataAreTheAuthors() throws {
    let data: DerivativeDataset<Double> = try HamiltonianTask.spring.dataset(key: RandomKey(seed: 3))
    #expect(data.train.x.shape == [750, 2] && data.test.dx.shape == [750, 2])
    // dx = (2p, -2q) at the clean state: what is left of half of it is the noise.
    let dx = data.train.dx
    let clean = Tensor<Double>.concatenated(
      [dx.sliced(1..<2, axis: 1) * -0.5, dx.sliced(0..<1, axis: 1) * 0.5], axis: 1)
    let noise = (data.train.x - clean).scalars
    let deviation = (noise.reduce(0) { $0 + $1 * $1 } / Double(noise.count)).squareRoot()
    #expect(abs(deviation - 0.1) < 0.01)
    // One radius a motion, between 0.1 and 1.
    let radii = square(clean).sum(axes: 1).scalars.map { $0.squareRoot() }
    for motion in 0..<25 {
      let own = radii[30 * motion..<30 * (motion + 1)]
      #expect(own.max()! - own.min()! < 1e-6 && own.min()! > 0.1 && own.max()! < 1)
    }
  }

  /// Circular orbits but for the noise: the centre of mass rests, and the radius is nearly kept.
  @Test func bodiesStartNearCircles() {
    for (task, bodies) in [(HamiltonianTask.twoBodies, 2), (.threeBodies, 3)] {
      let starts = task.testStarts(20, key: RandomKey(seed: 4))
      let field = task.field(starts)
      for row in 0..<20 {
        let x = starts[row].scalars, dx = field[row].scalars
        for axis in 0..<2 {
          let centre = (0..<bodies).reduce(0) { $0 + x[bodies * axis + $1] }
          #expect(abs(centre) < 1e-12)
        }
        let radius = (x[0] * x[0] + x[bodies] * x[bodies]).squareRoot()
        let speed = x[2 * bodies] * x[2 * bodies] + x[3 * bodies] * x[3 * bodies]
        let pull = -(x[0] * dx[2 * bodies] + x[bodies] * dx[3 * bodies]) / radius
        // v² / r is the pull on a circle: factors of the speed are within 5 deviations of 0.05, or 0.2.
        let factor = (speed / radius / pull).squareRoot()
        #expect(abs(factor - 1) < (bodies == 2 ? 0.25 : 0.21))
      }
    }
  }

  @Test func drawnRowsBelongTogether() {
    let x = Tensor<Float>((0..<40).map { Float($0) }, shape: [20, 2])
    let drawn = DerivativeSamples(x: x, dx: x * 3.0).drawn(500, key: RandomKey(seed: 5))
    #expect(drawn.x.shape == [500, 2])
    #expect(drawn.dx.scalars == drawn.x.scalars.map { $0 * 3 })
    let firsts = Set(drawn.x.scalars.enumerated().filter { $0.offset % 2 == 0 }.map { Int($0.element) / 2 })
    #expect(firsts == Set(0..<20))
  }

  @Test func theRealPendulumsFileIsRead() throws {
    var lines = ["%o v"]
    for row in 0..<12 { lines.append("  0.0e+000  \(Double(row) / 2)  \(row * row)  \(-row) ") }
    let pendulum = try RealPendulum(text: lines.joined(separator: "\r\n") + "\r\n")
    #expect(pendulum.times.count == 12 && pendulum.states[3] == [9, -3])
    let data = pendulum.dataset(Double.self)
    // 11 differences: 8 to learn from, 2 to test on.
    #expect(data.train.x.shape == [8, 2] && data.test.x.shape == [2, 2] && pendulum.testRange == 8..<10)
    #expect(data.train.dx[3].scalars == [14, -2])
    for (found, known) in zip(RealPendulum.energy(Tensor([[0, 2], [Double.pi, 0]])).scalars, [4, 4.8]) {
      #expect(abs(found - known) < 1e-12)
    }
    for damage in ["0 1 2", "0 x 1 2", "0 0 1 2", "0 9 nan 2"] {
      #expect(throws: FileError.self) { try RealPendulum(text: (lines + [damage]).joined(separator: "\n")) }
    }
    #expect(throws: FileError.self) { try RealPendulum(text: "%o v\n0 1 2 3\n") }
  }

  /// A Hamiltonian network learns the spring's derivatives, and from states through a symplectic solve.
  @Test func aNetworkLearnsFromDerivativesAndThroughTheSolve() throws {
    let task = HamiltonianTask.spring
    let data: DerivativeDataset<Double> = try task.dataset(key: RandomKey(seed: 6))
    let free = HamiltonianField(NetworkEnergy<Double>(2, hidden: [16], key: RandomKey(seed: 7)))
    var onSlopes = Trainer(free, optimizer: .adam(learningRate: 1e-2)) {
      (field: HamiltonianField<NetworkEnergy<Double>>, batch: DerivativeSamples<Double>) in
      meanSquaredError(field(batch.x), batch.dx)
    }
    for _ in 0..<200 { try onSlopes.step(data.train) }
    // The floor is the noise: a variance of 0.01 in dx / 2 of a field that is the identity, times 4.
    #expect(try onSlopes.evaluate(data.test).loss < 0.06)

    typealias Separable = HamiltonianField<
      SeparableHamiltonian<QuadraticEnergy<Double>, QuadraticEnergy<Double>>
    >
    let springs = Separable(
      SeparableHamiltonian(kinetic: QuadraticEnergy(1), potential: QuadraticEnergy(1, diagonal: 0.5)))
    let times = [0, 0.2, 0.4, 0.6]
    let motion = try task.motion(from: task.testStarts(8, key: RandomKey(seed: 8)), at: times)
    var throughSolve = Trainer(springs, optimizer: .adam(learningRate: 3e-2)) {
      (field: Separable, motion: Tensor<Double>) in
      square(
        field.symplecticPath(from: motion[0], at: times, method: .omelyan4, stepsPerInterval: 2) - motion
      )
      .mean()
    }
    for _ in 0..<300 { try throughSolve.step(motion) }
    // H = q² + p²: both matrices are 2.
    let x = Tensor<Double>([[1]])
    let learned = throughSolve.model.energy
    #expect(abs(learned.kinetic(x).scalar - 1) < 0.02 && abs(learned.potential(x).scalar - 1) < 0.02)
  }
}
