import ArgumentParser
import NODECore
import RunnerSupport

/// The tasks of the comparison; a new one is a case, and where `run` finds its experiment.
enum NodeTask: String, CaseIterable, ExpressibleByArgument {
  case parity, crossing, spheres, oscillators, vanderpol

  /// What a task is told, and where it puts its results.
  struct Setting {
    var seeds: SeedOptions
    /// The papers' iterations are divided by this.
    var cut: Int
    /// Folder of the pictures.
    var folder: String

    func iterations(_ published: Int) -> Int { max(1, published / cut) }
  }

  func run(_ setting: Setting) throws -> [SeedFigure] {
    switch self {
    case .parity:
      return try (1...10).flatMap { d in
        try setting.figures(of: .parity(d, setting), published: Published.parity(dimensions: d))
      }
    case .crossing: return try setting.figures(of: .crossing(setting), published: Published.crossing)
    case .spheres:
      return try setting.figures(of: .spheres(setting)) + setting.figures(of: .shells(setting))
    case .oscillators:
      return try setting.figures(of: .oscillators(.full, setting))
        + setting.figures(of: .oscillators(.positions, setting))
    case .vanderpol: return try setting.figures(of: .vanDerPol(setting), published: Published.vanDerPol)
    }
  }
}

extension MapExperiment {
  /// The authors' generalised_parity.
  static func parity(_ d: Int, _ setting: NodeTask.Setting) -> MapExperiment {
    MapExperiment(
      task: "parity, d = \(d)", dataset: .parity(dimensions: d), kinds: [.node, .anode, .sonode],
      architecture: .init(
        dimensions: d, hidden: [20, 20], activation: .elu, accelerationOutput: .elu, velocityBound: 10),
      iterations: setting.iterations(1000), learningRate: 0.01)
  }

  /// The replication's settings of Dupont's figure 3, for all models.
  static func crossing(_ setting: NodeTask.Setting) -> MapExperiment {
    MapExperiment(
      task: "crossing", dataset: .crossing, kinds: DepthModelKind.allCases,
      architecture: .init(dimensions: 1, hidden: [16, 16], activation: .tanh, tolerance: 1e-5),
      iterations: setting.iterations(300), learningRate: 0.01)
  }

  /// Dupont's g in the plane: 31 batches of 64 in each of 30 epochs.
  static func spheres(_ setting: NodeTask.Setting) -> MapExperiment {
    MapExperiment(
      task: "nested spheres", dataset: .nestedSpheres(dimensions: 2),
      kinds: [.node, .anode, .sonode, .galerkin, .dataControlled],
      architecture: .init(dimensions: 2, hidden: [32, 32], activation: .relu, augmented: 5, seesTime: true),
      iterations: setting.iterations(930), batch: 64, learningRate: 1e-3, loss: .huber)
  }

  /// Norcliffe's nested-n-spheres in the plane.
  static func shells(_ setting: NodeTask.Setting) -> MapExperiment {
    MapExperiment(
      task: "nested shells", dataset: .nestedShells(dimensions: 2), kinds: [.node, .anode, .sonode],
      architecture: .init(dimensions: 2, hidden: [20, 20], activation: .elu, velocityBound: 5),
      iterations: setting.iterations(600), learningRate: 0.01, clampsReadout: true)
  }
}

extension TrajectoryExperiment {
  static func oscillators(_ fit: Fit, _ setting: NodeTask.Setting) -> TrajectoryExperiment {
    TrajectoryExperiment(
      task: fit == .full ? "oscillators" : "oscillators, positions seen", dataset: .dampedOscillators,
      fit: fit,
      iterations: setting.iterations(1000))
  }

  static func vanDerPol(_ setting: NodeTask.Setting) -> TrajectoryExperiment {
    TrajectoryExperiment(
      task: "forced Van der Pol", dataset: .forcedVanDerPol, fit: .driven,
      iterations: setting.iterations(1000))
  }
}

/// The authors' own figures, by model.
enum Published {
  /// Test MSE, means of four runs, of the stored generalised_parity_results.npy (a-norcliffe/sonode).
  static func parity(dimensions d: Int) -> [DepthModelKind: SeedFigureSource] {
    let means: [DepthModelKind: [Double]] = [
      .node: [
        0.371, 3.26e-4, 0.159, 2.19e-3, 0.0916, 8.21e-3, 0.0778, 0.0221, 0.0732, 0.0214,
      ],
      .anode: [
        7.22e-6, 3.19e-5, 8.20e-5, 1.96e-4, 3.41e-4, 4.82e-4, 4.93e-4, 1.86e-3, 1.98e-3, 4.68e-3,
      ],
      .sonode: [
        2.02e-5, 4.26e-6, 1.27e-5, 5.84e-5, 7.53e-5, 1.24e-4, 1.72e-4, 2.10e-4, 2.51e-4, 7.32e-4,
      ],
    ]
    return means.mapValues {
      SeedFigureSource(value: $0[d - 1], source: "Norcliffe et al. 2020, stored results, mean of 4 runs")
    }
  }

  static let crossing: [DepthModelKind: SeedFigureSource] = [
    .node: .init(value: 1.0001, source: "replication of Dupont et al. 2019"),
    .anode: .init(value: 0, source: "replication of Dupont et al. 2019"),
  ]

  /// Test MSE, medians of three runs, of the stored vdp_oscillator_results.npy.
  static let vanDerPol: [DepthModelKind: SeedFigureSource] = [
    .anode: .init(value: 2.99, source: "Norcliffe et al. 2020, stored results, median of 3 runs"),
    .sonode: .init(value: 5.78, source: "Norcliffe et al. 2020, stored results, median of 3 runs"),
  ]
}

/// A published figure, and where it stands.
struct SeedFigureSource {
  var value: Double
  var source: String
}
