/// The graph's node for a solve, or for the gradient of one. Its derivative rules are in Sensitivity/.
package struct SolveOperation: SolveLowerable {
  package let solve: SolveInstruction

  package init(_ solve: SolveInstruction) { self.solve = solve }

  package var name: String { solve.isGradient ? "odeintGradient" : "odeint" }

  /// Operands before those that only a gradient has: y0, times, captures.
  var inputCount: Int { solve.field.parameters.count }

  /// Of a state of this type. One row, or one for the sums and one for every lane.
  func statisticsType(_ state: TensorType) -> TensorType {
    TensorType(.float64, [solve.isPerLane ? 1 + state.shape[0] : 1, 8])
  }
  static let tapeType = TensorType(.int32, [0])

  package func resultTypes(_ operands: [TensorType]) -> [TensorType] {
    let expected = inputCount + (solve.isGradient ? 3 : 0)
    require(operands.count == expected, "\(name): \(operands.count) operands, expected \(expected)")
    let y0 = operands[0], times = operands[1]
    let isValid =
      solve.isPerLane
      ? times.shape.rank == 2 && y0.shape.rank > 0 && times.shape[0] == y0.shape[0] : times.shape.rank == 1
    require(
      times.dtype == .float64 && isValid && times.shape.count > 0,
      "\(name): times must be float64 [n] (with steps per lane [lanes, n]) with n > 0, got \(times)")
    let parameters = solve.field.parameters
    let field = solve.field.outputs[0].type
    require(
      parameters[1].type == y0 && field == y0,
      "\(name): state \(y0), but the field maps \(parameters[1].type) to \(field)")
    for (capture, parameter) in zip(operands[2...], parameters[2...]) {
      require(
        capture == parameter.type, "\(name): a capture is \(capture), its parameter \(parameter.type)")
    }
    let states = TensorType(y0.dtype, Shape([times.shape.dimensions.last!] + y0.shape.dimensions))
    guard solve.isGradient else { return [states, statisticsType(y0), SolveOperation.tapeType] }
    require(
      operands[inputCount] == states && operands[inputCount + 2] == states,
      "\(name): states \(operands[inputCount]) and their cotangent \(operands[inputCount + 2]) must be \(states)"
    )
    return Array(operands[..<inputCount]) + [statisticsType(y0)]
  }

  /// Two solves are the same computation if their bodies have the same structure and their settings are equal.
  package var identity: AnyHashable? { AnyHashable(Key(solve)) }

  private struct Key: Hashable {
    let field: BodyKey
    let tableau: TableauCoefficients, controller: ControllerParameters
    let sensitivity: SolveInstruction.Sensitivity
    let isGradient: Bool
    let problem: String?

    init(_ solve: SolveInstruction) {
      field = BodyKey(solve.field)
      tableau = solve.tableau
      controller = solve.controller
      sensitivity = solve.sensitivity
      isGradient = solve.isGradient
      problem = solve.problem
    }
  }
}

extension SolveOperation {
  /// A solve that `outputs` reach, with the gradient nodes among them: what a training step counts evaluations of.
  package static func statistics(reaching outputs: [Value]) -> [(isGradient: Bool, value: Value)] {
    Graph.order(of: outputs).compactMap { node in
      guard case .structured(let operation) = node.operation, let solve = operation as? SolveOperation else {
        return nil
      }
      let statistics = Value(node, solve.solve.isGradient ? node.types.count - 1 : 1)
      // The first row of those of lanes has the sums.
      return (solve.solve.isGradient, solve.solve.isPerLane ? statistics.sliced(row: 0) : statistics)
    }
  }
}
