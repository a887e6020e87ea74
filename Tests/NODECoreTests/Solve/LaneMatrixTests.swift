import NODECore
import Testing

private typealias D = Tensor<Double>

/// Fields of lanes that are each at a time of their own, whose matrices belong to the lanes or move with time.
@Suite struct LaneMatrixTests {
  private static let lanes = 4, n = 3
  private static let matrices =
    D.normal(shape: [lanes, n, n], key: RandomKey(seed: 1)) * 0.3 + D.identityMatrix(n) * 2
  private static let shared =
    D.normal(shape: [n, n], key: RandomKey(seed: 2)) * 0.3 + D.identityMatrix(n) * 2
  private static let start = D.normal(shape: [lanes, n], key: RandomKey(seed: 3))

  struct Field: Sendable, CustomTestStringConvertible {
    let name: String
    /// t, the state, matrices of the lanes.
    let slope: @Sendable (Tensor<Double>, Tensor<Double>, Tensor<Double>) -> Tensor<Double>
    var testDescription: String { name }
  }

  private static func column(_ y: D) -> D { y.expandingShape(at: -1) }

  static let fields = [
    Field(name: "a product with matrices of time") { t, y, m in
      -matmul(m * cos(t), column(y)).squeezed(axes: -1)
    },
    Field(name: "systems with matrices of time") { t, y, m in -solve(m * (1 + t), y) },
    Field(name: "systems with one matrix of time") { t, y, _ in
      -solve(shared * (1 + t), column(y)).squeezed(axes: -1)
    },
    Field(name: "triangles of time") { t, y, m in
      -triangularSolve(m * (1 + t), column(y)).squeezed(axes: -1)
    },
    Field(name: "determinants of time") { t, y, m in
      -y * determinant(m * (1 + t)).expandingShape(at: -1) * 0.1
    },
    Field(name: "eigenvalues of time") { t, y, m in
      -y * symmetricEigen(m * (1 + t)).values
    },
    Field(name: "Cholesky factors of one matrix of time") { t, y, _ in
      let square = matmul(shared.transposed(), shared) + D.identityMatrix(n)
      return -matmul(cholesky(square * (1 + t)), column(y)).squeezed(axes: -1)
    },
    Field(name: "matrices of the lanes alone") { t, y, m in -solve(m, y) * cos(t) },
  ]

  /// A lane in company is the lane alone, whose shared steps are its own.
  @Test(arguments: fields) func lanesAreAtTimesOfTheirOwn(field: Field) throws {
    let together = try odeint(
      from: Self.start, at: [0, 0.7], rtol: 1e-8, atol: 1e-8, controller: .perLane
    ) { t, y in field.slope(t, y, Self.matrices) }.final.evaluated()
    for lane in 0..<Self.lanes {
      let alone = try odeint(from: Self.start[lane..<lane + 1], at: [0, 0.7], rtol: 1e-8, atol: 1e-8) {
        t, y in
        field.slope(t, y, Self.matrices[lane..<lane + 1])
      }.final.evaluated()
      #expect(distance(together[lane].scalars, alone.scalars) < 1e-10, "lane \(lane)")
    }
  }

  @Test(arguments: fields, [SensitivityMethod.exact, .backsolve])
  func gradientsOfMatrices(field: Field, sensitivity: SensitivityMethod) throws {
    for controller in [Controller.fixed(stepsPerInterval: 80).perLane, .fixed(stepsPerInterval: 80)] {
      let report = try checkGradient(
        of: { x in
          let path = try odeint(
            from: x[0], at: [0, 0.7], method: .rk4, controller: controller, sensitivity: sensitivity
          ) { t, y in field.slope(t, y, x[1]) }
          return sin(path.final).sum()
        }, at: [Self.start, Self.matrices], modes: [.reverse], tolerance: 1e-6)
      #expect(report.passed, "\(report)")
    }
  }

  /// What has no form for lanes with times of their own is an error that can be caught.
  @Test func otherUsesOfTimeAreRefused() {
    let refused: [@Sendable (D, D) -> D] = [
      { t, y in y * (D.ones([3]) * t).cumulativeSum(axis: 0) },
      { t, y in (y.reshaped(to: [12]) * t).reshaped(to: [4, 3]) },
    ]
    for field in refused {
      #expect(throws: CompileError.self) {
        try odeint(from: Self.start, at: [0, 1], controller: .perLane) { t, y in field(t, y) }.final
          .evaluated()
      }
    }
  }
}
