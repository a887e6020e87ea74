import CKernels
import Foundation
import Testing

/// A field of elementwise code and moves, whose rows a solve with steps per lane may store as columns.
struct ColumnarField: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let dim: Int
  var isColumnar = true
  /// Adds the body. Buffers: t, y, captures (2 numbers for all lanes, 3 of a lane), slope.
  let body:
    @Sendable (ProgramBuilder, _ t: Int32, _ y: Int32, _ shared: Int32, _ own: Int32, _ dy: Int32) -> Void

  static let all = [
    ColumnarField(testDescription: "two columns put together", dim: 2) { p, _, y, _, own, dy in
      let u = p.scratch(1), v = p.scratch(1)
      p.elementwise(
        dims: [1],
        operands: [
          view(y, lane: 2, [1]), view(y, offset: 1, lane: 2, [1]), view(own, lane: 3, [1]),
          view(own, offset: 2, lane: 3, [1]),
        ],
        code: [
          (.multiply, 0, 1, 0), (.multiply, 2, 0, 0), (.subtract, 5, 4, 0), (.multiply, 3, 1, 0),
          (.subtract, 4, 7, 0),
        ], outputs: [(u, 6), (v, 8)])
      p.emit(.NK_OP_INTERLEAVE, [u, v], [dy]) {
        $0.u.interleave.columns = 2
        $0.u.interleave.count = 1
      }
    },
    // y'' = -sin(y) + time: the first slope is a copy of the state, the last a constant.
    ColumnarField(testDescription: "copies, time, a constant", dim: 3) { p, t, y, shared, _, dy in
      p.copy([1], from: view(y, offset: 1, lane: 3, [1]), to: view(dy, lane: 3, [1]))
      let u = p.scratch(1), one = p.scratch(1)
      p.elementwise(
        dims: [1], operands: [view(y, lane: 3, [1]), view(t, lane: 1, [1]), view(shared, offset: 1, [1])],
        constants: [0.25],
        code: [(.sin, 0, 0, 0), (.multiply, 1, 2, 0), (.fma, 5, 3, 4), (.subtract, 6, 4, 0)],
        outputs: [(u, 7)])
      p.copy([1], from: view(u, lane: 1, [1]), to: view(dy, offset: 1, lane: 3, [1]))
      p.emit(.NK_OP_FILL, [], [one]) {
        $0.u.fill.value = 0.5
        $0.u.fill.count = 1
      }
      p.copy([1], from: view(one, lane: 1, [1]), to: view(dy, offset: 2, lane: 3, [1]))
    },
    // Rows at once, in place, read in reverse; one value for several components of what follows.
    ColumnarField(testDescription: "whole rows", dim: 3) { p, _, y, _, own, dy in
      let u = p.scratch(3)
      p.elementwise(
        dims: [3], operands: [view(y, offset: 2, lane: 3, [-1]), view(own, lane: 3, [1])],
        code: [(.tanh, 0, 0, 0), (.multiply, 2, 1, 0)], outputs: [(u, 3)])
      p.elementwise(
        dims: [3],
        operands: [view(u, lane: 3, [1]), view(y, lane: 3, [1]), view(u, offset: 1, lane: 3, [0])],
        constants: [-0.3], code: [(.fma, 1, 3, 0), (.add, 4, 2, 0), (.exp, 4, 0, 0), (.minimum, 6, 5, 0)],
        outputs: [(dy, 7)])
    },
    ColumnarField(testDescription: "one number", dim: 1) { p, t, y, shared, own, dy in
      p.elementwise(
        dims: [1],
        operands: [
          view(y, lane: 1, [1]), view(t, lane: 1, [1]), view(shared, [1]), view(own, offset: 1, lane: 3, [1]),
        ],
        code: [(.cos, 1, 0, 0), (.multiply, 0, 2, 0), (.multiply, 5, 3, 0), (.subtract, 4, 6, 0)],
        outputs: [(dy, 7)])
    },
    // More components than the error's partial sums.
    ColumnarField(testDescription: "many numbers", dim: 11) { p, _, y, shared, _, dy in
      p.elementwise(
        dims: [11], operands: [view(y, lane: 11, [1]), view(shared, [0])],
        code: [(.square, 0, 0, 0), (.multiply, 2, 1, 0), (.subtract, 3, 0, 0)], outputs: [(dy, 4)])
    },
    ColumnarField(testDescription: "a sum over the row", dim: 2, isColumnar: false) { p, _, y, _, _, dy in
      let total = p.scratch(1)
      p.emit(.NK_OP_REDUCE, [y], [total]) {
        $0.u.reduce.kind = .sum
        $0.u.reduce.outer = 1
        $0.u.reduce.count = 2
        $0.u.reduce.inner = 1
        $0.u.reduce.scale = 1
      }
      p.elementwise(
        dims: [2], operands: [view(y, lane: 2, [1]), view(total, lane: 1, [0])],
        code: [(.multiply, 0, 1, 0), (.sin, 2, 0, 0)], outputs: [(dy, 3)])
    },
  ]
}

/// A solve with steps per lane on columns has the bits of the same solve on rows, which is what a profile runs.
@Suite struct LaneColumnsTests {
  private struct Results: Equatable {
    var status: nk_status, states: [UInt64], statistics: [UInt64]
  }

  private func run(
    _ field: ColumnarField, _ dtype: nk_dtype, _ method: TestMethod, _ controller: nk_controller, lanes: Int,
    onRows: Bool, start: Double = 0.4
  ) -> (results: Results, isColumnar: Bool) {
    let inside = ProgramBuilder(dtype), dim = field.dim
    inside.blockLanes = 64
    let arguments = (
      inside.argument(1, lanes: true), inside.argument(dim, lanes: true), inside.argument(2),
      inside.argument(3, lanes: true), inside.argument(dim, lanes: true)
    )
    inside.region(.NK_REGION_SERIAL)
    inside.setupRegions = 1
    field.body(inside, arguments.0, arguments.1, arguments.2, arguments.3, arguments.4)
    inside.region(.NK_REGION_LANES, lanes: lanes)

    let p = ProgramBuilder(dtype), saves = 4
    let y0 = p.argument(lanes * dim), times = p.argument(saves * lanes, dtype: .NK_F64)
    let shared = p.argument(2), own = p.argument(3 * lanes), states = p.argument(saves * lanes * dim)
    let statistics = p.argument(8 * (1 + lanes), dtype: .NK_F64)
    var ode = nk_ode()
    ode.tableau = UnsafePointer(p.keep([method.tableau]))
    ode.controller = controller
    ode.controller.per_lane = 1
    ode.controller.tolerant = 1
    ode.dtype = dtype
    (ode.lanes, ode.dim, ode.time_count, ode.capture_count) = (Int64(lanes), Int64(dim), Int32(saves), 2)
    ode.capture_has_lanes = UnsafePointer(p.keep([Int32(0), 1]))
    ode.capture_elements = UnsafePointer(p.keep([Int64(2), 3]))
    ode.field = inside.build()
    (ode.y0, ode.times, ode.states, ode.statistics, ode.tape) = (y0, times, states, statistics, -1)
    ode.captures = UnsafePointer(p.keep([shared, own]))
    ode.ct_captures = UnsafePointer(p.keep([Int32(-1), -1]))
    let description = UnsafePointer(p.keep([ode]))
    p.emit(.NK_OP_ODE) { $0.u.ode = description }
    p.region(.NK_REGION_SERIAL)
    let program = p.build()

    func numbers(_ count: Int, _ value: (Int) -> Double) -> Operand { Operand((0..<count).map(value), dtype) }
    let operands = [
      numbers(lanes * dim) { start + 0.3 * sin(Double($0)) },
      // Spans of different lengths, every third one backward; save times inside of steps.
      Operand(
        (0..<saves * lanes).map {
          let lane = $0 / saves, sign = lane % 3 == 2 ? -1.0 : 1
          return sign * (1 + 0.1 * Double(lane % 5)) * [0, 0.37, 1.1, 2][$0 % saves]
        }, .NK_F64),
      Operand([0.7, -0.4], dtype), numbers(3 * lanes) { 0.6 + 0.3 * cos(Double($0)) },
      Operand(saves * lanes * dim, dtype), Operand(8 * (1 + lanes), .NK_F64),
    ]
    var status = nk_status.NK_SUCCESS
    withExtendedLifetime((inside, p)) {
      guard onRows else { return status = ProgramBuilder.run(program, operands).status }
      status = profiled(program, operands)
    }
    return (
      Results(
        status: status, states: operands[4].values.map(\.bitPattern),
        statistics: operands[5].values.map(\.bitPattern)),
      nk_ode_is_columnar(description) == 1
    )
  }

  private func profiled(_ program: UnsafePointer<nk_program>, _ operands: [Operand]) -> nk_status {
    let workspace = Operand(bytes: nk_program_workspace_bytes(program, 1), .NK_F64)
    var counters = [nk_counter](repeating: nk_counter(), count: 64 * Int(nk_profile_counters(1)))
    let pointers: [UnsafeMutableRawPointer?] = operands.map { $0.raw }
    return counters.withUnsafeMutableBufferPointer { counters in
      var tally = nk_tally()
      tally.counters = counters.baseAddress
      return withUnsafeMutablePointer(to: &tally) { tally in
        var profile = nk_profile()
        profile.instructions = 16
        profile.threads = 1
        profile.tallies = tally
        return withExtendedLifetime((workspace, operands)) {
          nk_program_profile(program, pointers, workspace.raw, nil, nil, &profile)
        }
      }
    }
  }

  @Test(arguments: ColumnarField.all, [nk_dtype.NK_F64, .NK_F32])
  func columnsHaveTheBitsOfRows(field: ColumnarField, dtype: nk_dtype) {
    let tolerance = dtype == .NK_F64 ? 1e-6 : 1e-4
    for method in [TestMethod.bosh3, .rk4] {
      let isFixed = method.embedded == 0
      var controller =
        isFixed ? OdeProblem.fixed(stepsPerInterval: 5) : OdeProblem.adaptive(tolerance, i: 0.3, p: 0.4)
      (controller.rtol, controller.atol) = (tolerance, tolerance)
      for (lanes, counted) in [(1, 0), (2, 0), (37, 0), (150, 1)] as [(Int, Int64)] {
        controller.error_components = counted
        let columns = run(field, dtype, method, controller, lanes: lanes, onRows: false)
        let rows = run(field, dtype, method, controller, lanes: lanes, onRows: true)
        #expect(columns.isColumnar == field.isColumnar)
        #expect(columns.results == rows.results, "\(method.name), \(lanes) lanes")
        #expect(columns.results.status == .NK_SUCCESS)
        #expect(columns.results.states.allSatisfy { Double(bitPattern: $0).isFinite })
      }
    }
  }

  /// Lanes that fail at different times leave the others alone, and say the same.
  @Test func failuresHaveTheBitsOfRows() {
    let field = ColumnarField.all[4]
    let controller = OdeProblem.adaptive(1e-6)
    let columns = run(field, .NK_F64, .bosh3, controller, lanes: 90, onRows: false, start: 2.4)
    let rows = run(field, .NK_F64, .bosh3, controller, lanes: 90, onRows: true, start: 2.4)
    let failed = (0..<90).filter { Double(bitPattern: columns.results.statistics[8 * (1 + $0)]) != 0 }
    #expect(!failed.isEmpty && failed.count < 90)
    // A lane that failed has NaN for what it did not reach: bits of NaN say nothing.
    #expect(columns.results.statistics == rows.results.statistics)
    for (a, b) in zip(columns.results.states, rows.results.states) {
      #expect(a == b || (Double(bitPattern: a).isNaN && Double(bitPattern: b).isNaN))
    }
  }
}
