extension Solution {
  /// y0 as integrating back from the last state recovers it, same shape, same method and tolerances.
  ///
  /// A learned field may be solved so coarsely that the map is no flow at all: it fits the data, but what it computes is
  /// a property of the steps and not of the equation. Integrating 0 -> T -> 0 exposes that; evaluations
  /// should be quoted at a tolerance that passes.
  public func reconstruction() -> Tensor<Scalar> {
    guard inputs.timeCount > 1 else { return Tensor(inputs.y0) }
    let axis = inputs.isPerLane ? 1 : 0
    let controller = inputs.instruction.controller
    let times: Value
    if !controller.isAdaptive, controller.stepsPerInterval > 0 {
      // So many steps were taken between any two save times: the way back stops at each of them.
      times = Graph.one(.reverse(axes: [axis]), [inputs.times])
    } else {
      let shape: Shape = inputs.isPerLane ? [inputs.times.shape[0], 1] : [1]
      let ends = [inputs.time(inputs.timeCount - 1), inputs.time(0)].map { $0.reshaped(to: shape) }
      times = Graph.one(.concatenate(axis: axis), ends)
    }
    let back = SolveInputs(
      instruction: inputs.instruction, values: [final.value, times] + inputs.captures)
    return Tensor(back.solved()[0].last().reshaped(to: inputs.y0.shape))
  }
}
