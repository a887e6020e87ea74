import NODECore
import RunnerSupport

/// A field and the state that its trajectory starts from.
struct Trajectory<Field: VectorField>: Module where Field.Scalar == Double {
  var field: Field
  /// [1, variables].
  var start: Tensor<Double>
  /// Whether the start is a parameter too.
  var learnsStart = false

  /// [times, variables].
  func states(at times: [Double], tolerance: Double = 1e-6) throws -> Tensor<Double> {
    try odeint(
      from: start, at: times, method: .tsit5, rtol: tolerance, atol: tolerance
    ) { t, y in try field(t, y) }.states.reshaped(to: [times.count, start.shape[1]])
  }

  mutating func visitParameters(_ visit: inout ParameterVisitor) {
    visit("field", &field)
    if learnsStart { visit("start", &start) }
  }
}

/// What a fit by Adam and then L-BFGS came to.
struct UDEFit<Model: Module> {
  var model: Model
  var initial: Double, afterAdam: Double, final: Double
  var iterations: Int, evaluations: Int
  var status: LBFGS.Status
}

/// Adam's steps, then L-BFGS to convergence, on all of the data at once.
struct UDEFitting {
  var adamSteps = 200, adamRate = 0.1
  var lbfgs = LBFGS(memory: 20, maximumIterations: 1000, gradientTolerance: 1e-6, changeTolerance: 1e-10)
  var label = ""

  /// The unknown part fitted to what smoothed observations [times, variables] leave of their derivatives: collocation. Adam
  /// is slowed down for what follows: large steps would lead away from what was found.
  mutating func prefitted<Unknown>(
    _ field: UniversalField<Unknown>, _ observations: Tensor<Double>, at times: [Double]
  ) throws -> UniversalField<Unknown> where Unknown.Scalar == Double {
    adamRate = 0.001
    let smooth = LocalPolynomial(degree: 3)(observations, at: times)
    return try LBFGS(maximumIterations: 100).minimize(field) {
      meanSquaredError($0(0, smooth.states), smooth.derivatives)
    }.point
  }

  func fit<Model: Module>(
    _ model: Model, _ loss: @escaping @Sendable (Model) throws -> Tensor<Double>
  ) throws -> UDEFit<Model> {
    var trainer = Trainer(model, optimizer: .adam(learningRate: .constant(adamRate))) {
      (model: Model, _: Tensor<Double>) in try loss(model)
    }
    let nothing = Tensor<Double>([0])
    let initial = try trainer.evaluate(nothing).loss
    var progress = ProgressLine()
    for step in 0..<adamSteps where !Interrupt.isRequested {
      let value: Double
      do { value = try trainer.step(nothing) } catch is TrainingError { break }  // L-BFGS goes on from here
      progress.update(
        label, fraction: Double(step) / Double(adamSteps), detail: "Adam, loss \(SeedReport.text(value))",
        secondsLeft: nil)
    }
    try Interrupt.check()
    let afterAdam = try trainer.evaluate(nothing).loss
    progress.update(label, fraction: 1, detail: "L-BFGS", secondsLeft: nil)
    let found = try lbfgs.minimize(trainer.model, loss)
    progress.clear()
    try Interrupt.check()
    return UDEFit(
      model: found.point, initial: initial, afterAdam: afterAdam, final: found.value,
      iterations: found.iterations, evaluations: found.evaluations, status: found.status)
  }
}

/// The root mean square of the differences of two tensors of one shape.
func rootMeanSquare(_ a: Tensor<Double>, _ b: Tensor<Double>) -> Double {
  square(a - b).mean().scalar.squareRoot()
}
