import Foundation
import Testing

@testable import NODECore

typealias Field = @Sendable (Tensor<Double>, Tensor<Double>) -> Tensor<Double>

/// An initial value problem with the solution at its last time. References were recomputed in 113-bit arithmetic by two
/// independent settings of an extrapolation code that agree to at least 19 digits.
struct ReferenceProblem: Sendable, CustomTestStringConvertible {
  let name: String
  let start: [Double]
  let end: Double
  let reference: [Double]
  /// How much larger than the tolerance the error at the end may be, relative to the largest component: the condition of
  /// the problem over this time.
  let amplification: Double
  let field: Field

  init(
    _ name: String, _ start: [Double], to end: Double, _ reference: [Double], amplification: Double = 100,
    _ field: @escaping Field
  ) {
    self.name = name
    self.start = start
    self.end = end
    self.reference = reference
    self.amplification = amplification
    self.field = field
  }

  var testDescription: String { name }
  var y0: Tensor<Double> { Tensor(start) }

  /// Largest error, relative to the largest component of the reference.
  func error(_ state: [Double]) -> Double {
    zip(state, reference).map { abs($0 - $1) }.max()! / reference.map(abs).max()!
  }

  static let all: [ReferenceProblem] =
    detestA + detestB + detestD + [
      ReferenceProblem(
        "Lotka-Volterra", [1, 1], to: 10, [1.026344767575089319, 9.096910781360416175e-1], lotkaVolterra),
      ReferenceProblem(
        "Lorenz", [1, 0, 0], to: 10, [-5.85768538242409002, -5.831082486426100443, 2.393213298702756265e+1],
        amplification: 1e5
      ) { _, y in
        .stacked([10.0 * (y[1] - y[0]), y[0] * (28.0 - y[2]) - y[1], y[0] * y[1] - (8.0 / 3) * y[2]])
      },
      ReferenceProblem(
        "rigid body", [1, 0, 0.9], to: 20,
        [6.062038539648122218e-1, 6.287472104501779704e-1, 8.073851485756025755e-1]
      ) { _, y in .stacked([-2.0 * y[1] * y[2], 1.25 * y[0] * y[2], -0.5 * y[0] * y[1]]) },
      ReferenceProblem(
        "Arenstorf", [0.994, 0, 0, -2.00158510637908252240537862224], to: 10,
        [
          -8.398071663389864715e-1, 4.468314170984720564e-1, 3.73742535614393834e-1, -1.496696446668951773e-1,
        ],
        amplification: 1e6, arenstorf),
      pleiades,
    ]

  /// Prey grows at 1.5, is eaten at 1; predators die at 3, grow at 1.
  @Sendable static func lotkaVolterra(_: Tensor<Double>, _ y: Tensor<Double>) -> Tensor<Double> {
    .stacked([1.5 * y[0] - y[0] * y[1], y[0] * y[1] - 3.0 * y[1]])
  }

  @Sendable private static func arenstorf(_: Tensor<Double>, _ y: Tensor<Double>) -> Tensor<Double> {
    let mu = 0.012277471, nu = 1 - mu
    func cube(_ x: Tensor<Double>) -> Tensor<Double> {
      let r2 = square(x) + square(y[1])
      return r2 * sqrt(r2)
    }
    let d1 = cube(y[0] + mu), d2 = cube(y[0] - nu)
    return .stacked([
      y[2], y[3], y[0] + 2.0 * y[3] - nu * (y[0] + mu) / d1 - mu * (y[0] - nu) / d2,
      y[1] - 2.0 * y[2] - nu * y[1] / d1 - mu * y[1] / d2,
    ])
  }

  /// Seven bodies of masses 1...7 in the plane; x, y, x', y'.
  private static let pleiades = ReferenceProblem(
    "Pleiades",
    [3, 3, -1, -3, 2, -2, 2, 3, -3, 2, 0, 0, -4, 4, 0, 0, 0, 0, 0, 1.75, -1.5, 0, 0, 0, -1.25, 1, 0, 0],
    to: 3,
    [
      3.706139143970512901e-1, 3.237284092057233093, -3.222559032418323347, 6.597091455775308359e-1,
      3.42558170715657979e-1, 1.562172101400631016, -7.003092922212495385e-1, -3.943437585517392055,
      -3.271380973972549928, 5.225081843456544192, -2.590612434977469511, 1.198213693392274638,
      -2.429682344935823409e-1, 1.091449240428979748, 3.417003806314314752, 1.354584501625501221,
      -2.59006559781077542, 2.025053734714241106, -1.155815100160449093, -8.072988170223021726e-1,
      5.952396354208718766e-1, -3.741244961234008471, 3.773459685750629037e-1, 9.386858869551078887e-1,
      3.667922227200569867e-1, -3.474046353808494366e-1, 2.344915448180936923, -1.947020434263291901,
    ], amplification: 1e4
  ) { _, state in
    let z = state.reshaped(to: [4, 7])
    let masses = Tensor<Double>([1, 2, 3, 4, 5, 6, 7])
    func differences(_ x: Tensor<Double>) -> Tensor<Double> {
      x.reshaped(to: [1, 7]) - x.reshaped(to: [7, 1])
    }
    let dx = differences(z[0]), dy = differences(z[1])
    // A body exerts no force on itself: the numerator is zero there, the one keeps the denominator away from it.
    let r2 = square(dx) + square(dy) + Tensor<Double>.identityMatrix(7)
    let strength = masses / (r2 * sqrt(r2))
    return Tensor.concatenated([z[2], z[3], (strength * dx).sum(axes: 1), (strength * dy).sum(axes: 1)])
  }

  // Hull, Enright, Fellen, Sedgwick, SIAM J. Numer. Anal. 9 (1972) 603, at t = 20.
  private static let detestA = [
    // The solution ends at 2e-9, so its relative error is worse than its absolute one by that.
    ReferenceProblem("A1", [1], to: 20, [2.061153622438557828e-9], amplification: 1e9) { _, y in -y },
    ReferenceProblem("A2", [1], to: 20, [2.182178902359923813e-1]) { _, y in -(y * y * y) / 2.0 },
    ReferenceProblem("A3", [1], to: 20, [2.491650271850414523]) { t, y in y * cos(t) },
    ReferenceProblem("A4", [1], to: 20, [1.773016648131483985e+1]) { _, y in y / 4.0 * (1.0 - y / 20.0) },
    ReferenceProblem("A5", [4], to: 20, [-7.887826688964014237e-1], amplification: 1e3) { t, y in
      (y - t) / (y + t)
    },
  ]
  private static let detestB = [
    ReferenceProblem(
      "B1", [1, 3], to: 20, [6.761876008576606607e-1, 1.860816099640029801e-1], amplification: 1e3
    ) { _, y in .stacked([2.0 * (y[0] - y[0] * y[1]), y[0] * y[1] - y[1]]) },
    ReferenceProblem("B2", [2, 0, 1], to: 20, [1.000000001030576811, 1.0, 9.999999989694231888e-1]) { _, y in
      .stacked([y[1] - y[0], y[0] - 2.0 * y[1] + y[2], y[1] - y[2]])
    },
    ReferenceProblem(
      "B3", [1, 0, 0], to: 20, [2.061153622438557828e-9, 5.257228022048512529e-2, 9.474277177183612523e-1]
    ) { _, y in .stacked([-y[0], y[0] - square(y[1]), square(y[1])]) },
    ReferenceProblem(
      "B4", [3, 0, 0], to: 20, [9.826950928006530499e-1, 2.198447081694929702, 9.129452507276276544e-1]
    ) { _, y in
      let r = sqrt(square(y[0]) + square(y[1]))
      return .stacked([-y[1] - y[0] * y[2] / r, y[0] - y[1] * y[2] / r, y[0] / r])
    },
    ReferenceProblem(
      "B5", [0, 1, 1], to: 20, [-9.396570798729203962e-1, -3.421177754000749065e-1, 7.414126596199953008e-1]
    ) { _, y in .stacked([y[1] * y[2], -(y[0] * y[2]), -0.51 * y[0] * y[1]]) },
  ]
  private static let detestD: [ReferenceProblem] = zip(
    [0.1, 0.3, 0.5, 0.7, 0.9],
    [
      [2.198835352008396613e-1, 9.427076846341813085e-1, -9.787659841058176515e-1, 3.287977990962036083e-1],
      [-1.777027357140411693e-1, 9.46778471990589258e-1, -1.030294163192969574, 1.211074890053952163e-1],
      [
        -5.780432953035361233e-1, 8.633840009194192801e-1, -9.595083730380727356e-1, -6.504915126712090168e-2,
      ],
      [
        -9.538990293416394397e-1, 6.907409024219431517e-1, -8.212674270877433095e-1, -1.539574259125824708e-1,
      ],
      [-1.295266250987574368, 4.003938963792321527e-1, -6.775390924707565888e-1, -1.270838154278686188e-1],
    ]
  ).enumerated().map { index, row in
    let (eccentricity, reference) = row
    return ReferenceProblem(
      "D\(index + 1)", [1 - eccentricity, 0, 0, ((1 + eccentricity) / (1 - eccentricity)).squareRoot()],
      to: 20,
      reference, amplification: 1e4
    ) { _, y in
      let r2 = square(y[0]) + square(y[1])
      let cube = r2 * sqrt(r2)
      return .stacked([y[2], y[3], -y[0] / cube, -y[1] / cube])
    }
  }
}
