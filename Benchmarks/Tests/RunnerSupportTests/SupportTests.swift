import Foundation
import NODECore
import Testing

@testable import RunnerSupport

@Suite struct StatisticsTests {
  // Wilson's interval for 45 of 10,000: computed with scipy.stats.binomtest(45, 10000).proportion_ci(method="wilson").
  @Test func wilson() {
    let interval = wilsonInterval(failures: 45, of: 10_000)
    #expect(abs(interval.lowerBound - 0.003365) < 2e-6)
    #expect(abs(interval.upperBound - 0.006016) < 2e-6)
    #expect(wilsonInterval(failures: 0, of: 100).lowerBound == 0)
  }

  @Test(arguments: [0.0, 0.5, 1, 2]) func growth(exponent: Double) {
    let points = [8.0, 16, 64, 512].map { ($0, 3 * pow($0, exponent)) }
    #expect(abs(growthExponent(points) - exponent) < 1e-12)
  }

  @Test func lineThroughPoints() {
    let fit = LinearFit([(1, 5), (2, 7), (4, 11)])
    #expect(abs(fit.slope - 2) < 1e-12 && abs(fit.intercept - 3) < 1e-12 && abs(fit.rSquared - 1) < 1e-12)
  }

  @Test func quantilesAreNearestRanks() {
    let values = (1...1000).map(Double.init)
    #expect(quantile(0, ofSorted: values) == 1 && quantile(0.5, ofSorted: values) == 500)
    #expect(quantile(0.99, ofSorted: values) == 990 && quantile(0.999, ofSorted: values) == 999)
    #expect(quantile(1, ofSorted: values) == 1000 && quantile(0.999, ofSorted: [7]) == 7)
  }

  @Test func medians() {
    #expect(median([3, 1, 2]) == 2)
    #expect(median([4, 1, 3, 2]) == 2.5)
    #expect(medianAbsoluteDeviation([1, 2, 3, 4, 100]) == 1)
  }

  // scipy.stats.wilcoxon(alternative="greater", method="exact") of scipy 1.17.1; with ties, all sign patterns counted.
  @Test(
    arguments: [
      ([1.5, -0.3, 2.2, 0.7, -1.1, 3.0, 0.9, 0.4], 0.0546875),
      ([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], 0.000244140625), ([-1, -2, 3], 0.625),
      ([0.5, -0.5, 1, 1, -1, 2], 0.203125), ([0, 0], 1),
    ] as [([Double], Double)])
  func signedRanks(differences: [Double], probability: Double) {
    #expect(abs(signedRankProbability(differences) - probability) < 1e-12)
  }
}

@Suite struct TextTests {
  @Test func tableAligns() {
    var table = TextTable(["model", "error"])
    table.add(["ResNet", "0.41 %"])
    #expect(table.terminal == "model    error\n------  ------\nResNet  0.41 %")
    #expect(table.markdown == "| model  |  error |\n| ------ | -----: |\n| ResNet | 0.41 % |")
  }

  @Test func clocksAndBytes() {
    #expect(clock(42) == "0:42" && clock(3725) == "1:02:05")
    #expect(
      bytesText(999) == "999 B" && bytesText(1_234_567) == "1.23 MB" && bytesText(12_345_678) == "12.3 MB")
  }

  @Test func progress() {
    let line = ProgressLine.line("ODE-Net", fraction: 0.5, detail: "loss 0.1", secondsLeft: 60)
    #expect(line == "ODE-Net [##########----------]  50 %  loss 0.1  1:00 left")
  }
}

@Suite struct FilesTests {
  @Test func whatCannotBeWrittenIsOneSentence() throws {
    let file = FileManager.default.temporaryDirectory.path + "/file-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: file) }
    try writeAtomically("text", to: file)
    #expect(try String(contentsOfFile: file, encoding: .utf8) == "text")
    let folder = #expect(throws: FileFailure.self) { try makeFolder(file + "/folder") }
    #expect(folder?.description.hasPrefix("the folder \(file)/folder cannot be made: ") == true)
    let inside = #expect(throws: FileFailure.self) { try writeAtomically("text", to: file + "/inside") }
    #expect(inside?.description.hasPrefix("\(file)/inside cannot be written: ") == true)
    for error in [folder, inside] {
      #expect(
        error.map { !$0.description.contains("Domain") && !$0.description.contains("\n") } == true)
    }
  }
}

@Suite struct GzipTests {
  // gzip of "hello\n", made by gzip 1.12 with -n.
  static let hello: [UInt8] = [
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0xe7, 0x02,
    0x00,
    0x20, 0x30, 0x3a, 0x36, 0x06, 0x00, 0x00, 0x00,
  ]

  @Test func unpacks() throws {
    #expect(try gunzip(Self.hello) == Array("hello\n".utf8))
    #expect(try gunzip([1, 2, 3]) == [1, 2, 3])
  }

  @Test(arguments: 2..<26) func truncatedIsAnError(length: Int) {
    #expect(throws: GzipError.self) { try gunzip(Array(Self.hello[0..<length])) }
  }

  @Test func corruptIsAnError() {
    var bytes = Self.hello
    bytes[19] ^= 1
    #expect(throws: GzipError.self) { try gunzip(bytes) }
    #expect(throws: GzipError.self) { try gunzip(Self.hello, limit: 3) }
  }
}

/// What numpy compressed is read with the runner's zlib.
@Suite struct CompressedArrayTests {
  // numpy 2.4.6: np.savez_compressed(f, **{'layers/0': np.arange(4.0).reshape(2, 2), 'é': np.zeros(40, '<f4')})
  private static let file = [UInt8](
    Data(
      base64Encoded:
        """
        UEsDBC0AAAAIAAAAIQCjIIiE//////////8MABQAbGF5ZXJzLzAubnB5AQAQAKAAAAAAAAAAUQAAAAAAAACb7BfqGxDJyFDGUK2e \
        klqcXKRupaBuk2ahrqOgnpZfVFKUmBefX5SSChJ3S8wpTgWKF2ckFqQC+RpGOgpGmjoKtQpkAy4GFPDBHspwgFAcDgBQSwMELQAA \
        CAgAAAAhAA5In8f//////////wYAFADDqS5ucHkBABAAIAEAAAAAAABIAAAAAAAAAJvsF+obEMnIUMZQrZ6SWpxcpG6loG6TZqKu \
        o6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GiYGOpo6CrUK5AMuhkEOAFBLAQItAy0AAAAIAAAAIQCjIIiEUQAAAKAAAAAM \
        AAAAAAAAAAAAAACAAQAAAABsYXllcnMvMC5ucHlQSwECLQMtAAAICAAAACEADkifx0gAAAAgAQAABgAAAAAAAAAAAAAAgAGPAAAA \
        w6kubnB5UEsFBgAAAAACAAIAbgAAAA8BAAAAAA==
        """, options: .ignoreUnknownCharacters)!)

  @Test func readsThem() throws {
    let arrays = try NPZ(Self.file, inflate: inflated)
    #expect(try arrays.tensor("layers/0", of: Double.self).scalars == [0, 1, 2, 3])
    #expect(try arrays.tensor("é", of: Float.self).scalars == [Float](repeating: 0, count: 40))
  }

  @Test func damageIsAnError() throws {
    #expect(throws: GzipError.self) { try inflated([3, 0, 0], size: 0) }
    #expect(try inflated([3, 0], size: 0).isEmpty)
    for at in Self.file.indices {
      var bytes = Self.file
      bytes[at] ^= 4
      do { _ = try NPZ(bytes, inflate: inflated) } catch { #expect(error is FileError) }
    }
  }
}

@Suite struct PlotTests {
  @Test func logarithmicTicksAndEscaping() {
    let plot = SVGPlot(
      title: "a < b", x: Axis("n", .log), y: Axis("bytes", .log),
      series: [.init("s", [.init(8, 100), .init(512, 6400), .init(0, 1), .init(16, .nan)])])
    #expect(plot.svg.contains("a &lt; b") && plot.svg.contains(">100</text>"))
    #expect(!plot.svg.contains("nan") && !plot.svg.contains("inf"))
    #expect(plot.svg.components(separatedBy: "<circle").count == 3)
  }

  @Test func emptyPlotSaysSo() {
    let plot = SVGPlot(title: "t", x: Axis("x"), y: Axis("y"), series: [])
    #expect(plot.svg.contains("nothing to show"))
  }
}
