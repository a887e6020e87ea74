import ArgumentParser
import Foundation
import NODECore
import RunnerSupport
import Testing

@testable import nde_bench

@Suite struct OptionTests {
  private func message(_ arguments: [String]) -> String? {
    do {
      _ = try NDEBench.parseAsRoot(arguments)
      return nil
    } catch { return NDEBench.message(for: error) }
  }

  @Test(arguments: ["--epochs", "--train-images", "--test-images", "--batch", "--channels", "--threads"])
  func impossibleNumbersAreOneSentence(option: String) {
    for value in ["0", "9223372036854775807", "5000000000"] {
      let text = message(["odenet-vs-resnet", option, value])
      #expect(text?.hasPrefix("\(option) must be in ") == true && text?.hasSuffix("got \(value)") == true)
    }
  }

  @Test func threadsAreThoseThatThePoolCanHave() throws {
    let most = Runtime.maximumThreads
    #expect(message(["odenet-vs-resnet", "--threads", "\(most)"]) == nil)
    #expect(message(["odenet-vs-resnet", "--threads", "\(most + 1)"]) != nil)
    #expect(message(["workloads", "--threads", "\(most + 1)"]) != nil)
    #expect(message(["workloads", "--repeats", "0"]) == "--repeats must be in 1...1000000, got 0")
    #expect(Machine.here.threads == Runtime.grantedThreads)
  }

  @Test func otherOptionsThatCannotBe() {
    #expect(
      message(["odenet-vs-resnet", "--test-images", "300"])
        == "--test-images must be a multiple of 250, got 300")
    for out in ["", " "] {
      #expect(message(["odenet-vs-resnet", "--out", out]) == "--out must name a folder")
    }
  }

  @Test func everyRowIsTrainedOnce() throws {
    let command = try OdenetVsResnet.parse(["--rows", "mlp", "rk-net", "mlp", "resnet-1", "rk-net"])
    #expect(command.rows == [.mlp, .rkNet, .resNet1])
    #expect(try OdenetVsResnet.parse([]).rows == RowName.allCases)
  }
}

@Suite struct LatencyTests {
  @Test func quantilesAreInOrderAndEvaluationsAreCounted() throws {
    for (name, subject) in try Latency.subjects() {
      let result = try LatencyResult(name, subject, calls: 50, threads: 1)
      #expect(result.medianUs > 0 && result.medianUs <= result.p99Us)
      #expect(result.p99Us <= result.p999Us && result.p999Us <= result.worstUs)
      #expect(result.evaluations.map { $0 >= 8 } == true)
      #expect(result.row.count == LatencyResult.header.count)
      #expect(try subject.run() == ())
    }
    #expect(throws: (any Error).self) { try Latency.parse(["--calls", "0"]) }
  }
}

@Suite struct RunTests {
  @Test func foreignResultsAreOneSentence() throws {
    let folder = FileManager.default.temporaryDirectory.path + "/results-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try makeFolder(folder)
    for text in [#"{"machine": 3}"#, "no JSON", "{}"] {
      try writeAtomically(text, to: folder + "/results.json")
      let error = #expect(throws: RunnerError.self) { try Results.load(folder + "/results.json") }
      #expect(
        error?.description
          == "\(folder)/results.json is not a result of this command; give another --out, or no --resume")
    }
    let missing = #expect(throws: RunnerError.self) { try Results.load(folder + "/nothing") }
    #expect(missing?.description.hasPrefix("\(folder)/nothing cannot be read: ") == true)
  }

  /// The default batch of the study is 32 images.
  @Test func theScalingStudyTakesWhatImagesThereAre() throws {
    let digits = SyntheticDigits.dataset(count: 16, key: RandomKey(seed: 1))
    let data = RunData(name: "generated digits", train: digits, test: digits)
    let model = ImageClassifier<Float>.resNet(blocks: 1, channels: 2, key: RandomKey(seed: 2))
    let point = try ScalingStudy(repeats: 1).measure(size: 1, model: model, data: data) { try $0($1) }
    #expect(point.plannedBytes > 0 && point.milliseconds > 0)
  }

  @Test func scoresThatAreNoNumbersAreErrors() {
    let scores = Tensor<Float>([[.nan, .nan], [.infinity, 0], [0, .infinity], [0, 1], [1, 0]])
    let errors = classificationErrors(logits: scores, labels: Tensor<Int32>([0, 0, 0, 0, 0]))
    #expect(errors.scalar == 3)
    #expect(
      classificationErrors(logits: scores * Tensor<Float>(.nan), labels: Tensor<Int32>([0, 0, 0, 0, 0]))
        .scalar == 5)
  }
}
