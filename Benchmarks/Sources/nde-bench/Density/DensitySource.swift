import Foundation
import NODECore

/// Points to learn from and to test on, standardised.
struct DensitySource {
  let settings: DensitySettings
  let entropy: Double?
  /// Sentences about data that have no density to learn.
  let warnings: [String]
  /// A training batch.
  let draw: (Int, RandomKey) throws -> Tensor<Float>
  /// Points that are not trained on: as many as asked for, or as there are.
  let test: (Int, RandomKey) throws -> Tensor<Double>

  init(_ data: String, file: String?, settings method: DensityMethod, hidden: [Int], units: Int) throws {
    func settings(_ name: String, _ columns: [String], _ means: [Double], _ deviations: [Double])
      -> DensitySettings
    {
      DensitySettings(
        method: method, data: name, columns: columns, means: means, deviations: deviations, hidden: hidden,
        units: units)
    }
    guard let file else {
      let plane = PlaneDataset(rawValue: data)!
      // As they are: their scale is the one that published figures are of.
      self.settings = settings(data, ["x", "y"], [0, 0], [1, 1])
      entropy = plane.entropy
      warnings = []
      draw = { try (plane.sample($0, key: $1) as Tensor<Float>).evaluated() }
      test = { try (plane.sample($0, key: $1) as Tensor<Double>).evaluated() }
      return
    }
    let table = try DensityTable(csv: file), scaling = table.scaling, width = table.columns.count
    let settings = settings(table.name, table.columns, scaling.means, scaling.deviations)
    let (train, held) = table.split()
    let rows = Tensor(settings.standardised(train).map(Float.init), shape: [train.count / width, width])
    let tests = settings.standardised(held)
    self.settings = settings
    entropy = nil
    warnings = table.warnings
    draw = { count, key in
      let places = Tensor<Double>.uniform(shape: [count], in: 0..<Double(rows.shape[0]), key: key)
      return try rows.gather(at: floor(places).converted(to: Int32.self)).evaluated()
    }
    test = { count, _ in
      let n = min(count, tests.count / width)
      return Tensor(Array(tests[..<(n * width)]), shape: [n, width])
    }
  }
}
