/// Coefficients of an explicit Runge-Kutta method as the kernels read them (nk_tableau). Built from a validated `Tableau`.
package struct TableauCoefficients: Sendable, Hashable {
  package var stages: Int, stepStages: Int, order: Int, embeddedOrder: Int
  package var isFSAL: Bool
  package var denseDegree: Int
  /// a[i][j], b[i], c[i], bError[i], dense[i][d - 1], i < stages.
  package var a: [[Double]], b: [Double], c: [Double], bError: [Double], dense: [[Double]]

  package init(
    stages: Int, stepStages: Int, order: Int, embeddedOrder: Int, isFSAL: Bool, denseDegree: Int,
    a: [[Double]], b: [Double], c: [Double], bError: [Double], dense: [[Double]]
  ) {
    self.stages = stages
    self.stepStages = stepStages
    self.order = order
    self.embeddedOrder = embeddedOrder
    self.isFSAL = isFSAL
    self.denseDegree = denseDegree
    self.a = a
    self.b = b
    self.c = c
    self.bError = bError
    self.dense = dense
  }
}

/// Step-size control as the kernels read it (nk_controller); see there for the meaning of each field.
package struct ControllerParameters: Sendable, Hashable {
  package var isAdaptive = true
  /// Every lane has its own steps and times; failures of lanes do not fail the run.
  package var isPerLane = false, isTolerant = false
  package var rtol = 1e-6, atol = 1e-6
  package var i = 1.0, p = 0.0, safety = 0.9, minimumFactor = 0.2, maximumFactor = 10.0
  package var firstStep = 0.0, minimumStep = 0.0, maximumStep = 0.0
  package var maximumSteps = 100_000
  package var step = 0.0, stepsPerInterval = 0
  /// Leading components of the state that enter the error norm; 0: all. Solves augmented by tangents control the
  /// primal part only, so that they take the primal solve's steps.
  package var errorComponents = 0

  package init() {}

  /// Above these nothing is allocated that holds a number for each step, and counts of steps do not overflow.
  package static let mostSteps = 1 << 40
  package static let mostStepsPerInterval = 1 << 31
}
