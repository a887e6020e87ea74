import AllocationCounter
import Testing

@testable import NODECore

/// A recurrent network over sequences: loops inside of training steps.
@Suite(.smallBlocks) struct RecurrentTrainingTests {
  private struct Net: Module {
    var cell = GRUCell<Float>(1, hidden: 32, key: RandomKey(seed: 1))
    var read = Linear<Float>(32, 1, key: RandomKey(seed: 2))

    /// The last output for [steps, batch, 1].
    func callAsFunction(_ x: Tensor<Float>) -> Tensor<Float> {
      let start = Tensor<Float>.zeros([x.shape[1], 32])
      return read(scan(from: start, over: x) { h, row in (cell(row, h), [Tensor<Float>]()) }.carry)
    }

    mutating func visitParameters(_ visit: inout ParameterVisitor) {
      visit("cell", &cell)
      visit("read", &read)
    }
  }

  /// The mean of a sequence is to be learnt.
  private func trainer() -> Trainer<Net, Tensor<Float>, Float> {
    Trainer(Net(), optimizer: .adam(learningRate: 0.01)) { model, x in
      meanSquaredError(model(x), x.mean(axes: 0))
    }
  }

  private func batch(_ seed: Int, rows: Int = 64) -> Tensor<Float> {
    Tensor.normal(shape: [12, rows, 1], key: RandomKey(seed: UInt64(100 + seed)))
  }

  @Test func learns() throws {
    var trainer = trainer()
    let losses = try (0..<150).map { try trainer.step(batch($0)) }
    // The variance of the mean, 1/12, is what an ignorant model is off by.
    #expect(losses.suffix(10).reduce(0, +) / 10 < 0.25 / 12)
  }

  @Test func bitsDoNotDependOnThreads() throws {
    let runs = try [1, 2, 3].map { threads in
      try withThreads(threads) {
        var trainer = trainer()
        let losses = try (0..<3).map { try trainer.step(batch($0, rows: 500)) }
        return (losses, trainer.model.parameterVector(Float.self).scalars)
      }
    }
    #expect(runs[1] == runs[0] && runs[2] == runs[0])
  }

  @Test(.enabled(if: allocation_count() >= 0, "allocations are not counted here"), arguments: [1, 2])
  func aStepAllocatesNothingAfterTheFirst(threads: Int) throws {
    var trainer = trainer()
    let buffer = BatchBuffer(like: batch(0))
    _ = buffer.scalars(0, of: Float.self).update(fromContentsOf: batch(0).scalars)
    try withThreads(threads) {
      for _ in 0..<2 { try trainer.step(buffer) }
      let before = allocation_count()
      for _ in 0..<10 { try trainer.step(buffer) }
      #expect(allocation_count() == before)
    }
  }
}
