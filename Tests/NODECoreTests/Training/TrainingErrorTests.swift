import Testing

@testable import NODECore

private typealias Model = Linear<Float>

/// Steps whose numbers are none: the trainer stays where it was, and goes on from there.
@Suite struct TrainingErrorTests {
  private func trainer(
    _ optimizer: some Optimizer = Adam(learningRate: 0.1), maximumGradientNorm: Double? = nil,
    loss: @escaping (Tensor<Float>) -> Tensor<Float> = { square($0 - 1).mean() }
  ) -> Trainer<Model, Tensor<Float>, Float> {
    Trainer(
      Model(2, 1, key: RandomKey(seed: 4)), optimizer: optimizer, maximumGradientNorm: maximumGradientNorm
    ) { (model: Model, x: Tensor<Float>) in loss(model(x)) }
  }
  private let good = Tensor<Float>([[0.5, -1], [2, 0.25], [-1, 1]])

  private func failure(_ body: () throws -> Void) -> TrainingError? {
    do { try body() } catch { return error as? TrainingError }
    return nil
  }

  /// With a bad batch in between or without one, the bits are the same.
  @Test(arguments: [Float.nan, .infinity, 1e30])
  func aBadBatchLeavesNoTrace(_ bad: Float) throws {
    for norm in [nil, 1.0] {
      var clean = trainer(maximumGradientNorm: norm), disturbed = trainer(maximumGradientNorm: norm)
      for step in 0..<5 {
        try clean.step(good)
        if step == 2 {
          let error = try #require(failure { try disturbed.step(Tensor<Float>([[bad, 1]])) })
          #expect(error.step == 3 && !error.loss.isFinite)
          #expect(disturbed.stepCount == 2 && disturbed.report?.loss.isFinite == false)
        }
        try disturbed.step(good)
        #expect(disturbed.report?.loss == clean.report?.loss)
      }
      #expect(disturbed.checkpoint() == clean.checkpoint())
    }
  }

  @Test func aBatchWithoutRowsHasNoMean() throws {
    var trainer = trainer()
    let error = try #require(failure { try trainer.step(Tensor<Float>.zeros([0, 2])) })
    #expect("\(error)" == "step 1: the loss is NaN; parameters and the optimizer's state are as before it")
    #expect(error.localizedDescription == "\(error)")
  }

  /// The loss is 0 and its derivative 0 times infinity.
  @Test func aGradientThatIsNoNumber() throws {
    var trainer = trainer { sqrt(square($0 * 0).sum()) }
    let before = trainer.model.parameterVector().scalars
    let error = try #require(failure { try trainer.step(good) })
    #expect(error.loss == 0 && error.gradientNorm.isNaN)
    #expect("\(error)".contains("the loss is 0.0, but its gradient has elements that are NaN"))
    #expect(trainer.model.parameterVector().scalars == before)
  }

  /// Finite gradients, but a step beyond the largest number.
  @Test func anUpdateThatOverflows() throws {
    var trainer = trainer(.sgd(learningRate: 1e38)) { ($0 * 1e3).sum() }
    let before = trainer.model.parameterVector().scalars
    let error = try #require(failure { try trainer.step(good) })
    #expect(error.loss.isFinite && error.gradientNorm.isFinite)
    #expect("\(error)".contains("the updated parameters are not finite"))
    #expect(trainer.model.parameterVector().scalars == before && trainer.stepCount == 0)
  }
}
