import Foundation
import NODECore
import RunnerSupport
import Testing

@testable import nde_bench

@Suite struct VINTests {
  private func run(_ arguments: [String], _ look: (_ folder: String, _ rows: [Substring]) throws -> Void)
    throws
  {
    let folder = FileManager.default.temporaryDirectory.path + "/vin-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try VINCommand.parse(arguments + ["--out", folder]).run()
    let table = try String(contentsOfFile: folder + "/physics-vin.md", encoding: .utf8)
    try look(folder, table.split(separator: "\n"))
  }

  @Test func aFewStepsOnStates() throws {
    try run(["--task", "pendulum", "--seeds", "2", "--epochs", "2", "--starts", "3"]) { folder, rows in
      for model in [VINModel.velocityVerlet, .circle, .equalResidual] {
        #expect(rows.contains { $0.contains(" \(model.rawValue) ") && $0.contains("forecast MSE") })
      }
      #expect(!rows.contains { $0.contains(" ResNet ") })
      for name in ["energy", "energy-drift", "phase"] {
        #expect(FileManager.default.fileExists(atPath: folder + "/vin-pendulum-\(name).svg"))
      }
      let data = try Data(contentsOf: URL(fileURLWithPath: folder + "/physics-vin.json"))
      let decoder = JSONDecoder()
      decoder.nonConformingFloatDecodingStrategy = .convertFromString(
        positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
      let report = try decoder.decode(SeedReport.self, from: data)
      // A step is symplectic however little was learned, and the residual network's is not.
      for figure in report.figures where figure.figure.contains("symplecticity") {
        #expect(figure.values.count == 2)
        #expect(figure.values.allSatisfy { ($0 < 1e-12) == figure.model.hasPrefix("VIN") }, "\(figure)")
      }
    }
  }

  @Test func aStepOnPixels() throws {
    try run(["--task", "pixels", "--seeds", "1", "--pixel-epochs", "1"]) { folder, rows in
      #expect(rows.count { $0.contains("squared error of a pixel, other films") } == 3)
      for film in ["own", "other"] {
        #expect(FileManager.default.fileExists(atPath: folder + "/vin-pixels-\(film).png"))
      }
    }
  }

  @Test func impossibleOptionsAreOneSentence() {
    func message(_ arguments: [String]) -> String? {
      do {
        _ = try NDEBench.parseAsRoot(["physics", "vin"] + arguments)
        return nil
      } catch { return NDEBench.message(for: error) }
    }
    #expect(message(["--epochs", "0"]) == "--epochs must be in 1...1000000, got 0")
    #expect(message(["--starts", "0"]) == "--starts must be in 1...10000, got 0")
    #expect(message(["--task", "juggling"])?.contains("juggling") == true)
  }

  @Test func sizesAreEqual() {
    let potential: MLP<Float> = vinPotential(1, key: RandomKey(seed: 1))
    let equal: MLP<Float> = vinResidual(hidden: 600, key: RandomKey(seed: 1))
    #expect(potential.parameterCount == 3000 && equal.parameterCount == 3002)
  }
}
