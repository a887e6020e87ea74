import Foundation

@testable import NODECore
@testable import ProgramFuzzing

/// Solves written out as graphs of primitives: the oracle of every derivative of a solve.
enum Unrolling {
  /// States of a solve with equal steps, `stepsPerInterval` of them between neighbouring times.
  ///
  /// Steps move with the two times that they lie between, as they do when the solve is computed again.
  static func states(_ inputs: SolveInputs) -> Value {
    let instruction = inputs.instruction, tableau = instruction.tableau
    let times = inputs.times
    let steps = instruction.controller.stepsPerInterval
    precondition(!instruction.controller.isAdaptive && steps > 0)
    func field(_ t: Value, _ y: Value) -> Value {
      var replacing = [
        instruction.field.parameters[0]: t.converted(to: y.dtype), instruction.field.parameters[1]: y,
      ]
      for (parameter, capture) in zip(instruction.field.parameters[2...], inputs.captures) {
        replacing[parameter] = capture
      }
      return Graph.substitute(instruction.field.outputs, replacing: replacing)[0]
    }
    func scaled(_ y: Value, _ factor: Value) -> Value {
      y * factor.converted(to: y.dtype).broadcast(to: y.shape, axes: [])
    }
    func advanced(_ y: Value, _ t: Value, by step: Value) -> Value {
      var k: [Value] = []
      for stage in 0..<tableau.stepStages {
        var sum: Value?
        for (slope, a) in zip(k, tableau.a[stage]) where a != 0 {
          sum = sum.map { $0 + slope * a } ?? slope * a
        }
        k.append(field(t + step * tableau.c[stage], sum.map { y + scaled($0, step) } ?? y))
      }
      var sum = y.splat(0)
      for (slope, b) in zip(k, tableau.b) where b != 0 { sum = sum + slope * b }
      return y + scaled(sum, step)
    }
    let row = Shape([1] + inputs.y0.shape.dimensions)
    var y = inputs.y0
    var rows = [y.reshaped(to: row)]
    for i in 1..<max(inputs.timeCount, 1) {
      let step = (times.element(i) - times.element(i - 1)) * (1 / Double(steps))
      for n in 0..<steps { y = advanced(y, times.element(i - 1) + step * Double(n), by: step) }
      rows.append(y.reshaped(to: row))
    }
    return rows.count == 1 ? rows[0] : Graph.one(.concatenate(axis: 0), rows)
  }

  /// `outputs` with every solve written out, and every gradient node as the pullback of that.
  static func expanded(_ outputs: [Value]) -> [Value] {
    var replaced: [Value: Value] = [:]
    for node in Graph.order(of: outputs) {
      let operands = node.operands.map { replaced[$0] ?? $0 }
      if case .structured(let operation) = node.operation, let solve = operation as? SolveOperation {
        let x = SolveInputs(instruction: solve.solve, values: Array(operands[..<solve.inputCount])).detached()
        if solve.solve.isGradient {
          let cotangents = x.pullback(of: [states(x)], cotangents: [operands[solve.inputCount + 2]])
          for (index, value) in x.values.enumerated() {
            replaced[Value(node, index)] = cotangents[index] ?? value.splat(0)
          }
        } else {
          replaced[Value(node, 0)] = states(x)
        }
      } else if operands != node.operands {
        for (index, result) in Graph.node(node.operation, operands).enumerated() {
          replaced[Value(node, index)] = result
        }
      }
    }
    return outputs.map { replaced[$0] ?? $0 }
  }
}

/// The elements of a graph without placeholders or solves.
func interpreted(_ value: Value) -> [Double] {
  var interpreter = Interpreter()
  return interpreter.evaluate([value])[0]
}
