import Foundation
import NODECore

/// What of a quantity a picture shows.
public enum ShownQuantity: Sendable {
  /// The value itself, on a linear axis; what lies outside of the range, where there is one, is left out.
  case value(within: ClosedRange<Double>?)
  /// The distance from the target, on a logarithmic axis: drifts of different models are often powers of ten apart.
  case drift
}

extension SVGPlot {
  /// A quantity over time, a line for each model.
  /// - Parameters:
  ///   - quantity: a name that all reports have; reports without it are left out.
  ///   - row: the trajectory that is shown; nil: the median over all rows at each time, where rows that are not finite
  ///     count as infinite.
  public init(
    title: String, note: String = "", quantity: String, shown: ShownQuantity = .drift, row: Int? = nil,
    of reports: [(name: String, report: TrajectoryReport)]
  ) {
    let lines = reports.compactMap { name, report -> Series? in
      guard let numbers = report[quantity] else { return nil }
      func series(_ row: Int) -> [Double] {
        switch shown {
        case .value: numbers.values[row]
        case .drift: numbers.distances(ofRow: row)
        }
      }
      let rows = row.map { [$0] } ?? Array(numbers.drifts.indices)
      let all = rows.map(series), times = report.times(ofRow: rows[0])
      let points = times.indices.compactMap { time -> Point? in
        let value = median(all.map { $0[time].isNaN ? .infinity : $0[time] })
        if case .value(let range?) = shown, !range.contains(value) { return nil }
        return Point(times[time], value)
      }
      return Series(name, points)
    }
    let axis =
      switch shown {
      case .value: Axis(quantity)
      case .drift: Axis("\(quantity): distance from the target", .log)
      }
    self.init(title: title, note: note, x: Axis("time"), y: axis, series: lines)
  }

  /// Trajectories in a plane of two components of the state.
  /// - Parameters:
  ///   - paths: states [times, width], or [times, rows, width] of which `row` is shown.
  ///   - components: the state's components on the axes.
  ///   - within: points further from the origin than this in either component are left out, and the line ends.
  public init<S: FloatingScalar>(
    title: String, note: String = "", phaseSpaceOf paths: [(name: String, states: Tensor<S>)], row: Int = 0,
    components: (x: Int, y: Int) = (0, 1), labels: (x: String, y: String) = ("q", "p"),
    within limit: Double = .infinity
  ) throws {
    let lines = try paths.map { name, states in
      let one = states.rank == 3 ? states.sliced(row..<row + 1, axis: 1).squeezed(axes: 1) : states
      let numbers = try one.evaluated().scalars.map(\.asDouble), width = one.shape[1]
      let points = (0..<one.shape[0]).map { time in
        Point(numbers[time * width + components.x], numbers[time * width + components.y])
      }
      let kept = points.prefix { $0.x.magnitude <= limit && $0.y.magnitude <= limit }
      return Series(name, Array(kept))
    }
    self.init(title: title, note: note, x: Axis(labels.x), y: Axis(labels.y), series: lines)
  }
}
