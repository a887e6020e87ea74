import Foundation
import RunnerSupport

/// Results as tables, Markdown and pictures.
struct Report {
  let results: Results

  private var note: String {
    let budget = results.budget
    return "\(budget.data), \(budget.trainImages) training and \(budget.testImages) test images, "
      + "\(budget.epochs) epochs\(results.isInterrupted ? ", interrupted" : "")"
  }

  var rowTable: TextTable {
    var table = TextTable([
      "model", "test error %", "95 % interval", "parameters", "planned", "peak", "s/epoch", "images/s",
      "NFE fwd",
      "NFE bwd", "0→T→0 error", "passes at",
    ])
    for row in results.rows {
      guard let last = row.epochs.last else { continue }
      let interval = wilsonInterval(failures: last.testErrors, of: results.budget.testImages)
      let seconds = median(row.epochs.map(\.seconds))
      let trained = results.budget.trainImages / results.budget.batch * results.budget.batch
      table.add([
        row.name + (row.isComplete ? "" : " (\(row.epochs.count) epochs)"),
        String(format: "%.2f", 100 * Double(last.testErrors) / Double(results.budget.testImages)),
        String(format: "%.2f–%.2f", 100 * interval.lowerBound, 100 * interval.upperBound),
        "\(row.parameters)", bytesText(row.plannedBytes), row.peakBytes.map(bytesText) ?? "-",
        String(format: "%.1f", seconds), String(format: "%.0f", Double(trained) / seconds),
        last.forwardEvaluations > 0 ? String(format: "%.1f", last.forwardEvaluations) : "-",
        last.backwardEvaluations > 0 ? String(format: "%.1f", last.backwardEvaluations) : "-",
        row.reconstruction.map { String(format: "%.1e at %.0e", $0.relativeError, $0.tolerance) } ?? "-",
        row.reconstruction.map { check in
          check.passingTolerance.map {
            String(format: "%.0e, NFE %.0f", $0, check.passingEvaluations ?? 0)
          } ?? "none"
        } ?? "-",
      ])
    }
    return table
  }

  var scalingTable: TextTable {
    var table = TextTable(["one training step", "size", "planned", "peak", "ms"])
    for scaling in results.scaling {
      for point in scaling.points {
        table.add([
          scaling.name, "\(point.size) \(scaling.unit)", bytesText(point.plannedBytes),
          point.peakBytes.map(bytesText) ?? "-", String(format: "%.1f", point.milliseconds),
        ])
      }
    }
    return table
  }

  var growthTable: TextTable {
    var table = TextTable(["growth", "memory ~ size^p", "time ~ size^p", "memory, largest / smallest"])
    for scaling in results.scaling where scaling.points.count > 1 {
      table.add([
        scaling.name, String(format: "%.3f", scaling.memoryExponent),
        String(format: "%.3f", scaling.timeExponent),
        String(format: "%.4f", 1 + scaling.memorySpread),
      ])
    }
    return table
  }

  var terminal: String {
    var parts = [results.machine.summary, note, "", rowTable.terminal]
    if !results.scaling.isEmpty { parts += ["", scalingTable.terminal, "", growthTable.terminal] }
    return parts.joined(separator: "\n")
  }

  var markdown: String {
    var parts = [
      "# ODE-Net against ResNet", "", results.machine.summary + ".  ", note + ".", "", rowTable.markdown,
    ]
    parts += pictures.map { "![\($0.name)](\($0.name).svg)" }.reduce(into: [""]) { $0.append($1) }
    if !results.scaling.isEmpty { parts += ["", scalingTable.markdown, "", growthTable.markdown] }
    return parts.joined(separator: "\n") + "\n"
  }

  var pictures: [(name: String, plot: SVGPlot)] {
    var pictures: [(String, SVGPlot)] = []
    let rows = results.rows.filter { !$0.epochs.isEmpty }
    if !rows.isEmpty {
      pictures.append(("error-against-time", errorAgainstTime(rows)))
      let solves = rows.filter { $0.epochs.contains { $0.forwardEvaluations > 0 } }
      if !solves.isEmpty { pictures.append(("nfe-over-training", evaluations(solves))) }
    }
    for unit in ["blocks", "evaluations"] {
      let shown = results.scaling.filter { $0.unit == unit }
      guard !shown.isEmpty else { continue }
      pictures.append(
        (
          "memory-against-\(unit)",
          scaling(shown, unit, "planned bytes of one step") { Double($0.plannedBytes) }
        ))
      pictures.append(
        ("time-against-\(unit)", scaling(shown, unit, "milliseconds of one step") { $0.milliseconds }))
    }
    return pictures
  }

  private func errorAgainstTime(_ rows: [Results.Row]) -> SVGPlot {
    let series = rows.map { row in
      var elapsed = 0.0
      let points = row.epochs.map { epoch in
        elapsed += epoch.seconds
        let interval = wilsonInterval(failures: epoch.testErrors, of: results.budget.testImages)
        let percent = 100 * Double(epoch.testErrors) / Double(results.budget.testImages)
        return SVGPlot.Point(
          elapsed, percent, interval: (100 * interval.lowerBound)...(100 * interval.upperBound))
      }
      return SVGPlot.Series(row.name, points)
    }
    return SVGPlot(
      title: "Test error against training time", note: note, x: Axis("seconds of training", .log),
      y: Axis("test error, %", .log), series: series)
  }

  private func evaluations(_ rows: [Results.Row]) -> SVGPlot {
    let series = rows.flatMap { row in
      [
        SVGPlot.Series(
          row.name + " forward", row.epochs.map { .init(Double($0.epoch), $0.forwardEvaluations) }),
        SVGPlot.Series(
          row.name + " backward", row.epochs.map { .init(Double($0.epoch), $0.backwardEvaluations) }),
      ]
    }
    return SVGPlot(
      title: "Field evaluations per batch over training", note: note, x: Axis("epoch"),
      y: Axis("evaluations per batch", startsAtZero: true), series: series)
  }

  private func scaling(
    _ shown: [Results.Scaling], _ unit: String, _ label: String, _ value: (Results.ScalingPoint) -> Double
  ) -> SVGPlot {
    SVGPlot(
      title: "One training step: \(label)", note: results.machine.summary,
      x: Axis(unit == "blocks" ? "residual blocks" : "field evaluations per solve", .log),
      y: Axis(label, .log),
      series: shown.map { scaling in
        .init(scaling.name, scaling.points.map { .init(Double($0.size), value($0)) })
      })
  }

  /// results.json, results.md and the pictures.
  func write(to folder: String) throws {
    try writeAtomically(try results.json(), to: folder + "/results.json")
    try writeAtomically(markdown, to: folder + "/results.md")
    for picture in pictures { try writeAtomically(picture.plot.svg, to: "\(folder)/\(picture.name).svg") }
  }
}
