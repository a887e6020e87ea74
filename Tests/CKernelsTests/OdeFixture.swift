import CKernels
import Foundation
import Testing

/// Small methods with their dense output, in the kernels' form.
struct TestMethod: Sendable, CustomTestStringConvertible {
  let name: String
  let order: Int, embedded: Int
  let rows: [[Double]], b: [Double], bHat: [Double]?
  var testDescription: String { name }

  static let euler = TestMethod(name: "euler", order: 1, embedded: 0, rows: [[]], b: [1], bHat: nil)
  static let heun = TestMethod(
    name: "heun", order: 2, embedded: 1, rows: [[], [1]], b: [0.5, 0.5], bHat: [1, 0])
  static let rk4 = TestMethod(
    name: "rk4", order: 4, embedded: 0, rows: [[], [0.5], [0, 0.5], [0, 0, 1]],
    b: [1.0 / 6, 1.0 / 3, 1.0 / 3, 1.0 / 6], bHat: nil)
  /// FSAL.
  static let bosh3 = TestMethod(
    name: "bosh3", order: 3, embedded: 2, rows: [[], [0.5], [0, 0.75], [2.0 / 9, 1.0 / 3, 4.0 / 9]],
    b: [2.0 / 9, 1.0 / 3, 4.0 / 9, 0], bHat: [7.0 / 24, 0.25, 1.0 / 3, 0.125])
  static let all = [euler, heun, rk4, bosh3]

  var isFSAL: Bool { b.count > 1 && rows.last! + [0] == b }
  /// Cubic Hermite dense output: one more stage for methods that are not FSAL.
  var allRows: [[Double]] { isFSAL ? rows : rows + [b] }
  var weights: [Double] { isFSAL ? b : b + [0] }
  var nodes: [Double] { allRows.map { $0.reduce(0, +) } }
  var dense: [[Double]] {
    weights.indices.map { i in
      let first = i == 0 ? 1.0 : 0, last = i == weights.count - 1 ? 1.0 : 0
      return [first, 3 * weights[i] - 2 * first - last, -2 * weights[i] + first + last]
    }
  }

  var tableau: nk_tableau {
    var tableau = nk_tableau()
    let stages = weights.count
    tableau.stages = Int32(stages)
    tableau.step_stages = Int32(rows.count)
    tableau.order = Int32(order)
    tableau.embedded_order = Int32(embedded)
    tableau.fsal = isFSAL ? 1 : 0
    tableau.dense_degree = 3
    set(
      &tableau.a,
      allRows.flatMap { row in row + [Double](repeating: 0, count: stages - row.count) })
    set(&tableau.b, weights)
    set(&tableau.c, nodes)
    if let bHat { set(&tableau.b_error, zip(b, bHat).map(-)) }
    set(&tableau.dense, dense.flatMap { $0 })
    return tableau
  }
}

/// A solve of y' = tanh(y A + t b + w), A and b shared by the lanes, w of each lane; or of y' = scale * y^power.
struct OdeProblem {
  enum Field { case network, power(scale: Double, power: Double) }
  var field = Field.network
  var lanes = 5, dim = 3
  var times = [0.0, 0.6, 1.3]
  var method = TestMethod.rk4
  var controller: nk_controller = OdeProblem.fixed(stepsPerInterval: 4)
  var sensitivity = nk_sensitivity.NK_SENSITIVITY_EXACT
  var checkpoints: Int64 = 1000
  var residualBudget: Int64 = 0
  var blockLanes: Int64 = 2, groups = 2, threads = 1

  static func fixed(stepsPerInterval: Int64 = 0, step: Double = 0) -> nk_controller {
    var controller = nk_controller()
    controller.steps_per_interval = stepsPerInterval
    controller.step = step
    controller.max_steps = 10_000
    return controller
  }
  static func adaptive(_ tolerance: Double, i: Double = 1, p: Double = 0) -> nk_controller {
    var controller = fixed()
    controller.adaptive = 1
    controller.rtol = tolerance
    controller.atol = tolerance
    controller.i = i
    controller.p = p
    controller.safety = 0.9
    controller.min_factor = 0.2
    controller.max_factor = 10
    return controller
  }

  // MARK: Programs

  enum Role { case field, forward, backward, vjp, adjoint }

  func fieldProgram(_ role: Role, _ owner: inout [ProgramBuilder]) -> UnsafePointer<nk_program> {
    let p = ProgramBuilder()
    owner.append(p)
    p.blockLanes = blockLanes
    let d = dim
    let t = p.argument(1), y = p.argument(d, lanes: true)
    let a = p.argument(d * d), b = p.argument(d), w = p.argument(d, lanes: true)
    if case .power(let scale, let power) = field {
      let dy = p.argument(d, lanes: true)
      p.region(.NK_REGION_SERIAL)
      p.setupRegions = 1
      p.elementwise(
        dims: [d], operands: [view(y, lane: d, [1])], constants: [scale, power],
        code: [(power == 2 ? .multiply : .pow, 0, power == 2 ? 0 : 2, 0), (.multiply, 3, 1, 0)],
        outputs: [(dy, 4)])
      p.region(.NK_REGION_LANES)
      return p.build()
    }
    let backward = role == .backward || role == .vjp || role == .adjoint
    let ct = backward ? p.argument(d, lanes: true) : -1
    let dy = role == .backward ? -1 : p.argument(d, lanes: true)
    let ctY = backward ? p.argument(d, lanes: true) : -1
    let ctW = role == .adjoint ? p.scratch(d) : backward ? p.argument(d, lanes: true) : -1
    let packed = role == .backward ? -1 : p.packed(k: d, n: d)
    let transposed = backward ? p.packed(k: d, n: d) : -1
    if packed >= 0 { p.pack(a, to: packed, .NK_PACK_MATRIX, k: d, n: d) }
    if backward { p.pack(a, to: transposed, .NK_PACK_MATRIX_TRANSPOSED, k: d, n: d) }
    p.region(.NK_REGION_SERIAL)
    p.setupRegions = 1
    let row = [1]
    // The slope is what the gradient needs of the forward pass.
    let z = role == .forward || role == .backward ? p.kept(d) : p.scratch(d)
    if role != .backward {
      let u = p.scratch(d)
      p.matmul(y, packed, to: u, rows: 1, k: d, n: d)
      p.elementwise(
        dims: [d], operands: [view(u, lane: d, row), view(t, [0]), view(b, row), view(w, lane: d, row)],
        code: [(.multiply, 1, 2, 0), (.add, 0, 4, 0), (.add, 5, 3, 0), (.tanh, 6, 0, 0)],
        outputs: [(dy, 7), (z, 7)])
    }
    guard backward else {
      p.region(.NK_REGION_LANES)
      return p.build()
    }
    let ofT = p.accumulator(1), ofA = p.accumulator(d * d), ofB = p.accumulator(d)
    let g = p.scratch(d), gt = p.scratch(d), gb = p.scratch(d)
    p.elementwise(
      dims: [d],
      operands: [view(ct, lane: d, row), view(z, lane: d, row), view(t, [0]), view(b, row)],
      code: [(.dtanh, 1, 0, 0), (.multiply, 0, 4, 0), (.multiply, 5, 2, 0), (.multiply, 5, 3, 0)],
      outputs: [(ctW, 5), (g, 5), (gt, 6), (gb, 7)])
    p.matmul(g, transposed, to: ctY, rows: 1, k: d, n: d)
    if role == .adjoint {
      p.region(.NK_REGION_LANES)
      return p.build()
    }
    p.emit(.NK_OP_MATMUL_OUTER, [y, g], [ofA]) {
      $0.u.matmul.rows_per_lane = 1
      $0.u.matmul.k = Int64(d)
      $0.u.matmul.n = Int64(d)
    }
    p.reduceLanes(gt, to: ofB, count: 1, inner: d)
    p.reduceLanes(gb, to: ofT, count: d, inner: 1)
    p.region(.NK_REGION_LANES, groups: groups, pieces: [(ofT, -1), (ofA, -1), (ofB, -1)])
    return p.build()
  }

  // MARK: Running

  struct Values {
    var y0: [Double], a: [Double], b: [Double], w: [Double], times: [Double]
  }
  struct Outcome {
    var status: nk_status, diagnosis: nk_diagnosis
    var states: [Double], statistics: [Double], stepTimes: [Double]
    var gradient: Values?, gradientStatistics: [Double]
  }

  var values: Values {
    var random = SeededGenerator(state: 7)
    func numbers(_ count: Int) -> [Double] {
      (0..<count).map { _ in Double.random(in: -1...1, using: &random) }
    }
    return Values(
      y0: numbers(lanes * dim), a: numbers(dim * dim), b: numbers(dim), w: numbers(lanes * dim),
      times: times)
  }
  /// Cotangents of the states.
  var weights: [Double] { (0..<times.count * lanes * dim).map { sin(Double($0 * $0 + 1)) } }

  func run(_ values: Values? = nil, gradient: Bool = false) -> Outcome {
    let values = values ?? self.values
    var owner: [ProgramBuilder] = []
    let p = ProgramBuilder()
    let state = lanes * dim, count = times.count
    let y0 = p.argument(state), at = p.argument(count), a = p.argument(dim * dim), b = p.argument(dim)
    let w = p.argument(state), states = p.argument(count * state), statistics = p.argument(8)
    let tape = p.argument(1), ctStates = p.argument(count * state), ctY0 = p.argument(state)
    let ctTimes = p.argument(count), ctA = p.argument(dim * dim), ctB = p.argument(dim),
      ctW = p.argument(state)
    let gradientStatistics = p.argument(8)
    var ode = nk_ode()
    ode.tableau = UnsafePointer(p.keep([method.tableau]))
    ode.controller = controller
    ode.sensitivity = sensitivity
    ode.dtype = .NK_F64
    ode.lanes = Int64(lanes)
    ode.dim = Int64(dim)
    ode.time_count = Int32(count)
    ode.capture_count = 3
    ode.capture_has_lanes = UnsafePointer(p.keep([Int32(0), 0, 1]))
    ode.capture_elements = UnsafePointer(p.keep([Int64(dim * dim), Int64(dim), Int64(dim)]))
    ode.field = fieldProgram(.field, &owner)
    if gradient && sensitivity == .NK_SENSITIVITY_EXACT {
      ode.field_forward = fieldProgram(.forward, &owner)
      ode.field_backward = fieldProgram(.backward, &owner)
    } else if gradient {
      ode.field_vjp = fieldProgram(.vjp, &owner)
      ode.field_adjoint = fieldProgram(.adjoint, &owner)
    }
    ode.checkpoints = checkpoints
    ode.residual_budget = residualBudget
    ode.residual_least = 1
    ode.residual_most = 1000
    ode.y0 = y0
    ode.times = at
    ode.states = states
    ode.statistics = statistics
    ode.tape = tape
    ode.ct_states = ctStates
    ode.ct_y0 = ctY0
    ode.ct_times = ctTimes
    ode.gradient_statistics = gradientStatistics
    ode.captures = UnsafePointer(p.keep([a, b, w]))
    ode.ct_captures = UnsafePointer(p.keep([ctA, ctB, ctW]))
    let description = UnsafePointer(p.keep([ode]))
    for op in gradient ? [nk_opcode.NK_OP_ODE, .NK_OP_ODE_GRADIENT] : [.NK_OP_ODE] {
      p.emit(op) { $0.u.ode = description }
    }
    p.region(.NK_REGION_SERIAL)
    let tapeMemory = Operand(bytes: nk_ode_tape_bytes(description), .NK_F64)
    func output(_ count: Int) -> Operand { Operand(count, .NK_F64) }
    let arguments =
      [values.y0, values.times, values.a, values.b, values.w].map { Operand($0, .NK_F64) }
      + [output(count * state), output(8), tapeMemory, Operand(weights, .NK_F64), output(state)]
      + [output(count), output(dim * dim), output(dim), output(state), output(8)]
    let (status, diagnosis) = withExtendedLifetime(owner) {
      ProgramBuilder.run(p.build(), arguments, threads: threads)
    }
    let steps = status == .NK_SUCCESS ? Int(tapeMemory.raw.load(as: Int64.self)) : 0
    let found = Values(
      y0: arguments[9].values, a: arguments[11].values, b: arguments[12].values, w: arguments[13].values,
      times: arguments[10].values)
    return Outcome(
      status: status, diagnosis: diagnosis, states: arguments[5].values, statistics: arguments[6].values,
      stepTimes: sensitivity == .NK_SENSITIVITY_EXACT && steps > 0
        ? (0...steps).map { tapeMemory[8 + $0] } : [],
      gradient: gradient ? found : nil, gradientStatistics: arguments[14].values)
  }

  // MARK: The oracle

  func slope(_ t: Double, _ y: [Double], _ x: Values, lane: Int) -> [Double] {
    (0..<dim).map { j in
      let u = (0..<dim).reduce(0.0) { $0 + y[$1] * x.a[$1 * dim + j] }
      return tanh(u + t * x.b[j] + x.w[lane * dim + j])
    }
  }

  /// The states of a solve whose steps begin at fractions of the span (of the interval between save times that a number of
  /// steps divides), as the kernels freeze them: a save time at the end
  /// of a step moves along the flow, one inside of a step moves the point where the dense output is read.
  func states(_ x: Values, stepTimes: [Double]) -> [Double] {
    let t = stepTimes.map { time in
      var (from, to) = (0, times.count - 1)
      if controller.adaptive == 0 && controller.steps_per_interval > 0 {
        from = times.dropLast().lastIndex { abs($0 - times[0]) <= abs(time - times[0]) }!
        to = from + 1
      }
      return x.times[from] + (time - times[from]) / (times[to] - times[from]) * (x.times[to] - x.times[from])
    }
    var result = [Double](repeating: 0, count: times.count * lanes * dim)
    for lane in 0..<lanes {
      var y = Array(x.y0[lane * dim..<(lane + 1) * dim])
      func save(_ i: Int, _ y: [Double]) {
        for j in 0..<dim { result[(i * lanes + lane) * dim + j] = y[j] }
      }
      save(0, y)
      for n in 0..<stepTimes.count - 1 {
        let h = t[n + 1] - t[n]
        var k: [[Double]] = []
        func combined(_ w: [Double]) -> [Double] {
          (0..<dim).map { j in y[j] + h * zip(w, k).reduce(0) { $0 + $1.0 * $1.1[j] } }
        }
        for (row, c) in zip(method.allRows, method.nodes) {
          k.append(slope(t[n] + c * h, combined(row), x, lane: lane))
        }
        let y1 = combined(method.weights)
        for i in 1..<times.count {
          let inside = (times[i] - stepTimes[n]) / (stepTimes[n + 1] - stepTimes[n])
          if times[i] == stepTimes[n + 1] {
            let drift = x.times[i] - t[n + 1], f = slope(t[n + 1], y1, x, lane: lane)
            save(i, zip(y1, f).map { $0 + drift * $1 })
          } else if inside > 0 && inside < 1 {
            let at = (x.times[i] - t[n]) / h
            save(i, combined(method.dense.map { $0.reversed().reduce(0) { ($0 + $1) * at } }))
          }
        }
        y = y1
      }
    }
    return result
  }

  /// Central differences of sum(weights * states).
  func differences(_ stepTimes: [Double]) -> Values {
    func loss(_ x: Values) -> Double {
      zip(weights, states(x, stepTimes: stepTimes)).reduce(0) { $0 + $1.0 * $1.1 }
    }
    func along(_ path: WritableKeyPath<Values, [Double]>) -> [Double] {
      values[keyPath: path].indices.map { i in
        let h = 1e-5
        var up = values, down = values
        up[keyPath: path][i] += h
        down[keyPath: path][i] -= h
        return (loss(up) - loss(down)) / (2 * h)
      }
    }
    return Values(y0: along(\.y0), a: along(\.a), b: along(\.b), w: along(\.w), times: along(\.times))
  }
}

extension OdeProblem.Values {
  var all: [(String, [Double])] { [("y0", y0), ("A", a), ("b", b), ("w", w), ("times", times)] }
  var flat: [Double] { all.flatMap(\.1) }
}

func largestDifference(_ a: [Double], _ b: [Double]) -> Double {
  zip(a, b).reduce(a.count == b.count ? 0 : .infinity) {
    let d = abs($1.0 - $1.1)
    return d.isNaN ? .infinity : max($0, d)
  }
}
