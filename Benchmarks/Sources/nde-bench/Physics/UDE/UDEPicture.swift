import NODECore
import RunnerSupport

/// Fits, extrapolations and what the network learned, as SVG.
struct UDEPicture {
  let folder: String

  private func series(
    _ name: String, _ times: [Double], _ values: Tensor<Double>, _ component: Int, joined: Bool = true
  ) -> SVGPlot.Series {
    let numbers = values[.all, component].scalars
    return SVGPlot.Series(name, zip(times, numbers).map { SVGPlot.Point($0, $1) }, joined: joined)
  }

  private func write(_ plot: SVGPlot, _ name: String) throws {
    try writeAtomically(plot.svg, to: "\(folder)/\(name).svg")
  }

  func lotkaVolterra(_ outcome: UDELotkaVolterra.Outcome, _ data: UDEObservations) throws {
    let system = DynamicalSystem.lotkaVolterra, long = (0...1000).map { Double($0) / 20 }
    let note = outcome.equations.text().joined(separator: ", ")
    guard let path = try? outcome.recovered.states(at: long) else { return }
    let truth = try system.trajectory(at: long)
    try write(
      SVGPlot(
        title: "Lotka-Volterra: 31 observations of [0, 3], extrapolated", note: note, x: Axis("t"),
        y: Axis(""),
        series: [
          series("x, truth", long, truth, 0), series("y, truth", long, truth, 1),
          series("x, recovered", long, path, 0), series("y, recovered", long, path, 1),
          series("x, observed", system.times, data.values, 0, joined: false),
          series("y, observed", system.times, data.values, 1, joined: false),
        ]), "lotka-volterra-extrapolation")
    let fine = (0...300).map { Double($0) / 100 }, states = try outcome.model.states(at: fine)
    let learned = outcome.model.field.unknown(states)
    let product = states[.all, 0] * states[.all, 1]
    let interaction = Tensor.stacked([product * -0.9, product * 0.8], axis: 1)
    try write(
      SVGPlot(
        title: "Lotka-Volterra: the interaction that the network learned", note: data.name, x: Axis("t"),
        y: Axis("along the fitted trajectory"),
        series: [
          series("-0.9 x y", fine, interaction, 0), series("first output", fine, learned, 0),
          series("0.8 x y", fine, interaction, 1), series("second output", fine, learned, 1),
        ]), "lotka-volterra-interaction")
  }

  func epidemic(_ outcome: UDEEpidemic.Outcome, _ kind: UDEEpidemic.Kind) throws {
    let system = kind.system, days = (0...240).map { Double($0) / 4 }
    let truth = try system.trajectory(at: days), path = try outcome.model.states(at: days)
    let last = system.start.count - 1
    let names = system.field.variables
    try write(
      SVGPlot(
        title: "\(kind.rawValue) with unknown exposure: 21 days observed",
        note: outcome.equations.text().joined(separator: ", "), x: Axis("day"),
        y: Axis("share of the population"),
        series: [0, kind.infected, last].flatMap { component in
          [
            series("\(names[component]), truth", days, truth, component),
            series("\(names[component]), network", days, path, component),
          ]
        }), "\(kind.rawValue.lowercased())-extrapolation")
    let learned = outcome.model.field.unknown(path)
    let beta = -system.field.equations[0][0].coefficient
    let exposure = (path[.all, 0] * path[.all, kind.infected] * beta).expandingShape(at: 1)
    try write(
      SVGPlot(
        title: "\(kind.rawValue): the exposure that the network learned", note: "learned on days 0 to 21",
        x: Axis("day"), y: Axis("a day"),
        series: [series("beta S I", days, exposure, 0), series("network", days, learned, 0)]),
      "\(kind.rawValue.lowercased())-exposure")
  }

  func hudson(_ outcome: UDEHudsonBay.Outcome, _ data: UDEObservations) throws {
    let fine = (0...400).map { Double($0) / 20 }, years = (0...20).map(Double.init)
    let path = try outcome.model.states(at: fine)
    try write(
      SVGPlot(
        title: "Hare and lynx: seed \(outcome.seed), loss \(SeedReport.text(outcome.final))",
        note: outcome.equations.text().joined(separator: ", "), x: Axis("years since 1900"),
        y: Axis("share of the largest"),
        series: [
          series("hare", fine, path, 0), series("lynx", fine, path, 1),
          series("hare, observed", years, data.values, 0, joined: false),
          series("lynx, observed", years, data.values, 1, joined: false),
        ]), "hudson-fit")
    let learned = outcome.model.field.unknown(path)
    try write(
      SVGPlot(
        title: "Hare and lynx: the interaction that the network learned", x: Axis("years since 1900"),
        y: Axis("along the fitted trajectory"),
        series: [series("hare", fine, learned, 0), series("lynx", fine, learned, 1)]), "hudson-interaction")
  }
}
