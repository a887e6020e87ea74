/// What a solve, or one lane of a solve with steps per lane, cost and where it ended. Evaluations are counted once for all
/// lanes that share their steps.
public struct SolveStatistics: Sendable, Hashable, CustomStringConvertible {
  /// In the sums over lanes with steps of their own, that of the first lane that failed.
  public let status: SolveStatus
  /// Calls of the field, the initial step's included.
  public let evaluations: Int
  /// Steps taken.
  public let accepted: Int
  /// Steps tried in vain: their error was above the tolerated one, or something was not finite.
  public let rejected: Int
  /// The last step that was tried, signed.
  public let lastStep: Double
  /// States kept for the gradient; 0 where none was asked for.
  public let checkpoints: Int
  /// Forward evaluations repeated for the gradient; 0 in the statistics of a forward solve.
  public let recomputed: Int
  /// The last time reached.
  public let reached: Double

  /// From the row that the kernels write (NK_STAT_... of nk_ode.h).
  package init(row: [Double]) {
    require(row.count == 8, "SolveStatistics: a row has 8 entries, got \(row.count)")
    guard let status = SolveStatus(statistic: row[0]) else {
      fatalError("SolveStatistics: \(row[0]) is no status")
    }
    self.status = status
    evaluations = Int(row[1])
    accepted = Int(row[2])
    rejected = Int(row[3])
    lastStep = row[4]
    checkpoints = Int(row[5])
    recomputed = Int(row[6])
    reached = row[7]
  }

  public var description: String {
    "\(status): \(evaluations) evaluations, \(accepted) steps, \(rejected) rejected, reached t = \(reached)"
  }
}
