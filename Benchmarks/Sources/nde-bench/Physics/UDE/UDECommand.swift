import ArgumentParser
import Foundation
import NODECore
import RunnerSupport

/// Universal differential equations: what is known stays as it is, a network learns the rest, and a sparse regression says what
/// it learned.
struct UDECommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ude",
    abstract: "Learns the unknown terms of population models and reads them off as formulas.",
    discussion: """
      lotka-volterra: Rackauckas et al. 2020, scenario 1: 31 noisy observations, the interaction unknown. seir: SIR and SEIR \
      with unknown exposure, 21 days of observations, 60 days of test. hudson: hares and lynxes 1900 to 1920. Everything \
      in double precision; Adam, then L-BFGS to convergence. The terms come from sequentially thresholded least squares on the \
      network's outputs; of the fits for all thresholds the extended Bayesian criterion takes the one that explains the \
      observations best when its coefficients are fitted through the solve.
      """)

  enum Task: String, CaseIterable, ExpressibleByArgument {
    case lotkaVolterra = "lotka-volterra", seir, hudson
  }

  @Option(help: "lotka-volterra, seir or hudson; all unless told.") var task: Task?
  @OptionGroup var seeds: SeedOptions
  @Option(help: "31 lines \"x,y\"; else $UDE_LV_DATA or data/ude_lotka_volterra.")
  var lotkaVolterraData: String?
  @Option(help: "hudson: networks begun for each seed; the best after a while is fitted to the end.")
  var starts = 8
  @Option(help: "21 lines of year, hare, lynx; else $HUDSON_BAY_DATA or data/hudson_bay.")
  var hudsonData: String?
  @Flag(
    inversion: .prefixedNo,
    help: ArgumentHelp(
      "lotka-volterra: fit the network to the derivatives of smoothed observations before anything is solved, then Adam at "
        + "0.001; without, as the authors, Adam at 0.1 from the start."))
  var prefit = true
  @Flag(help: "Learn from generated data even where there are others.") var generated = false
  @Option(help: "Folder for physics-ude.json, physics-ude.md and the pictures.") var out =
    "Benchmarks/runs/ude"

  func validate() throws { try requireOption("--starts", starts, in: 1...1000) }

  func run() throws {
    Interrupt.install()
    let start = monotonicSeconds()
    try makeFolder(out)
    var report = SeedReport()
    report.formulas = [:]
    let picture = UDEPicture(folder: out)
    for task in Task.allCases where self.task == nil || self.task == task {
      if Interrupt.isRequested { break }
      switch task {
      case .lotkaVolterra: try lotkaVolterra(&report, picture)
      case .seir:
        for kind in UDEEpidemic.Kind.allCases where !Interrupt.isRequested {
          try epidemic(kind, &report, picture)
        }
      case .hudson: try hudson(&report, picture)
      }
    }
    report.seconds = monotonicSeconds() - start
    try report.write(to: out, name: "physics-ude")
    print("\n" + report.table.terminal)
    if Interrupt.isRequested { throw ExitCode(130) }
  }

  private func lotkaVolterra(_ report: inout SeedReport, _ picture: UDEPicture) throws {
    let data = try UDEObservations.lotkaVolterra(path: lotkaVolterraData, generated: generated)
    say("Lotka-Volterra: \(data.name)")
    let task = UDELotkaVolterra(observations: data.values, prefits: prefit)
    let outcomes = try seeds.forEachSeed { seed in
      let outcome = try task.run(seed: seed)
      say(
        "seed \(seed): loss \(SeedReport.text(outcome.afterAdam)) after Adam, \(SeedReport.text(outcome.loss)) after "
          + "\(outcome.iterations) iterations; \(outcome.equations.text().joined(separator: ", ")); extrapolation "
          + "\(SeedReport.text(outcome.extrapolationBefore)) before the fit, \(SeedReport.text(outcome.extrapolationAfter)) "
          + "after it")
      return outcome
    }
    guard let first = outcomes.first else { return }
    let source = "Rackauckas et al. 2020, LotkaVolterra/results/Scenario_1_recovery_0.005.jld2"
    func add(
      _ figure: String, published: Double? = nil, _ value: (UDELotkaVolterra.Outcome) -> Double
    ) {
      report.figures.append(
        SeedFigure(
          task: data.name, model: "UDE 2-5-5-5-2", figure: figure, values: outcomes.map(value),
          published: published, source: published == nil ? nil : source))
    }
    add("loss after Adam", published: 1.642) { $0.afterAdam }
    add("loss", published: 9.941e-4, \.loss)
    add("exact support (1: yes), criterion on the network's outputs") { $0.isExactOnOutputs ? 1 : 0 }
    add("exact support (1: yes), criterion on the observations") { $0.isExact ? 1 : 0 }
    add("worst coefficient's relative error, regression", \.errorBefore)
    add("worst coefficient's relative error, fitted", \.errorAfter)
    add("sum of squares of the fitted equations", \.residuals)
    add("RMSE over (3, 50], regression", \.extrapolationBefore)
    add("RMSE over (3, 50], fitted", \.extrapolationAfter)
    say("exact support in \(outcomes.count { $0.isExact }) of \(outcomes.count)")
    for outcome in outcomes {
      report.formulas?["Lotka-Volterra, seed \(outcome.seed), unknown terms by regression"] = outcome
        .regressed.text()
      report.formulas?["Lotka-Volterra, seed \(outcome.seed)"] = outcome.equations.text()
    }
    try picture.lotkaVolterra(first, data)
  }

  private func epidemic(_ kind: UDEEpidemic.Kind, _ report: inout SeedReport, _ picture: UDEPicture) throws {
    let task = UDEEpidemic(kind: kind)
    say("\(kind.rawValue): generated data, noise 0.5 %")
    let outcomes = try seeds.forEachSeed { seed in
      let outcome = try task.run(seed: seed)
      say(
        "seed \(seed): loss \(SeedReport.text(outcome.loss)); \(outcome.equations.text().joined(separator: ", ")); "
          + "days 22 to 60 \(SeedReport.text(outcome.networkExtrapolation)) by the network, "
          + "\(SeedReport.text(outcome.extrapolation)) by the formulas")
      return outcome
    }
    guard let first = outcomes.first else { return }
    func add(_ figure: String, _ value: (UDEEpidemic.Outcome) -> Double) {
      report.figures.append(
        SeedFigure(
          task: "\(kind.rawValue), noise 0.5 %", model: "UDE 2-64-64-1", figure: figure,
          values: outcomes.map(value)))
    }
    add("loss", \.loss)
    add("exact support (1: yes)") { $0.isExact ? 1 : 0 }
    add("beta's relative error", \.error)
    add("RMSE over days 22 to 60, network", \.networkExtrapolation)
    add("RMSE over days 22 to 60, formulas", \.extrapolation)
    add("people lost by the network", \.lost)
    add("final size: defect of its equation", \.finalSizeDefect)
    add("final size: relative error", \.finalSizeError)
    for outcome in outcomes {
      report.formulas?["\(kind.rawValue), seed \(outcome.seed)"] = outcome.equations.text()
    }
    try picture.epidemic(first, kind)
  }

  private func hudson(_ report: inout SeedReport, _ picture: UDEPicture) throws {
    let data = try UDEObservations.hudsonBay(path: hudsonData, generated: generated)
    say("Hudson Bay: \(data.name)")
    let task = UDEHudsonBay(observations: data.values)
    let outcomes = try seeds.forEachSeed { seed in
      let outcome = try task.run(seed: seed, starts: starts)
      say(
        "seed \(seed): loss \(SeedReport.text(outcome.afterShooting)) after shooting, \(SeedReport.text(outcome.final)); "
          + outcome.equations.text().joined(separator: ", "))
      return outcome
    }
    guard let first = outcomes.min(by: { $0.final < $1.final }) else { return }
    func add(_ figure: String, published: Double? = nil, _ value: (UDEHudsonBay.Outcome) -> Double) {
      report.figures.append(
        SeedFigure(
          task: data.name, model: "UDE 2-5-5-5-2", figure: figure, values: outcomes.map(value),
          published: published,
          source: published == nil
            ? nil : "Rackauckas et al. 2020, LotkaVolterra/results/Hudson_Bay_recovery.jld2"))
    }
    if starts > 1 {
      add("loss of a start, median of \(starts)") { median($0.starts) }
    }
    add("loss after shooting", \.afterShooting)
    add("loss (squares / 21 + 1e-3 mean squared weight)", published: 3.579e-3, \.final)
    add("squares / 21", \.fit)
    add("squares / 21, recovered equations", \.recoveredFit)
    for outcome in outcomes {
      report.formulas?["Hudson Bay, seed \(outcome.seed)"] = outcome.equations.text()
    }
    try picture.hudson(first, data)
  }
}
