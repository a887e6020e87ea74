import ArgumentParser
import Foundation
import NODECore
import RunnerSupport

/// What both planar commands are told.
struct PlanarOptions: ParsableArguments {
  @Argument(help: "u1 ... u4 or data.") var targets = ["u1"]
  @Option(parsing: .upToNextOption, help: "Units and layers.") var sizes = [2, 8, 32]
  @Option(parsing: .upToNextOption, help: "cnf, nf.") var flows = PlanarKind.allCases
  @Option(help: "The paper's iterations are divided by this.") var cut = 10
  @Option(help: "Samples of one step.") var batch = 512
  @Flag(
    inversion: .prefixedNo,
    help: "Continuous flows to energies: the gradient through the samples alone, without the score's noise.")
  var pathwise = false
  @Option(
    parsing: .upToNextOption,
    help:
      "cnf, nf: those that minimise energies by L-BFGS on quadratures of the base, not by steps on samples.")
  var quadrature: [PlanarKind] = []
  @Option(help: "With --quadrature: the share of the iterations that comes before it, on samples.")
  var handover = 0.0
  @Option(help: "With --quadrature: lattices, one after the other, that share the iterations.")
  var lattices = 4
  @Option(help: "Samples of the report.") var samples = 20_000
  @Option(help: "Folder for the results.") var out = "Benchmarks/runs/planar"

  func hasNoRate(_ kind: PlanarKind) -> Bool { handover == 0 && quadrature.contains(kind) }

  func validate() throws {
    for target in targets {
      guard PlanarTarget(target) != nil else {
        throw ValidationError("\(target) is neither u1, u2, u3, u4 nor data of known entropy")
      }
    }
    for target in targets where !quadrature.isEmpty {
      guard case .energy = PlanarTarget(target)! else {
        throw ValidationError("--quadrature is of energies, \(target) has samples alone")
      }
    }
    guard handover >= 0, handover < 1 else {
      throw ValidationError("--handover must be at least 0 and below 1, got \(handover)")
    }
    try requireOption("--lattices", lattices, in: 1...1000)
    for size in sizes { try requireOption("--sizes", size, in: 1...1024) }
    try requireOption("--cut", cut, in: 1...10_000)
    try requireOption("--batch", batch, in: 2...100_000)
    try requireOption("--samples", samples, in: 100...10_000_000)
  }
}

/// Planar flows, continuous and discrete, on one target after another (Chen et al. 2018, figures 4 and 5).
struct DensityPlanar: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "planar",
    abstract: "Compares planar continuous flows of M units with planar flows of K = M layers.",
    discussion: """
      Energies (u1, u2, u3, u4) are fitted by the Kullback-Leibler divergence to them, which is reported; u2 to u4 on \
      the square [-4, 4]². Names of data are fitted by maximum likelihood; there the test's negative log-likelihood \
      less the entropy is reported. All of it from --samples samples, in double precision, the continuous flow at 1e-7 \
      with its exact trace. Continuous flows take 10,000 steps of Adam, discrete ones 500,000 of RMSprop, as the \
      paper's; --cut divides both. With --quadrature they take at most as many evaluations of the divergence and its \
      gradient on a lattice of the base's plane, those of line searches included. Learning rates, the end time and the \
      start of the discrete flow are those that `planar-grid` chose (--settings), or options.
      """)

  @OptionGroup var options: PlanarOptions
  @OptionGroup var repeats: SeedOptions
  @Option(help: "A file of planar-grid: what it chose for a target and size stands above the options.")
  var settings: String?
  @Option(help: "Largest learning rate of the continuous flows; it falls to a hundredth.") var cnfRate = 5e-3
  @Option(help: "End time of the continuous flows.") var endTime = 10.0
  @Option(help: "Largest learning rate of the discrete flows; it falls to a hundredth.") var nfRate = 1e-3
  @Option(help: "Spread of the discrete flows' normals at the start.") var spread = 1.0

  struct Row: Codable {
    var target: String, flow: PlanarKind, size: Int, steps: Int
    var settings: PlanarSettings
    /// One a seed.
    var results: [PlanarResult]

    private var ordered: [Double] { results.map(\.excess).sorted() }
    var median: Double { RunnerSupport.median(ordered) }
    var text: String {
      let errors = RunnerSupport.median(results.map(\.standardError))
      guard results.count > 1 else { return String(format: "%.4f ± %.4f", median, errors) }
      return String(format: "%.4f (%.4f to %.4f) ± %.4f", median, ordered.first!, ordered.last!, errors)
    }
    /// Steps, or evaluations where they ended before.
    var work: Int { Int(RunnerSupport.median(results.map { Double($0.evaluations) })) }
    var seconds: Double { RunnerSupport.median(results.map(\.seconds)) }
  }

  struct Report: Codable {
    var batch: Int, samples: Int
    var rows: [Row] = []

    var table: TextTable {
      let header = PlanarKind.allCases.flatMap { [$0.rawValue, "rate, scale", "steps", "s"] }
      var table = TextTable(["target", "M = K"] + header)
      for row in rows where row.flow == rows[0].flow {
        let cells = PlanarKind.allCases.flatMap { kind -> [String] in
          let own = rows.first { $0.target == row.target && $0.size == row.size && $0.flow == kind }
          guard let own else { return ["", "", "", ""] }
          return [own.text, own.settings.text, "\(own.work)", String(format: "%.0f", own.seconds)]
        }
        table.add([row.target, "\(row.size)"] + cells)
      }
      return table
    }

    func write(to folder: String) throws {
      try writeAtomically(try jsonText(self), to: folder + "/planar.json")
      try writeAtomically(table.markdown + "\n", to: folder + "/planar.md")
    }
  }

  func validate() throws {
    for (name, value) in [
      ("--cnf-rate", cnfRate), ("--nf-rate", nfRate), ("--end-time", endTime), ("--spread", spread),
    ] {
      guard value > 0, value.isFinite else { throw ValidationError("\(name) must be positive, got \(value)") }
    }
  }

  func run() throws {
    Interrupt.install()
    let chosen = try settings.map { try DensityPlanarGrid.choices(in: $0) } ?? []
    try makeFolder(options.out)
    var report = Report(batch: options.batch, samples: options.samples)
    for target in options.targets {
      for size in options.sizes {
        for kind in options.flows where !Interrupt.isRequested {
          var own = chosen.first { $0.target == target && $0.size == size && $0.flow == kind }?.chosen
          if options.hasNoRate(kind) {
            own?.learningRate = 0
          } else if own?.learningRate == 0 {
            throw RunnerError("\(settings!) has no learning rate of \(kind.rawValue)s: it is of --quadrature")
          }
          let experiment = PlanarExperiment(
            target: target, kind: kind, size: size, settings: own ?? fallback(kind),
            steps: max(1, kind.paperSteps / options.cut), batch: options.batch, samples: options.samples,
            pathwise: options.pathwise, quadrature: options.quadrature.contains(kind),
            handover: options.handover, lattices: options.lattices, seed: 0)
          let results = try repeats.forEachSeed { seed -> PlanarResult? in
            var copy = experiment
            copy.seed = seed
            let result = try copy.run()
            if let result { say(Self.line(copy, result)) }
            return result
          }
          // What was cut short is not reported.
          if Interrupt.isRequested { break }
          report.rows.append(
            Row(
              target: target, flow: kind, size: size, steps: experiment.steps, settings: experiment.settings,
              results: results.compactMap { $0 }))
          try report.write(to: options.out)
        }
      }
    }
    print("\n" + report.table.terminal)
    if Interrupt.isRequested { throw ExitCode(130) }
  }

  private func fallback(_ kind: PlanarKind) -> PlanarSettings {
    let hasNoRate = options.hasNoRate(kind)
    return kind == .continuous
      ? PlanarSettings(learningRate: hasNoRate ? 0 : cnfRate, scale: endTime)
      : PlanarSettings(learningRate: hasNoRate ? 0 : nfRate, scale: spread)
  }

  static func line(_ experiment: PlanarExperiment, _ result: PlanarResult) -> String {
    String(
      format: "%@, %@ of %d (%@), seed %d: %.4f ± %.4f nats above the least after %d steps in %.0f s",
      experiment.target, experiment.kind.rawValue, experiment.size, experiment.settings.text,
      Int(experiment.seed), result.excess, result.standardError, result.evaluations,
      result.seconds)
  }
}
