/// Systems with known equations, at published settings: what methods of discovery are tried on.
public struct DynamicalSystem: Sendable, CustomStringConvertible {
  /// As reports print it.
  public let name: String
  /// The right sides, one equation for each variable.
  public let field: SymbolicField<Double>
  /// The state at the first time, one number for each variable.
  public let start: [Double]
  /// When it is observed.
  public let times: [Double]
  public var description: String { name }

  /// Every system there is.
  public static let all: [DynamicalSystem] = [.lotkaVolterra, .lorenz, .vanDerPol, .sir, .seir]

  /// - Parameters:
  ///   - name: as reports print it.
  ///   - field: as many equations as variables.
  ///   - start: the state at the first time, one number for each variable.
  ///   - times: at least one; integration needs them strictly increasing or strictly decreasing.
  public init(name: String, field: SymbolicField<Double>, start: [Double], times: [Double]) {
    require(
      field.variables.count == start.count && field.terms.count == start.count,
      "DynamicalSystem \(name): \(start.count) numbers to start from and \(field.terms.count) equations for "
        + "\(field.variables.count) variables")
    require(!times.isEmpty, "DynamicalSystem \(name): there must be a time")
    self.name = name
    self.field = field
    self.start = start
    self.times = times
  }

  /// Prey and predators, dx/dt = 1.3 x - 0.9 x y, dy/dt = 0.8 x y - 1.8 y, over [0, 3] by 0.1 (Rackauckas et al. 2020,
  /// supplement; `LotkaVolterra/scenario_1.jl` of their repository).
  public static let lotkaVolterra = {
    let x = Term(powers: [1, 0]), y = Term(powers: [0, 1])
    return DynamicalSystem(
      name: "Lotka-Volterra",
      field: SymbolicField(
        variables: ["x", "y"], equations: [[(x, 1.3), (x * y, -0.9)], [(x * y, 0.8), (y, -1.8)]]),
      start: [0.44249296, 4.6280594], times: (0...30).map { Double($0) / 10 })
  }()

  /// sigma = 10, rho = 28, beta = 8/3, from (-8, 8, 27) (Brunton, Proctor, Kutz 2016, figure 1), over [0, 10] by 0.01.
  public static let lorenz = {
    let x = Term(powers: [1, 0, 0]), y = Term(powers: [0, 1, 0]), z = Term(powers: [0, 0, 1])
    return DynamicalSystem(
      name: "Lorenz",
      field: SymbolicField(
        variables: ["x", "y", "z"],
        equations: [[(x, -10), (y, 10)], [(x, 28), (y, -1), (x * z, -1)], [(z, -8.0 / 3), (x * y, 1)]]),
      start: [-8, 8, 27], times: (0...1000).map { Double($0) / 100 })
  }()

  /// Van der Pol's oscillator with mu = 2, from (2, 0), over [0, 20] by 0.05.
  public static let vanDerPol = {
    let x = Term(powers: [1, 0]), v = Term(powers: [0, 1])
    return DynamicalSystem(
      name: "van der Pol",
      field: SymbolicField(
        variables: ["x", "v"], equations: [[(v, 1)], [(x, -1), (v, 2), (x * x * v, -2)]]),
      start: [2, 0], times: (0...400).map { Double($0) / 20 })
  }()

  /// Susceptible, infected and removed shares of a population (Kermack, McKendrick 1927), beta = 0.5 and gamma = 0.2 a day, from
  /// one infected in a thousand, daily for 21 days.
  public static let sir = {
    let s = Term(powers: [1, 0, 0]), i = Term(powers: [0, 1, 0])
    return DynamicalSystem(
      name: "SIR",
      field: SymbolicField(
        variables: ["S", "I", "R"],
        equations: [[(s * i, -0.5)], [(s * i, 0.5), (i, -0.2)], [(i, 0.2)]]),
      start: [0.999, 0.001, 0], times: (0...21).map(Double.init))
  }()

  /// Exposed ones between: beta = 0.5944, sigma = 1/3 and gamma = 1/5 a day, daily for 21 days, the rates and days of
  /// `SEIR_exposure/seir_exposure.jl` (Rackauckas et al. 2020), without deaths and outside infection, in shares of the population.
  public static let seir = {
    let s = Term(powers: [1, 0, 0, 0]), e = Term(powers: [0, 1, 0, 0]), i = Term(powers: [0, 0, 1, 0])
    return DynamicalSystem(
      name: "SEIR",
      field: SymbolicField(
        variables: ["S", "E", "I", "R"],
        equations: [
          [(s * i, -0.5944)], [(s * i, 0.5944), (e, -1.0 / 3)], [(e, 1.0 / 3), (i, -0.2)], [(i, 0.2)],
        ]),
      start: [0.99, 0.006, 0.004, 0], times: (0...21).map(Double.init))
  }()

  /// The states at `times` (nil: the system's own) to round-off, [times, variables].
  public func trajectory(at times: [Double]? = nil) throws -> Tensor<Double> {
    let times = times ?? self.times, y0 = Tensor(start, shape: [1, start.count])
    return try odeint(from: y0, at: times, method: .dopri5, rtol: 1e-12, atol: 1e-12) { _, y in field(y) }
      .states.reshaped(to: [times.count, start.count])
  }

  /// The trajectory at the system's times with independent normal noise, whose deviation is `noise` times the mean of each
  /// variable over the trajectory: [times, variables].
  public func observations(noise: Double, key: RandomKey) throws -> Tensor<Double> {
    requireSetting("DynamicalSystem.observations", "the noise", noise, .notNegative)
    let path = try trajectory()
    return path + .normal(shape: path.shape, key: key) * path.mean(axes: [0]) * noise
  }

  /// The right sides at states [rows, variables].
  public func derivatives(at states: Tensor<Double>) -> Tensor<Double> { field(states) }
}
