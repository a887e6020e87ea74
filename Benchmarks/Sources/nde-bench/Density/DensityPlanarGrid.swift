import ArgumentParser
import Foundation
import NODECore
import RunnerSupport

/// Chooses what planar flows are trained with.
struct DensityPlanarGrid: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "planar-grid",
    abstract: "Chooses learning rates and scales of planar flows by short trials, as many for either kind.",
    discussion: """
      Every target, size and kind is trained with each of \(PlanarSettings.grid(.continuous).count) settings for a \
      --trial-th of the steps of `planar`, on seeds that planar does not use; the least mean excess is chosen. Continuous flows: \
      learning rates and end times; discrete ones: learning rates and spreads of their normals at the start. With --quadrature there \
      are no learning rates.
      """)

  @OptionGroup var options: PlanarOptions
  @Option(help: "The steps of planar are divided by this.") var trial = 5
  @Option(help: "Seeds: 101, 102, ...") var seeds = 2
  @Option(help: "Threads; one unless told.") var threads = 1

  struct Trial: Codable {
    var settings: PlanarSettings
    /// One a seed.
    var excess: [Double]
    var mean: Double { excess.reduce(0, +) / Double(excess.count) }
  }

  struct Choice: Codable {
    var target: String, flow: PlanarKind, size: Int, steps: Int
    var trials: [Trial]
    var chosen: PlanarSettings
  }

  func validate() throws {
    try requireOption("--trial", trial, in: 1...1000)
    try requireOption("--seeds", seeds, in: 1...100)
    try requireOption("--threads", threads, in: 1...Runtime.maximumThreads)
  }

  func run() throws {
    Interrupt.install()
    Runtime.threads = threads
    try makeFolder(options.out)
    var choices: [Choice] = []
    for target in options.targets {
      for size in options.sizes {
        for kind in options.flows where !Interrupt.isRequested {
          let steps = max(1, kind.paperSteps / options.cut / trial)
          let trials = try PlanarSettings.grid(kind, withoutRates: options.hasNoRate(kind)).map { settings in
            let excess = try (0..<seeds).compactMap { index -> Double? in
              let experiment = PlanarExperiment(
                target: target, kind: kind, size: size, settings: settings, steps: steps,
                batch: options.batch, samples: options.samples, pathwise: options.pathwise,
                quadrature: options.quadrature.contains(kind), handover: options.handover,
                lattices: options.lattices,
                seed: 101 + UInt64(index))
              guard let result = try experiment.run() else { return nil }
              say(DensityPlanar.line(experiment, result))
              return result.excess
            }
            return Trial(settings: settings, excess: excess)
          }
          if Interrupt.isRequested { break }
          let best = trials.min { $0.mean < $1.mean }!
          choices.append(
            Choice(
              target: target, flow: kind, size: size, steps: steps, trials: trials, chosen: best.settings))
          try writeAtomically(try jsonText(choices), to: options.out + "/planar-grid.json")
        }
      }
    }
    var table = TextTable([
      "target", "flow", "M = K", "steps", "chosen rate, scale", "mean excess", "of all trials",
    ])
    for choice in choices {
      let means = choice.trials.map(\.mean).sorted()
      table.add([
        choice.target, choice.flow.rawValue, "\(choice.size)", "\(choice.steps)", choice.chosen.text,
        String(format: "%.4f", means[0]), means.map { String(format: "%.3f", $0) }.joined(separator: " "),
      ])
    }
    print("\n" + table.terminal)
    if Interrupt.isRequested { throw ExitCode(130) }
  }

  /// What a file of this command chose.
  static func choices(in path: String) throws -> [Choice] {
    let decoder = JSONDecoder()
    decoder.nonConformingFloatDecodingStrategy = nonFinite
    do { return try decoder.decode([Choice].self, from: Data(contentsOf: URL(fileURLWithPath: path))) } catch
    {
      throw RunnerError("\(path) is no file of nde-bench density planar-grid: \(reason(error, for: path))")
    }
  }

  private static let nonFinite = JSONDecoder.NonConformingFloatDecodingStrategy.convertFromString(
    positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
}

/// What diverged is "inf" there.
func jsonText(_ value: some Encodable) throws -> String {
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
  encoder.nonConformingFloatEncodingStrategy = .convertToString(
    positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
  return String(decoding: try encoder.encode(value), as: UTF8.self) + "\n"
}
