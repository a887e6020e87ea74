import NODECore
import Testing

@testable import ProgramFuzzing

/// A vector field on [lanes, 3] with its captures, by the ways in which lanes, time and captures can meet.
struct FieldCase: Sendable, CustomTestStringConvertible {
  let testDescription: String
  /// Whether lanes are independent.
  let hasLanes: Bool
  let captures: [Shape]
  let capturesWithLanes: [Bool]
  let field: @Sendable (Value, Value, [Value]) -> Value

  static let lanes = 11
  static let state: Shape = [lanes, 3]

  static let all: [FieldCase] = [
    FieldCase(testDescription: "decay", hasLanes: true, captures: [], capturesWithLanes: []) { _, y, _ in -y
    },
    FieldCase(
      testDescription: "perceptron", hasLanes: true, captures: [[3, 5], [5], [5, 3], [3]],
      capturesWithLanes: [false, false, false, false]
    ) { _, y, c in
      let hidden = (Value.matmul(y, c[0]) + c[1].broadcast(to: [lanes, 5], axes: [1])).map(.tanh)
      return .matmul(hidden, c[2]) + c[3].broadcast(to: state, axes: [1])
    },
    FieldCase(
      testDescription: "time as a channel", hasLanes: true, captures: [[4, 3]], capturesWithLanes: [false]
    ) { t, y, c in
      let channel = t.broadcast(to: [lanes, 1], axes: [])
      return Value.matmul(Graph.one(.concatenate(axis: 1), [y, channel]), c[0]).map(.tanh)
    },
    FieldCase(
      testDescription: "function of time alone", hasLanes: true, captures: [[3], []],
      capturesWithLanes: [false, false]
    ) { t, y, c in
      let wave = (t * c[1]).map(.sin)
      return y * wave.broadcast(to: state, axes: [])
        + (c[0] * wave.broadcast(to: [3], axes: [])).map(.cos)
        .broadcast(to: state, axes: [1])
    },
    FieldCase(
      testDescription: "capture with lanes", hasLanes: true, captures: [[lanes, 3], [lanes, 1]],
      capturesWithLanes: [true, true]
    ) { _, y, c in
      (y * c[0]).map(.sin) - y * c[1].broadcast(to: state, axes: [0, 1])
    },
    FieldCase(
      testDescription: "lanes that meet", hasLanes: false, captures: [[3], [lanes, lanes]],
      capturesWithLanes: [false, false]
    ) { t, y, c in
      let mean = (y.sum(axes: [0]) * (1 / Double(lanes))).broadcast(to: state, axes: [1])
      return (Value.matmul(c[1], y) - mean).map(.tanh) * c[0].broadcast(to: state, axes: [1])
        + t.broadcast(to: state, axes: [])
    },
    FieldCase(
      testDescription: "weights used twice, transposed once", hasLanes: true, captures: [[3, 3]],
      capturesWithLanes: [false]
    ) { _, y, c in
      .matmul(Value.matmul(y, c[0]).map(.sigmoid), c[0], transposeB: true)
    },
    FieldCase(
      testDescription: "does not depend on the state", hasLanes: true, captures: [[3]],
      capturesWithLanes: [false]
    ) { t, _, c in
      (c[0] * t.broadcast(to: [3], axes: [])).broadcast(to: state, axes: [1])
    },
    FieldCase(testDescription: "rectified", hasLanes: true, captures: [[3, 3]], capturesWithLanes: [false]) {
      _, y, c in
      Value.matmul(y, c[0]).map(.relu).map(.square)
    },
    FieldCase(
      testDescription: "a system of each lane, and one of all", hasLanes: true,
      captures: [[3, 3], [lanes, 3, 3]], capturesWithLanes: [false, true]
    ) { _, y, c in
      let column = y.reshaped(to: [lanes, 3, 1])
      let mass = regular(c[1] + .matmul(column, column, transposeB: true))
      let first = FactoredMatrix(mass).solve(column)
      return -FactoredMatrix(regular(c[0])).solve(first, transposed: true).reshaped(to: state)
    },
    FieldCase(
      testDescription: "factorisations", hasLanes: true, captures: [[3, 3]], capturesWithLanes: [false]
    ) { _, y, c in
      let column = y.reshaped(to: [lanes, 3, 1])
      let a = regular(Value.matmul(column, Value.matmul(column, c[0], transposeA: true)))
      let l = Graph.one(.matrix(.cholesky), [a])
      let z = Graph.one(.matrix(.triangularSolve(Triangle(isLower: true))), [l, column])
      let r = Graph.node(.matrix(.qr), [a])[1]
      let w = Graph.one(.matrix(.symmetricEigen), [a])
      let determinant = FactoredMatrix(a).determinant.logMagnitude
      return w.map(.log) * determinant.broadcast(to: state, axes: [0])
        - Value.matmul(r, z).reshaped(to: state)
    },
  ]

  /// Matrices [b..., 3, 3], made far from singular, with eigenvalues that are apart.
  private static func regular(_ x: Value) -> Value {
    let diagonal = Graph.constant([2.0, 0, 0, 0, 3, 0, 0, 0, 5], [3, 3])
    return x * 0.2 + diagonal.broadcast(to: x.shape, axes: [x.shape.rank - 2, x.shape.rank - 1])
  }

  struct Built {
    var parameters: [Value], elements: [[Double]], dy: Value
  }

  func build() -> Built {
    let types =
      [TensorType(.float64, []), TensorType(.float64, FieldCase.state)]
      + captures.map { TensorType(.float64, $0) }
    var generator = SplitMix(seed: captures.count)
    let parameters = types.enumerated().map { Graph.input("p\($0)", $1) }
    let elements = types.map { type in
      (0..<type.shape.count).map { _ in Double.random(in: -1...1, using: &generator) }
    }
    let dy = field(parameters[0], parameters[1], Array(parameters[2...]))
    return Built(parameters: parameters, elements: elements, dy: dy)
  }

  func instruction(_ built: Built, isGradient: Bool, backsolve: Bool) -> SolveInstruction {
    SolveInstruction(
      field: GraphBody(parameters: built.parameters, outputs: [built.dy]),
      tableau: Method.rk4.tableau.coefficients, controller: ControllerParameters(),
      sensitivity: backsolve ? .backsolve(rtol: nil, atol: nil) : .exact(checkpoints: 8, residuals: .none),
      isGradient: isGradient)
  }
}

/// Runs a program of a solver on its own: the body over all lanes, its accumulators stored to further arguments.
private func run(_ program: ProgramDescription, _ inputs: [[Double]], outputs: [Int], lanes: Int) throws -> (
  outputs: [[Double]], sums: [[Double]]
) {
  var program = program
  for index in program.arguments.indices where program.arguments[index].hasLanes {
    program.arguments[index] = .init(bytes: program.arguments[index].bytes * lanes)
  }
  let body = program.regions.count - 1
  guard case .lanes(0, let block, let groups) = program.regions[body].kind else {
    Issue.record("the body is not a solver's")
    return ([], [])
  }
  let blocks = (lanes + block - 1) / block
  program.regions[body].kind = .lanes(total: lanes, block: block, groups: min(groups, blocks))
  var sumCounts: [Int] = []
  for index in program.regions[body].accumulators.indices {
    let piece = program.regions[body].accumulators[index]
    sumCounts.append(piece.count)
    program.arguments.append(.init(bytes: piece.count * 8))
    program.regions[body].accumulators[index].destination = program.add(
      Buffer(.argument(program.arguments.count - 1), piece.dtype, hasLanes: false, bytes: piece.count * 8))
  }
  let image = try ProgramImage(program, inputs: inputs.count)
  let counts = outputs + sumCounts
  let results = counts.map { count in
    Storage(byteCount: count * 8) { $0.initializeMemory(as: UInt8.self, repeating: 0xFF, count: count * 8) }
  }
  let storages = inputs.map { Storage($0) }
  let arguments = (storages + results).map { Optional($0.pointer) }
  let bytes = image.workspaceBytes(threads: 1)
  let workspace = UnsafeMutableRawPointer.allocate(byteCount: max(bytes, 64), alignment: 64)
  defer { workspace.deallocate() }
  workspace.initializeMemory(as: UInt8.self, repeating: 0xFF, count: bytes)
  try withExtendedLifetime(storages) {
    try arguments.withUnsafeBufferPointer {
      try image.run(arguments: $0.baseAddress!, workspace: workspace, pool: nil)
    }
  }
  let all = zip(results, counts).map { $0.array(of: Double.self, count: $1) }
  return (Array(all.prefix(outputs.count)), Array(all.dropFirst(outputs.count)))
}

@Suite(.smallBlocks) struct SolveLoweringTests {
  @Test(arguments: FieldCase.all)
  func fieldProgramEqualsTheGraph(_ field: FieldCase) throws {
    let built = field.build()
    let programs = try SolverPrograms(
      field.instruction(built, isGradient: false, backsolve: false), wanted: [true, false, false])
    #expect((programs.lanes > 1) == field.hasLanes)
    #expect(programs.captureHasLanes == field.capturesWithLanes)
    var interpreter = Interpreter(Dictionary(uniqueKeysWithValues: zip(built.parameters, built.elements)))
    let expected = interpreter.evaluate([built.dy])[0]
    let result = try run(
      programs.field, built.elements, outputs: [FieldCase.state.count], lanes: programs.lanes)
    #expect(difference(result.outputs[0], expected) < 1e-13)
  }

  @Test(arguments: FieldCase.all)
  func gradientProgramEqualsThePullback(_ field: FieldCase) throws {
    let built = field.build()
    let wanted = Array(repeating: true, count: built.parameters.count + 1)
    let programs = try SolverPrograms(
      field.instruction(built, isGradient: true, backsolve: true), wanted: wanted)
    #expect((programs.lanes > 1) == field.hasLanes)
    #expect(programs.captureHasLanes == field.capturesWithLanes)
    let seed = Graph.input("seed", built.dy.type)
    let seedElements = (0..<seed.shape.count).map { Double($0 % 5) - 1.5 }
    let cotangents = pullback(of: [built.dy], cotangents: [seed], to: built.parameters)
    var interpreter = Interpreter(
      Dictionary(uniqueKeysWithValues: zip(built.parameters + [seed], built.elements + [seedElements])))
    let expected = zip(cotangents, built.parameters).map { cotangent, parameter in
      cotangent.map { interpreter.evaluate([$0])[0] } ?? Array(repeating: 0, count: parameter.shape.count)
    }
    let dy = interpreter.evaluate([built.dy])[0]
    let laneCaptures = zip(field.captures, field.capturesWithLanes).filter(\.1).map(\.0.count)
    let result = try run(
      try #require(programs.vjp), built.elements + [seedElements],
      outputs: [FieldCase.state.count, FieldCase.state.count] + laneCaptures, lanes: programs.lanes)
    #expect(difference(result.outputs[0], dy) < 1e-13)
    #expect(difference(result.outputs[1], expected[1]) < 1e-13)
    var rows = result.outputs[2...], sums = result.sums[...]
    #expect(difference(sums.removeFirst(), expected[0]) < 1e-12, "time")
    for (index, hasLanes) in field.capturesWithLanes.enumerated() {
      let found = hasLanes ? rows.removeFirst() : sums.removeFirst()
      #expect(difference(found, expected[2 + index]) < 1e-12, "capture \(index)")
    }
  }

  /// What the forward program keeps is little: no value that the gradient can have for nothing.
  @Test func residualsOfAPerceptronAreItsHiddenLayer() throws {
    let field = FieldCase.all[1], built = field.build()
    let wanted = Array(repeating: true, count: built.parameters.count + 1)
    let programs = try SolverPrograms(
      field.instruction(built, isGradient: true, backsolve: false), wanted: wanted)
    let forward = try #require(programs.forward), backward = try #require(programs.backward)
    guard case .lanes(_, let block, _) = forward.regions.last!.kind else {
      Issue.record("the body has no lanes")
      return
    }
    let hiddenBytes = block * 5 * 8
    #expect(forward.residualBytes == (hiddenBytes + 63) / 64 * 64)
    #expect(backward.residualBytes == forward.residualBytes)
    _ = try ProgramImage(forward, inputs: 2 + field.captures.count)
    _ = try ProgramImage(backward, inputs: 3 + field.captures.count)
  }
}
