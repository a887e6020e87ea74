import Foundation
import NODECore
import RunnerSupport

/// What a density that was learned is worth.
struct DensityReport {
  var settings: DensitySettings
  var seed: UInt64
  var iterations: Int, batch: Int
  var seconds: Double
  var nll: Estimate
  /// Of the data, where it is known.
  var entropy: Double?
  var losses: [(step: Int, loss: Double)]

  var line: String {
    var text =
      "\(settings.data), \(settings.method.rawValue): test NLL \(String(format: "%.4f ± %.4f", nll.mean, nll.standardError)) nats "
      + "of \(nll.count) points"
    if let entropy {
      text += String(format: ", entropy %.4f, excess %.4f", entropy, nll.mean - entropy)
    }
    return text + String(format: "; %d steps in %.0f s", iterations, seconds)
  }

  func write(to folder: String) throws {
    var object: [String: Any] = [
      "data": settings.data, "method": settings.method.rawValue, "seed": seed, "iterations": iterations,
      "batch": batch, "seconds": seconds, "testPoints": nll.count, "nll": nll.mean,
      "standardError": nll.standardError.isFinite ? nll.standardError : NSNull(),
      "losses": losses.map { [Double($0.step), $0.loss] },
    ]
    if let entropy { object["entropy"] = entropy }
    let json = try JSONSerialization.data(withJSONObject: object, options: [.prettyPrinted, .sortedKeys])
    try writeAtomically(String(decoding: json, as: UTF8.self) + "\n", to: folder + "/report.json")
    let plot = SVGPlot(
      title: "Loss", note: line, x: Axis("step"), y: Axis("loss"),
      series: [.init("loss", losses.map { .init(Double($0.step), $0.loss) })])
    try writeAtomically(plot.svg, to: folder + "/loss.svg")
  }
}
