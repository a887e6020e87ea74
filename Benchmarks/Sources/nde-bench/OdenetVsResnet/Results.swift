import Foundation
import RunnerSupport

/// What one run of `odenet-vs-resnet` found; everything that is printed or drawn comes from here.
struct Results: Codable {
  struct Budget: Codable, Equatable {
    var data: String
    var trainImages: Int, testImages: Int
    var epochs: Int, batch: Int
    var channels: Int
    var seed: UInt64
    var isFull: Bool
  }

  /// One epoch of one model.
  struct Epoch: Codable {
    var epoch: Int
    var meanLoss: Double
    var testErrors: Int
    var seconds: Double
    var forwardEvaluations: Double
    var backwardEvaluations: Double
  }

  /// Integrating 0 -> T -> 0: the relative error of the state that comes back.
  struct Reconstruction: Codable {
    var tolerance: Double
    var relativeError: Double
    /// The first tolerance (in steps of 10) whose error is below 1 %, with the evaluations it takes; nil: none tried did.
    var passingTolerance: Double?
    var passingError: Double?
    var passingEvaluations: Double?
  }

  struct Row: Codable {
    var name: String
    var parameters: Int
    var plannedBytes: Int
    var peakBytes: Int?
    var epochs: [Epoch]
    var reconstruction: Reconstruction?
    var isComplete: Bool
  }

  struct ScalingPoint: Codable {
    /// Blocks, or evaluations of the field per solve.
    var size: Int
    var plannedBytes: Int
    var peakBytes: Int?
    var milliseconds: Double
  }

  struct Scaling: Codable {
    var name: String
    /// "blocks" or "evaluations".
    var unit: String
    var points: [ScalingPoint]

    var memoryExponent: Double { growthExponent(points.map { (Double($0.size), Double($0.plannedBytes)) }) }
    var timeExponent: Double { growthExponent(points.map { (Double($0.size), $0.milliseconds) }) }
    /// Largest planned bytes over smallest, less one.
    var memorySpread: Double {
      let bytes = points.map { Double($0.plannedBytes) }
      guard let low = bytes.min(), let high = bytes.max(), low > 0 else { return 0 }
      return high / low - 1
    }
  }

  var machine: Machine
  var budget: Budget
  var rows: [Row] = []
  var scaling: [Scaling] = []
  var isInterrupted = false

  /// Puts a row where the table has it: in place of an earlier one of its name, else in the order of `RowName`.
  mutating func keep(_ row: Row) {
    if let index = rows.firstIndex(where: { $0.name == row.name }) {
      rows[index] = row
    } else {
      let order = RowName.allCases.map(\.title)
      let place = order.firstIndex(of: row.name) ?? order.count
      let index = rows.firstIndex { (order.firstIndex(of: $0.name) ?? order.count) > place } ?? rows.count
      rows.insert(row, at: index)
    }
  }

  mutating func keep(_ study: Scaling) {
    if let index = scaling.firstIndex(where: { $0.name == study.name }) {
      scaling[index] = study
    } else {
      scaling.append(study)
    }
  }

  static func load(_ path: String) throws -> Results {
    let data: Data
    do { data = try Data(contentsOf: URL(fileURLWithPath: path)) } catch {
      throw RunnerError("\(path) cannot be read: \(reason(error, for: path))")
    }
    do { return try JSONDecoder().decode(Results.self, from: data) } catch {
      throw RunnerError("\(path) is not a result of this command; give another --out, or no --resume")
    }
  }

  func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    return String(decoding: try encoder.encode(self), as: UTF8.self) + "\n"
  }
}
