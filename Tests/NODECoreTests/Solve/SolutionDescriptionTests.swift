import Foundation
import Testing

@testable import NODECore

@Suite struct SolutionDescriptionTests {
  @Test func aSolutionSaysWhatItIsAndHowItEnded() throws {
    let start = Tensor<Double>([1, 2])
    let whole = try odeint(from: start, at: [0, 0.5, 1]) { _, y in -y }
    #expect("\(whole)".hasPrefix("solution [3, 2] by dopri5 at 3 times: success: "), "\(whole)")
    let failed = solve(from: start, at: [0, 2], maxSteps: 3) { _, y in y * y }
    #expect("\(failed)".contains("maximum number of steps") || "\(failed)".contains("maxSteps"), "\(failed)")
    var words = ""
    _ = try gradient(at: start) { y0 in
      let path = try odeint(from: y0, at: [0, 1]) { _, y in -y }
      words = "\(path)"
      return path.final.sum()
    }
    #expect(words == "solution [2, 2] by dopri5 at 2 times, in a trace")
  }

  @Test func settingsAndStoredThingsPrintShortly() throws {
    #expect("\(SensitivityMethod.exact(memory: .bytes(64)))" == "exact, memory 64 bytes, residuals 0 bytes")
    #expect("\(SensitivityMethod.backsolve)" == "backsolve")
    #expect("\(SensitivityMethod.backsolve(atol: 1e-9))" == "backsolve, atol 1e-09")
    #expect("\(try StoredArray(Tensor<Float>.zeros([300, 200])))" == "float32[300, 200]")
    #expect("\(ImageDataset(pixels: [1, 2], height: 1, width: 2, labels: [7]))" == "1 images of 1 x 2")
    let trainer = Trainer(MLP<Float>(2, 4, 2, activation: .tanh), optimizer: .adam(learningRate: 1e-3)) {
      (model: MLP<Float>, x: Tensor<Float>) in square(model(x)).mean()
    }
    #expect(
      "\(trainer.checkpoint(notes: ["epoch": "3"]))"
        == "checkpoint of MLP<Float> after 0 steps of adam: 22 parameters in 4 tensors, notes epoch")
    for rank in 1...8 {
      let extents = Array(repeating: rank == 1 ? 4096 : rank == 2 ? 100 : rank < 5 ? 11 : 6, count: rank)
      let many = Tensor<Float>.zeros(Shape(extents))
      #expect("\(many)".count < 100_000, "rank \(rank)")
    }
  }

  @Test func userInterfacesSeeTheWords() throws {
    let error = #expect(throws: SolveError.self) {
      try odeint(from: Tensor<Double>([1]), at: [0, 2], maxSteps: 3) { _, y in y * y }
    }
    let words = try #require(error)
    #expect((words as any Error).localizedDescription == words.description)
  }
}
