extension Solution {
  /// What the solve cost; with steps per lane the sums over the lanes, and the status of the first one that failed. Throws
  /// what the solve threw.
  public var statistics: SolveStatistics {
    get throws { try rows()[0] }
  }

  /// With steps per lane: how each lane ended and what it cost. Else the solve's one row. Throws what the solve threw;
  /// lanes that failed in a solve made by `solve` are values here.
  public var laneStatistics: [SolveStatistics] {
    get throws { try inputs.isPerLane ? Array(rows().dropFirst()) : rows() }
  }

  private func rows() throws -> [SolveStatistics] {
    let storage = try evaluate([states.value, statisticsTensor.value])[1]
    let numbers = storage.array(of: Double.self, count: statisticsTensor.count)
    return stride(from: 0, to: numbers.count, by: 8).map { SolveStatistics(row: Array(numbers[$0..<$0 + 8])) }
  }

  /// How the solve ended, as a value. Throws only what is not an outcome of the numerics.
  public var status: SolveStatus {
    get throws {
      do { return try statistics.status } catch let error as SolveError { return error.status }
    }
  }

  /// This solution after its numbers were computed. Throws `SolveError` with the diagnosis where the solve failed.
  @discardableResult public func evaluated() throws -> Solution {
    _ = try statistics
    return self
  }
}
