import AllocationCounter
import Foundation
import Testing

@testable import NODECore

private struct Points: Module {
  var x: Tensor<Float>
  var y: Tensor<Float>

  mutating func visitParameters(_ visit: inout ParameterVisitor) {
    visit("x", &x)
    visit("y", &y)
  }

  /// y = sin(3 x0) x1 at random points.
  static func sample(_ count: Int, seed: UInt64) -> Points {
    var stream = RandomStream(key: RandomKey(seed: seed))
    let x: [Float] = (0..<2 * count).map { _ in Float(stream.nextUniform(-1, 1)) }
    let y: [Float] = (0..<count).map { i in Foundation.sin(3 * x[2 * i]) * x[2 * i + 1] }
    return Points(x: Tensor(x, shape: [count, 2]), y: Tensor(y, shape: [count, 1]))
  }
}

private typealias Net = MLP<Float>

private func makeTrainer(
  _ optimizer: some Optimizer = Adam(learningRate: .cosine(0.01, steps: 400)), hidden: Int = 16
) -> Trainer<Net, Points, Float> {
  Trainer(
    Net(2, hidden, hidden, 1, activation: .tanh, key: RandomKey(seed: 3)), optimizer: optimizer,
    maximumGradientNorm: 5, key: RandomKey(seed: 21)
  ) { model, batch, key in
    // Noise on the inputs: the step's key has to matter for the tests of resuming.
    let noise = Tensor<Float>.normal(shape: batch.x.shape, standardDeviation: 0.001, key: key)
    let loss = meanSquaredError(model(batch.x + noise), batch.y)
    return Objective(loss: loss, metrics: ["rmse": sqrt(loss)])
  }
}

@Suite(.smallBlocks) struct TrainerTests {
  @Test func convergesOnASmallRegression() throws {
    var trainer = makeTrainer()
    let held = Points.sample(256, seed: 1000)
    let before = try trainer.evaluate(held).loss
    for i in 0..<400 { try trainer.step(Points.sample(64, seed: UInt64(i))) }
    let after = try trainer.evaluate(held)
    #expect(after.loss < 0.02 && after.loss < before / 5, "from \(before) to \(after.loss)")
    #expect(abs(after["rmse"]! - after.loss.squareRoot()) < 1e-6)
    #expect(trainer.stepCount == 400)
    #expect(trainer.report!.gradientNorm! > 0)
    // The model that is handed out computes what the trainer evaluates, up to the noise.
    let loss = meanSquaredError(trainer.model(held.x), held.y).scalar
    #expect(abs(Double(loss) - after.loss) < 1e-3)
  }

  /// One step is value and gradient of the loss, and the optimizer's update.
  @Test func stepIsTheUpdateOfTheGradient() throws {
    let model = Net(2, 5, 1, activation: .tanh, key: RandomKey(seed: 3))
    let batch = Points.sample(7, seed: 5)
    var trainer = Trainer(model, optimizer: .sgd(learningRate: 0.5)) { (model: Net, batch: Points) in
      meanSquaredError(model(batch.x), batch.y)
    }
    let loss = try trainer.step(batch)
    let (value, gradient) = valueAndGradient(of: model) { meanSquaredError($0(batch.x), batch.y) }
    #expect(abs(loss - Double(value.scalar)) < 1e-6)
    let expected = (model.parameterVector() - gradient.parameterVector() * 0.5).scalars
    for (a, b) in zip(trainer.model.parameterVector().scalars, expected) { #expect(abs(a - b) < 1e-6) }
    let norm = Double(sqrt(square(gradient.parameterVector()).sum()).scalar)
    #expect(abs(trainer.report!.gradientNorm! - norm) < 1e-5)
  }

  @Test func modelsThatDoNotFitAreRefused() async throws {
    let wider = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      var trainer = makeTrainer()
      trainer.model = Net(2, 17, 16, 1, activation: .tanh, key: RandomKey(seed: 3))
    }
    let shapes = String(decoding: try #require(wider).standardErrorContent, as: UTF8.self)
    #expect(
      shapes.contains(
        "Trainer.model: parameter 0 is layers.0.weight, float32[2, 17], where layers.0.weight, float32[2, 16]"
      ))
    let shorter = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      var trainer = Trainer(
        Net(2, 1, 1, activation: .tanh, key: RandomKey(seed: 3)), optimizer: .sgd(learningRate: 1)
      ) {
        (model: Net, batch: Points) in meanSquaredError(model(batch.x), batch.y)
      }
      trainer.model = Net(2, 1, activation: .tanh, key: RandomKey(seed: 3))
    }
    let counts = String(decoding: try #require(shorter).standardErrorContent, as: UTF8.self)
    #expect(counts.contains("2 parameters where 4 are expected: layers.1.weight, float32[1, 1], is missing"))
  }

  @Test func batchesOfOtherShapesGetTheirOwnProgram() throws {
    var trainer = makeTrainer()
    for count in [8, 3, 8, 1] {
      let loss = try trainer.step(Points.sample(count, seed: 1))
      #expect(loss.isFinite)
    }
    #expect(trainer.stepCount == 4)
  }

  @Test func copiesGoTheirOwnWay() throws {
    var one = makeTrainer()
    try one.step(Points.sample(8, seed: 1))
    var other = one
    let start = one.model.parameterVector().scalars
    try other.step(Points.sample(8, seed: 2))
    #expect(one.model.parameterVector().scalars == start && other.model.parameterVector().scalars != start)
    try one.step(Points.sample(8, seed: 2))
    #expect(one.model.parameterVector().scalars == other.model.parameterVector().scalars)
  }

  /// A profile of a copy runs in memory of its own.
  @Test func profilesOfCopiesLeaveTheOriginalAlone() throws {
    var one = makeTrainer()
    try one.step(Points.sample(8, seed: 1))
    let loss = one.report!.loss
    var other = one
    _ = try other.profile(Points.sample(8, seed: 2), runs: 1)
    #expect(one.report!.loss == loss && other.report!.loss != loss)
  }

  @Test func bitsDoNotDependOnThreads() throws {
    let runs = try [1, 2, 3].map { threads in
      try withThreads(threads) {
        var trainer = makeTrainer(hidden: 48)
        let losses = try (0..<5).map { try trainer.step(Points.sample(600, seed: UInt64($0))) }
        return (losses, trainer.model.parameterVector().scalars)
      }
    }
    #expect(runs[1] == runs[0] && runs[2] == runs[0])
  }

  @Test func buffersGiveTheSameBitsAsBatches() throws {
    var one = makeTrainer(), other = makeTrainer()
    let buffer = BatchBuffer(like: Points.sample(8, seed: 0))
    for i in 0..<3 {
      let batch = Points.sample(8, seed: UInt64(i))
      _ = buffer.scalars(0, of: Float.self).update(fromContentsOf: batch.x.scalars)
      _ = buffer.scalars(1, of: Float.self).update(fromContentsOf: batch.y.scalars)
      let ofBatch = try one.step(batch), ofBuffer = try other.step(buffer)
      #expect(ofBatch == ofBuffer)
    }
    #expect(one.checkpoint() == other.checkpoint())
  }

  @Test(.enabled(if: allocation_count() >= 0, "allocations are not counted here"), arguments: [1, 2])
  func aStepAllocatesNothingAfterTheFirst(threads: Int) throws {
    for optimizer in CheckpointTests.optimizers {
      func make(_ optimizer: some Optimizer) -> Trainer<Net, Points, Float> { makeTrainer(optimizer) }
      var trainer = make(optimizer)
      let buffer = BatchBuffer(like: Points.sample(64, seed: 0))
      try withThreads(threads) {
        for _ in 0..<2 { try trainer.step(buffer) }
        let before = allocation_count()
        for _ in 0..<20 { try trainer.step(buffer) }
        #expect(allocation_count() == before, "\(optimizer.name)")
      }
    }
  }
}

@Suite struct CheckpointTests {
  private func train(_ trainer: inout Trainer<Net, Points, Float>, _ range: Range<Int>) throws -> [Double] {
    try range.map { try trainer.step(Points.sample(16, seed: UInt64($0))) }
  }

  private func inTemporaryFile(_ body: (String) throws -> Void) throws {
    let path = FileManager.default.temporaryDirectory.path + "/checkpoint-\(UUID().uuidString).safetensors"
    defer { try? FileManager.default.removeItem(atPath: path) }
    try body(path)
  }

  static let optimizers: [any Optimizer] = [
    Adam(learningRate: .oneCycle(0.01, steps: 20)), SGD(learningRate: 0.05, momentum: 0.9, nesterov: true),
    RMSprop(learningRate: 0.001, momentum: 0.5), SGD(learningRate: 0.1),
  ]

  /// 7 steps, a file, 6 more: the same bits as 13 steps.
  @Test(arguments: optimizers.indices) func resumesBitForBit(_ index: Int) throws {
    func make(_ optimizer: some Optimizer) -> Trainer<Net, Points, Float> { makeTrainer(optimizer) }
    var straight = make(Self.optimizers[index])
    let losses = try train(&straight, 0..<13)
    try inTemporaryFile { path in
      var first = make(Self.optimizers[index])
      _ = try train(&first, 0..<7)
      try first.checkpoint(notes: ["epoch": "2"]).write(to: path)
      var second = make(Self.optimizers[index])
      let checkpoint = try Checkpoint(contentsOf: path)
      #expect(checkpoint.notes == ["epoch": "2"] && checkpoint.step == 7)
      try second.restore(checkpoint)
      let resumed = try train(&second, 7..<13)
      #expect(resumed == Array(losses[7...]))
      #expect(second.checkpoint() == straight.checkpoint())
    }
  }

  @Test func otherModelsAreNamedByTheirFirstDifference() throws {
    func message(_ body: () throws -> Void) -> String {
      do { try body() } catch { return "\(error)" }
      return "no error"
    }
    let checkpoint = makeTrainer().checkpoint()
    var wider = makeTrainer(hidden: 17)
    #expect(
      message { try wider.restore(checkpoint) } == "the checkpoint is of another model: its parameter 0 is "
        + "layers.0.weight, float32[2, 16], where layers.0.weight, float32[2, 17], is expected")
    var byOther = makeTrainer(SGD(learningRate: 0.1))
    #expect(
      message { try byOther.restore(checkpoint) }
        == "the checkpoint is of another model: it was trained by adam "
        + "with the state [\"firstMoment\", \"secondMoment\"], not sgd with []")
    var named = makeTrainer()
    named.architecture = "another net"
    #expect(
      message { try named.restore(checkpoint) }
        == "the checkpoint is of another model: it is a MLP<Float>, not a another net")
    #expect(
      message { _ = try Checkpoint(contentsOf: "/nowhere/at/all") }.hasPrefix(
        "/nowhere/at/all: file: expected a readable file, found "))
  }

  @Test func damagedFilesAreErrorsAndNeverCrash() throws {
    let good = makeTrainer().checkpoint(notes: ["a": "b"]).encoded
    #expect(try Checkpoint(good).notes == ["a": "b"])
    var stream = RandomStream(key: RandomKey(seed: 12))
    var trainer = makeTrainer()
    var rejected = 0
    for _ in 0..<2000 {
      do { try trainer.restore(Checkpoint(mutated(good, &stream))) } catch {
        #expect(error is FileError || error is CheckpointError)
        rejected += 1
      }
    }
    #expect(rejected > 300)
  }

  /// Every bit of every tensor counts, and so do the texts.
  @Test func damagedContentIsNoticed() throws {
    let good = makeTrainer().checkpoint(notes: ["epochs": "2"]).encoded
    let header = 8 + (0..<8).reduce(0) { $0 | Int(good[$1]) << (8 * $1) }
    for at in [header, header + 1, (header + good.count) / 2, good.count - 1] {
      var bytes = good
      bytes[at] ^= 1
      let error = #expect(throws: FileError.self) { try Checkpoint(bytes) }
      #expect(error?.description.contains("checksum") == true)
    }
    var other = good
    let note = try #require(good.firstRange(of: Array(#""note.epochs":"2""#.utf8)))
    other[note.upperBound - 2] = UInt8(ascii: "3")
    let error = #expect(throws: FileError.self) { try Checkpoint(other) }
    #expect(error?.description.contains("checksum") == true)
  }

  /// A count that no run goes on from is refused, however sound the file is.
  @Test func stepsAreCountsThatGoOn() throws {
    var checkpoint = makeTrainer().checkpoint()
    checkpoint.step = 1 << 53
    var trainer = makeTrainer()
    try trainer.restore(try Checkpoint(checkpoint.encoded))
    try trainer.step(Points.sample(8, seed: 1))
    checkpoint.step = .max
    let error = #expect(throws: FileError.self) { try Checkpoint(checkpoint.encoded) }
    #expect(error?.description.contains("\(Int.max)") == true)
  }

  @Test func writingReplacesTheOldFileWhole() throws {
    try inTemporaryFile { path in
      var trainer = makeTrainer()
      try trainer.checkpoint().write(to: path)
      _ = try train(&trainer, 0..<1)
      try trainer.checkpoint().write(to: path)
      #expect(try Checkpoint(contentsOf: path).step == 1)
      #expect(throws: FileError.self) { try trainer.checkpoint().write(to: path + "/inside") }
    }
  }
}
