import ArgumentParser
import Foundation
import NODECore

enum DensityMethod: String, Codable, CaseIterable, ExpressibleByArgument {
  case ffjord, planar, matching
}

/// A field of one of the methods.
struct DensityField<Scalar: FloatingScalar>: RowTimedField {
  var squash: ConcatSquashField<Scalar>?
  var planar: PlanarField<Scalar>?
  var net: TimeConcatField<Scalar>?

  init(_ settings: DensitySettings, key: RandomKey) {
    switch settings.method {
    case .ffjord: squash = .init(settings.dimensions, hidden: settings.hidden, key: key)
    case .planar: planar = .init(settings.dimensions, units: settings.units, key: key)
    case .matching:
      net = .init(settings.dimensions, hidden: settings.hidden, activation: .silu, key: key)
    }
  }

  func callAsFunction(_ t: Tensor<Scalar>, _ y: Tensor<Scalar>) throws -> Tensor<Scalar> {
    if let squash { return squash(t, y) }
    if let planar { return planar(t, y) }
    return net!(t, y)
  }

  mutating func visitParameters(_ visit: inout ParameterVisitor) {
    visit("squash", &squash)
    visit("planar", &planar)
    visit("net", &net)
  }
}

/// All that a model is beside its weights.
struct DensitySettings: Codable {
  var method: DensityMethod
  /// What it learned.
  var data: String
  var columns: [String]
  /// Data are (x - means) / deviations inside.
  var means: [Double], deviations: [Double]
  var hidden: [Int]
  var units: Int
  var dimensions: Int { columns.count }
  /// What a density per standardised volume is too large by, in nats.
  var logVolume: Double { deviations.reduce(0) { $0 + log($1) } }

  /// A bound from below that no network is made for: the weights of the layers that make it large.
  var fewestParameters: Int {
    switch method {
    case .planar:
      // What its network of the time gives: three vectors and a number for each unit.
      return 3 * units * dimensions + units
    case .ffjord, .matching:
      let sizes = [dimensions] + hidden + [dimensions]
      return zip(sizes, sizes.dropFirst()).reduce(0) { $0 + $1.0 * $1.1 }
    }
  }

  typealias Density<S: FloatingScalar> = FlowDensity<ContinuousFlow<DensityField<S>>, NormalDistribution<S>>

  func density<S: FloatingScalar>(_ type: S.Type, key: RandomKey = RandomKey(seed: 0)) -> Density<S> {
    let flow = ContinuousFlow(
      DensityField<S>(self, key: key), dimensions: dimensions, learnsEndTime: method == .ffjord)
    return FlowDensity(flow, base: NormalDistribution(dimensions: dimensions))
  }

  /// Rows of data as the model sees them, and back.
  func standardised(_ numbers: [Double]) -> [Double] {
    numbers.indices.map { (numbers[$0] - means[$0 % dimensions]) / deviations[$0 % dimensions] }
  }

  func original(_ numbers: [Double]) -> [Double] {
    numbers.indices.map { numbers[$0] * deviations[$0 % dimensions] + means[$0 % dimensions] }
  }
}

/// A density that was learned, as a file: safetensors, the settings in its metadata.
struct DensityModel {
  static let format = "nde-bench density 1"

  var settings: DensitySettings
  /// Float: what training works with. Densities are computed in double precision.
  var parameters: [Float]

  /// For numbers that are reported: no noise, steps at 1e-7.
  var density: DensitySettings.Density<Double> {
    var density = settings.density(Double.self)
      .replacingParameters(with: Tensor(parameters.map(Double.init)))
    density.flow = density.flow.evaluating()
    return density
  }

  func write(to path: String) throws {
    let text = String(decoding: try JSONEncoder().encode(settings), as: UTF8.self)
    let file = Safetensors(
      arrays: [try NamedArray("parameters", Tensor(parameters))],
      metadata: ["format": Self.format, "settings": text])
    try file.write(to: path)
  }

  init(settings: DensitySettings, parameters: [Float]) {
    self.settings = settings
    self.parameters = parameters
  }

  init(contentsOf path: String) throws {
    let file = try Safetensors(contentsOf: path)
    guard file.metadata["format"] == Self.format, let text = file.metadata["settings"],
      let settings = try? JSONDecoder().decode(DensitySettings.self, from: Data(text.utf8)),
      settings.dimensions >= 1, settings.means.count == settings.dimensions,
      settings.deviations.count == settings.dimensions, settings.deviations.allSatisfy({ $0 > 0 }),
      !settings.hidden.isEmpty, settings.hidden.allSatisfy({ 1...4096 ~= $0 }), 1...4096 ~= settings.units,
      settings.hidden.count <= 64, settings.dimensions <= 4096,
      let array = file.arrays.first(where: { $0.name == "parameters" })
    else { throw RunnerError("\(path) is not a model of nde-bench density") }
    self.settings = settings
    parameters = try array.array.tensor(of: Float.self).scalars
    // Before a network of that size is made.
    let weights = settings.fewestParameters
    guard weights <= parameters.count else {
      throw RunnerError("\(path) has \(parameters.count) parameters, its settings need more than \(weights)")
    }
    let expected = settings.density(Double.self).parameterCount
    guard parameters.count == expected else {
      throw RunnerError("\(path) has \(parameters.count) parameters, its settings need \(expected)")
    }
    guard parameters.allSatisfy(\.isFinite), try density.flow.rootOfEndTime.evaluated().scalar != 0 else {
      throw RunnerError("\(path): its weights are not finite, or its end time is 0")
    }
  }
}
