import NODECore
import RunnerSupport
import Testing

@Suite struct TrajectoryPictureTests {
  private let states = Tensor<Double>([1, 5, 2, 5, 3, 9], shape: [3, 2, 1])

  private func report() throws -> TrajectoryReport {
    try TrajectoryReport(times: [0, 1, 2], states: states, [Invariant("q") { $0[.all, 0] }])
  }

  @Test func aQuantityIsDrawnForARowOrTheMedian() throws {
    let reports = [("a", try report())]
    let row = SVGPlot(title: "", quantity: "q", shown: .value(within: nil), row: 1, of: reports)
    #expect(row.series[0].points.map(\.y) == [5, 5, 9] && row.series[0].points.map(\.x) == [0, 1, 2])
    let drift = SVGPlot(title: "", quantity: "q", of: reports)
    #expect(drift.series[0].points.map(\.y) == [0, 0.5, 3] && drift.y.scale == .log)
    let within = SVGPlot(title: "", quantity: "q", shown: .value(within: 0...6), row: 1, of: reports)
    #expect(within.series[0].points.map(\.y) == [5, 5])
    #expect(SVGPlot(title: "", quantity: "p", of: reports).series.isEmpty)
  }

  @Test func phaseSpaceEndsWhereALineLeaves() throws {
    let states = Tensor<Double>([1, 2, 3, 4, 50, 6, 1, 1], shape: [4, 2])
    let plot = try SVGPlot(title: "", phaseSpaceOf: [("a", states)], within: 10)
    #expect(plot.series[0].points.map(\.x) == [1, 3] && plot.series[0].points.map(\.y) == [2, 4])
  }
}
