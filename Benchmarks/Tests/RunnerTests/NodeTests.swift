import Foundation
import NODECore
import RunnerSupport
import Testing

@testable import nde_bench

@Suite struct NodeTests {
  @Test func smallComparisonsRun() throws {
    let folder = FileManager.default.temporaryDirectory.path + "/node-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let command = try NodeCommand.parse([
      "--task", "vanderpol", "crossing", "--seeds", "1", "--cut", "150", "--out", folder,
    ])
    try command.run()
    let table = try String(contentsOfFile: folder + "/physics-node.md", encoding: .utf8)
    let rows = table.split(separator: "\n")
    for kind in DepthModelKind.allCases {
      #expect(rows.contains { $0.contains("crossing") && $0.contains(" \(kind.rawValue) ") }, "\(kind)")
    }
    #expect(
      rows.contains { $0.contains("forced Van der Pol") && $0.contains("SONODE") && $0.contains("5.78") })
    for name in [
      "physics-node.json", "crossing-flow.svg", "crossing-evaluations.svg", "forced-Van-der-Pol-position.svg",
    ] {
      #expect(FileManager.default.fileExists(atPath: folder + "/" + name), "\(name)")
    }
  }

  @Test func impossibleOptionsAreOneSentence() {
    func message(_ arguments: [String]) -> String? {
      do {
        _ = try NDEBench.parseAsRoot(["physics", "node"] + arguments)
        return nil
      } catch { return NDEBench.message(for: error) }
    }
    #expect(message(["--cut", "0"]) == "--cut must be in 1...1000, got 0")
    #expect(message(["--seeds", "0"]) == "--seeds must be in 1...1000, got 0")
    #expect(message(["--task", "juggling"])?.contains("juggling") == true)
  }

  /// dy/dt = -8 y over a depth of one: integrating back amplifies errors by e^8, so the loosest tolerances do
  /// not pass.
  @Test func evaluationsAreToldWhereTheWayBackIsFound() throws {
    var layer = Linear<Double>(1, 1)
    layer.weight = Tensor([[-8.0]])
    layer.bias = .zeros([1])
    let x = Tensor<Double>([[1], [-0.5]])
    let model = NeuralODE(AutonomousField(layer))
    let checked = try #require(CheckedModel(model, on: x))
    #expect(checked.tolerance < 1e-3 && checked.tolerance >= 1e-7)
    #expect(try checked.flow.reconstructionError(from: x) < 1e-2)
    var looser = checked.flow
    looser.options.rtol = checked.tolerance * 10
    looser.options.atol = checked.tolerance * 10
    #expect(try looser.reconstructionError(from: x) >= 1e-2)
  }
}
