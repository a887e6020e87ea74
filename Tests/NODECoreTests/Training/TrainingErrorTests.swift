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
    #expect("\(error)".contains("of which the optimizer makes numbers that are not finite"))
    #expect(trainer.model.parameterVector().scalars == before && trainer.stepCount == 0)
  }

  /// A gradient whose square overflows leaves the parameters as they are, and Adam's second moment infinite: no step of
  /// theirs would ever follow.
  @Test func stateThatOverflows() throws {
    for optimizer: any Optimizer in [Adam(learningRate: 0.1), RMSprop(learningRate: 0.1)] {
      func run(_ optimizer: some Optimizer) throws {
        var trainer = trainer(optimizer) { $0.mean() }
        let error = try #require(failure { try trainer.step(Tensor<Float>([[1e25, 1]])) })
        #expect(error.loss.isFinite && error.gradientNorm == .infinity)
        try trainer.step(good)
        #expect(
          trainer.checkpoint().state.allSatisfy { $0.array.bytes.count == 4 * 3 } && trainer.stepCount == 1)
      }
      try run(optimizer)
    }
  }

  /// Momentum keeps what a rate of zero did not use.
  @Test func aRateThatGrows() throws {
    var trainer = trainer(.sgd(learningRate: .linear((0, 0), (1, 100)), momentum: 0.9)) { $0.sum() }
    try trainer.step(Tensor<Float>([[1e37, 1]]))
    let before = trainer.model.parameterVector().scalars
    let error = try #require(failure { try trainer.step(good) })
    #expect(error.gradientNorm < 10 && error.step == 2)
    #expect(trainer.model.parameterVector().scalars == before)
  }

  /// An optimizer of the caller's that divides 0 by 0.
  @Test func anOptimizerWithoutEpsilon() throws {
    struct Normalised: Optimizer {
      let name = "normalised", learningRate: Schedule = .constant(0.1), stateNames: [String] = []
      func update<S: FloatingScalar>(
        parameters: Tensor<S>, gradient: Tensor<S>, state: [Tensor<S>], learningRate: Tensor<S>,
        step: Tensor<S>
      ) -> (parameters: Tensor<S>, state: [Tensor<S>]) {
        (parameters - learningRate * gradient / sqrt(square(gradient).sum()), [])
      }
    }
    var trainer = trainer(Normalised()) { ($0 * 0).sum() }
    let error = try #require(failure { try trainer.step(good) })
    #expect(error.loss == 0 && error.gradientNorm == 0)
  }

  /// Running statistics are not the optimizer's, and no gradient tells of them.
  @Test func statisticsThatOverflow() throws {
    var trainer = Trainer(BatchNorm<Float>(channels: 1), optimizer: .sgd(learningRate: 0.1)) {
      (model: BatchNorm<Float>, x: Tensor<Float>, _: RandomKey) in
      var model = model
      let y = model.training(x)
      return Objective(loss: square(y - 1).mean(), model: model)
    }
    let before = trainer.model.runningVariance.scalars
    let error = try #require(failure { try trainer.step(Tensor<Float>([[1e20], [-1e20]])) })
    #expect(error.loss.isFinite && error.gradientNorm.isFinite)
    #expect(trainer.model.runningVariance.scalars == before)
  }

  /// A failed solve leaves part of the program's results from the step before: there is no report.
  @Test func aFailedSolveHasNoReport() throws {
    var trainer = Trainer(Model(1, 1, key: RandomKey(seed: 4)), optimizer: .sgd(learningRate: 0.1)) {
      (model: Model, x: Tensor<Float>) in
      try odeint(from: x, at: [0, 1], maxSteps: 60) { _, y in square(y) + model(y) * 0 }.final.mean()
    }
    try trainer.step(Tensor<Float>([[0.5]]))
    #expect(trainer.report != nil)
    #expect(throws: SolveError.self) { try trainer.step(Tensor<Float>([[5]])) }
    #expect(trainer.report == nil && trainer.stepCount == 1)
  }
}

/// Optimizers whose vectors are not those that the trainer has memory for.
enum OptimizerMistake: String, CaseIterable, Codable, Sendable {
  case stateLength, parameterShape, stateCount, names

  struct Wrong: Optimizer {
    let name = "wrong", learningRate: Schedule = .constant(0.1)
    let mistake: OptimizerMistake
    var stateNames: [String] { mistake == .names ? ["v", "v"] : ["v"] }

    func update<S: FloatingScalar>(
      parameters: Tensor<S>, gradient: Tensor<S>, state: [Tensor<S>], learningRate: Tensor<S>, step: Tensor<S>
    ) -> (parameters: Tensor<S>, state: [Tensor<S>]) {
      switch mistake {
      case .stateLength: (parameters, [.concatenated([gradient, gradient])])
      case .parameterShape: (parameters.sum(), [gradient])
      case .stateCount: (parameters, [])
      case .names: (parameters, [gradient, gradient])
      }
    }
  }

  var words: [String] {
    switch self {
    case .stateLength: ["Trainer: wrong must return parameters [2] and state [[2]], got [2] and [[4]]"]
    case .parameterShape: ["parameters [2] and state [[2]], got [] and [[2]]"]
    case .stateCount: ["state [[2]], got [2] and []"]
    case .names: [#"different names, got ["v", "v"]"#]
    }
  }
}

@Suite struct OptimizerMistakeTests {
  @Test(arguments: OptimizerMistake.allCases)
  func stopsWithAMessage(_ mistake: OptimizerMistake) async throws {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      [mistake] in
      var trainer = Trainer(
        Linear<Float>(1, 1, key: RandomKey(seed: 4)), optimizer: OptimizerMistake.Wrong(mistake: mistake)
      ) { (model: Linear<Float>, x: Tensor<Float>) in model(x).mean() }
      try trainer.step(Tensor<Float>([[1]]))
    }
    let message = String(decoding: try #require(result).standardErrorContent, as: UTF8.self)
    for word in mistake.words { #expect(message.contains(word), "\(message)") }
  }
}
