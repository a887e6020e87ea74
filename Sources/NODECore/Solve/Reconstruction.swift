extension Solution {
  /// y0 as integrating back from the last state recovers it, same shape, same method and tolerances.
  ///
  /// A learned field may be solved so coarsely that the map is no flow at all: it fits the data, but what it computes is
  /// a property of the steps and not of the equation. Integrating 0 -> T -> 0 exposes that; evaluations
  /// should be quoted at a tolerance that passes.
  public func reconstruction() -> Tensor<Scalar> {
    guard times.count > 1 else { return Tensor(inputs.y0) }
    let ends = [inputs.times.last(), inputs.times.sliced(row: 0)]
    let back = SolveInputs(
      instruction: inputs.instruction,
      values: [final.value, Graph.one(.concatenate(axis: 0), ends)] + inputs.captures)
    return Tensor(back.solved()[0].last().reshaped(to: inputs.y0.shape))
  }
}
