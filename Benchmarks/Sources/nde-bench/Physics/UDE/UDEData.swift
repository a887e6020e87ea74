import Foundation
import NODECore
import RunnerSupport

/// A table of numbers in a text file: rows are lines, numbers stand between commas, tabs or spaces.
struct NumberTable {
  let rows: [[Double]]

  init(_ text: String, columns: Int, path: String) throws {
    rows = try text.split(whereSeparator: \.isNewline).enumerated().compactMap { index, line in
      let words = line.split { ", \t\r".contains($0) }
      if words.isEmpty { return nil }
      let numbers = words.compactMap { Double($0) }
      guard numbers.count == columns, words.count == columns, numbers.allSatisfy(\.isFinite) else {
        throw RunnerError(
          "\(path): line \(index + 1) should be \(columns) numbers, it is \"\(line.prefix(60))\"")
      }
      return numbers
    }
  }

  /// The file that the user named, or that lies in the usual places; nil when there is none.
  ///
  /// Order: the option, the environment variable, data and ../shared/data beside the package.
  static func find(option: String?, variable: String, file: String, columns: Int, rows: Int) throws
    -> NumberTable?
  {
    let named = option ?? ProcessInfo.processInfo.environment[variable]
    let places = named.map { [$0] } ?? ["data/\(file)", "../shared/data/\(file)"]
    for path in places where named != nil || FileManager.default.fileExists(atPath: path) {
      let text: String
      do { text = try String(contentsOfFile: path, encoding: .utf8) } catch {
        throw RunnerError("\(path) cannot be read: \(reason(error, for: path))")
      }
      let table = try NumberTable(text, columns: columns, path: path)
      guard table.rows.count == rows else {
        throw RunnerError("\(path) has \(table.rows.count) rows of numbers, \(rows) are expected")
      }
      return table
    }
    return nil
  }

  var tensor: Tensor<Double> { Tensor(rows) }
}

/// Observations to learn from, and what they are.
struct UDEObservations {
  var name: String
  var values: Tensor<Double>

  private static let repository = "github.com/ChrisRackauckas/universal_differential_equations"

  /// The authors' noisy data of scenario 1, [31, 2]; where there are none, the same system with noise of the same size.
  static func lotkaVolterra(path: String?, generated: Bool) throws -> UDEObservations {
    if !generated {
      let file = "ude_lotka_volterra/Scenario_1_recovery_0.005_X.csv"
      if let table = try NumberTable.find(
        option: path, variable: "UDE_LV_DATA", file: file, columns: 2, rows: 31)
      {
        // What the user gives may be other data.
        let isTheirs = path == nil && ProcessInfo.processInfo.environment["UDE_LV_DATA"] == nil
        return UDEObservations(
          name: isTheirs ? "the authors' data, noise 0.5 %" : "data of a file", values: table.tensor)
      }
      say(
        "no data of the authors here: give --lotka-volterra-data FILE, the array X of "
          + "LotkaVolterra/results/Scenario_1_recovery_0.005.jld2 of \(repository) as 31 lines \"x,y\"; going on with "
          + "generated data")
    }
    return UDEObservations(
      name: "generated data, noise 0.5 %",
      values: try DynamicalSystem.lotkaVolterra.observations(noise: 0.005, key: RandomKey(seed: 31))
        .evaluated())
  }

  /// Pelts of hares and lynxes of 1900 to 1920 divided by their largest numbers, [21, 2]; where there are none, a
  /// Lotka-Volterra system with the authors' parameters and noise.
  static func hudsonBay(path: String?, generated: Bool) throws -> UDEObservations {
    if !generated {
      let file = "hudson_bay/hudson_bay_data.dat"
      if let table = try NumberTable.find(
        option: path, variable: "HUDSON_BAY_DATA", file: file, columns: 3, rows: 21)
      {
        for (line, row) in table.rows.enumerated() {
          let isNext = line == 0 || row[0] > table.rows[line - 1][0]
          guard isNext, row[1] > 0, row[2] > 0 else {
            throw RunnerError(
              "hare and lynx: years rise and pelts are positive, got \(row) as row \(line + 1)")
          }
        }
        let largest = (1...2).map { column in table.rows.map { $0[column] }.max()! }
        return UDEObservations(
          name: "hare and lynx, 1900 to 1920",
          values: Tensor(table.rows.map { [$0[1] / largest[0], $0[2] / largest[1]] }))
      }
      say(
        "no hare and lynx here: give --hudson-data FILE, LotkaVolterra/hudson_bay_data.dat of \(repository); going on with "
          + "generated data")
    }
    let x = Term(powers: [1, 0]), y = Term(powers: [0, 1])
    let system = DynamicalSystem(
      name: "hare and lynx",
      field: SymbolicField(
        variables: ["x", "y"],
        equations: [[(x, 0.5567), (x * y, -1.6964)], [(x * y, 2.0414), (y, -0.8265)]]),
      start: [0.39, 0.07], times: (0...20).map(Double.init))
    return UDEObservations(
      name: "generated data, noise 5 %",
      values: try system.observations(noise: 0.05, key: RandomKey(seed: 20)).evaluated())
  }
}
