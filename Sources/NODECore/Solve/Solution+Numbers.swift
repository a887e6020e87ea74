extension Solution {
  /// What the solve cost. Throws what the solve threw.
  public var statistics: SolveStatistics {
    get throws {
      let storage = try evaluate([states.value, statisticsTensor.value])[1]
      return SolveStatistics(row: storage.array(of: Double.self, count: 8))
    }
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
