import Foundation
import NODECore
import RunnerSupport
import Testing

@testable import nde_bench

@Suite struct DensityTests {
  private func withFolder<R>(_ body: (String) throws -> R) throws -> R {
    let folder = FileManager.default.temporaryDirectory.path + "/density-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try makeFolder(folder)
    return try body(folder)
  }

  private func sentence(_ body: () throws -> Void) -> String? {
    do {
      try body()
      return nil
    } catch { return "\(error)" }
  }

  private static let rows = (0..<20).map { "\($0),\($0 * $0 % 7)\n" }.joined()

  @Test(arguments: [
    ("x,y\n1,2\n3,\n", "line 3, y: the cell is empty"),
    ("x,y\n1,2\n3,nan\n", "line 3, y: the cell is \"nan\", not a finite number"),
    ("x,y\n1,2\n3\n", "line 3: 1 cells, the first line has 2"),
    ("\"x\n1\",y\n1,2\n3,no\n", "line 4, y: the cell is \"no\", not a finite number"),
    ("x,y\n1,\"2\n3,4\n", "line 2: a quote is opened and not closed"),
    ("x,y\n1,\"2\"3\n", "line 2: \"3\" after a closing quote, where a comma or the line's end belongs"),
    ("1\n2\n3\n", "has 1 column(s) of numbers, needs at least 2"),
    ("", "has 0 column(s) of numbers, needs at least 2"),
    ("x,y\n1,2\n", "has 1 rows of numbers, needs at least 20"),
    (
      String(repeating: "1,2\n", count: 24),
      "column 1 is 1.0 in every row to train on; a constant has no density"
    ),
  ])
  func badTablesAreOneSentence(text: String, ending: String) throws {
    try withFolder { folder in
      try writeAtomically(text, to: folder + "/a.csv")
      let found = sentence { _ = try DensityTable(csv: folder + "/a.csv") }
      #expect(found?.hasSuffix(ending) == true && found?.hasPrefix(folder) == true, "\(found ?? "nothing")")
    }
    let absent = sentence { _ = try DensityTable(csv: "/nowhere.csv") }
    #expect(
      absent?.hasPrefix("/nowhere.csv") == true && absent?.contains("NSCocoa") == false, "\(absent ?? "")")
  }

  @Test func tablesKeepNamesAndStandardise() throws {
    try withFolder { folder in
      try writeAtomically("a b, c\r\n" + Self.rows, to: folder + "/a.csv")
      let table = try DensityTable(csv: folder + "/a.csv")
      #expect(table.columns == ["a b", "c"] && table.rows == 20)
      // Of the rows to train on: 0...19 without 9 and 19.
      #expect(abs(table.scaling.means[0] - 9) < 1e-12)
      #expect(abs(table.scaling.deviations[0] - (2028.0 / 18 - 81).squareRoot()) < 1e-12)
      let (train, test) = table.split()
      #expect(train.count == 36 && test == [9, 4, 19, 4])
      #expect(table.warnings.isEmpty)
    }
  }

  @Test func numbersThatRepeatAreWarnedOf() throws {
    try withFolder { folder in
      let path = folder + "/a.csv"
      try writeAtomically("a,b\n" + (0..<100).map { "\($0),\($0 % 3)\n" }.joined(), to: path)
      let warnings = try DensityTable(csv: path).warnings
      #expect(warnings.count == 1)
      #expect(
        warnings.first?.hasPrefix("b of \(path) has 3 different numbers in 90 rows to train on") == true,
        "\(warnings)")
    }
  }

  @Test func quotedCellsMayHoldAnything() throws {
    let names = ["a, b", "say \"c\"", "two\nlines", " d ", "e"]
    let text =
      "\u{FEFF}" + names.map(CSV.quoted).joined(separator: ",")
      + "\r\n\"1\", 2 ,\t\"3\" ,4,5\n\n  \n6,7,8,9,10"
    let csv = try CSV(text)
    #expect(
      csv.records == [
        .init(line: 1, cells: names), .init(line: 3, cells: ["1", "2", "3", "4", "5"]),
        .init(line: 6, cells: ["6", "7", "8", "9", "10"]),
      ])
    try withFolder { folder in
      try writeAtomically(text, to: folder + "/a.csv")
      let table = try DensityTable(csv: folder + "/a.csv", isForTraining: false)
      #expect(table.columns == names && table.numbers == (1...10).map(Double.init))
    }
    #expect(try CSV("").records.isEmpty)
  }

  @Test(arguments: DensityMethod.allCases) func aModelIsTrainedWrittenAndRead(method: DensityMethod) throws {
    try withFolder { folder in
      try writeAtomically("a,b\n" + Self.rows, to: folder + "/a.csv")
      let train = try DensityTrain.parse([
        "--data", "csv", folder + "/a.csv", "--method", method.rawValue, "--iterations", "3", "--batch", "8",
        "--hidden", "8", "--units", "4", "--out", folder,
      ])
      try train.run()
      for name in ["model.safetensors", "report.json", "density.png", "density.svg", "loss.svg"] {
        #expect(FileManager.default.fileExists(atPath: folder + "/" + name), "\(name)")
      }
      let model = try DensityModel(contentsOf: folder + "/model.safetensors")
      #expect(model.settings.columns == ["a", "b"])
      let sample = try DensitySample.parse([
        "--model", folder + "/model.safetensors", "--count", "50", "--out", folder + "/s.csv",
      ])
      try sample.run()
      let samples = try DensityTable(csv: folder + "/s.csv", isForTraining: false)
      #expect(samples.columns == ["a", "b"] && samples.rows == 50)
      try writeAtomically("1,2,3\n", to: folder + "/three.csv")
      let logpdf = try DensityLogpdf.parse([
        "--model", folder + "/model.safetensors", folder + "/three.csv",
      ])
      let other = sentence { try logpdf.run() }
      #expect(other?.hasSuffix("has 3 columns, the model is of 2") == true)
      try writeAtomically("b,a\n1,2\n", to: folder + "/turned.csv")
      let turned = try DensityLogpdf.parse(["--model", folder + "/model.safetensors", folder + "/turned.csv"])
      #expect(
        sentence { try turned.run() }
          == "\(folder)/turned.csv has the columns b,a, the model is of a,b in this order")
      for sound in ["a,b\n1,2\n", "1,2\n"] {
        try writeAtomically(sound, to: folder + "/turned.csv")
        try turned.run()
      }
    }
  }

  @Test func foreignModelFilesAreOneSentence() throws {
    try withFolder { folder in
      let path = folder + "/m.safetensors"
      let settings = DensitySettings(
        method: .ffjord, data: "moons", columns: ["x", "y"], means: [0, 0], deviations: [1, 1], hidden: [4],
        units: 1)
      // A weight too few.
      let count = settings.density(Double.self).parameterCount
      try DensityModel(settings: settings, parameters: Array(repeating: 0.1, count: count - 1)).write(
        to: path)
      #expect(
        sentence { _ = try DensityModel(contentsOf: path) }
          == "\(path) has \(count - 1) parameters, its settings need \(count)")
      try Safetensors(arrays: [NamedArray("a", Tensor<Float>([1]))], metadata: [:]).write(to: path)
      #expect(
        sentence { _ = try DensityModel(contentsOf: path) } == "\(path) is not a model of nde-bench density")
      var wide = settings
      wide.hidden = [4, 1 << 40]
      try DensityModel(settings: wide, parameters: [1]).write(to: path)
      #expect(sentence { _ = try DensityModel(contentsOf: path) }?.hasPrefix(path) == true)
      // A planar field of 50 million numbers at every time, whose network would not fit: refused before it is made.
      let planar = DensitySettings(
        method: .planar, data: "moons", columns: Array(repeating: "x", count: 4096),
        means: Array(repeating: 0, count: 4096), deviations: Array(repeating: 1, count: 4096), hidden: [4],
        units: 4096)
      try DensityModel(settings: planar, parameters: [1]).write(to: path)
      #expect(
        sentence { _ = try DensityModel(contentsOf: path) }
          == "\(path) has 1 parameters, its settings need more than \(3 * 4096 * 4096 + 4096)")
      for method in DensityMethod.allCases {
        var small = settings
        small.method = method
        #expect(small.fewestParameters < small.density(Double.self).parameterCount)
      }
    }
  }

  @Test func densitiesAreOfTheDataAsTheyAre() throws {
    // A flow that does nothing: the normal distribution with the columns' means and deviations.
    let settings = DensitySettings(
      method: .ffjord, data: "t", columns: ["x", "y"], means: [3, -1], deviations: [2, 0.5], hidden: [4],
      units: 1)
    var parameters = [Float](repeating: 0, count: settings.density(Double.self).parameterCount)
    parameters[parameters.count - 1] = 1  // the root of the end time
    let model = DensityModel(settings: settings, parameters: parameters)
    let x = Tensor(settings.standardised([3, -1]), shape: [1, 2])
    let found = try model.density.logDensity(x).evaluated().scalars[0] - settings.logVolume
    #expect(abs(found + Foundation.log(2 * Double.pi)) < 1e-6)
    #expect(settings.original(settings.standardised([5, 7])) == [5, 7])
  }

  @Test func baselinesAreDensitiesOfThePixels() throws {
    // Independent uniform pixels: no density has less than log2 of the levels, histograms reach it.
    let (pixels, levels) = (4, 16), keys = RandomKey(seed: 9).split(2)
    func draw(_ rows: Int, _ key: RandomKey) throws -> Tensor<Double> {
      try Tensor<Double>.uniform(shape: [rows, pixels], key: key).evaluated()
    }
    let rows = try ImageBaselines(levels: levels, pixels: pixels, margin: 0.05)
      .rows(train: draw(20_000, keys[0]), test: draw(2000, keys[1]))
    #expect(rows.count == 4)
    for row in rows { #expect(row.bitsPerDimension > 4 - 0.01 && row.bitsPerDimension < 4.6, "\(row)") }
    #expect(abs(rows[0].bitsPerDimension - 4) < 0.01)
    // Pixels that are the same but for noise: only covariances know.
    let first = try draw(4000, keys[0]), noise = try draw(4000, keys[1])
    let same = try (first.sliced(0..<1, axis: 1).broadcast(to: [4000, pixels]) * 0.9 + noise * 0.1)
      .evaluated()
    let twins = try ImageBaselines(levels: levels, pixels: pixels, margin: 0.05).rows(train: same, test: same)
    #expect(twins[3].bitsPerDimension < twins[0].bitsPerDimension - 0.5)
    #expect(twins[3].bitsPerDimension < twins[1].bitsPerDimension - 0.5)
  }

  @Test func impossibleOptionsAreOneSentence() {
    func message(_ arguments: [String]) -> String? {
      do {
        _ = try NDEBench.parseAsRoot(arguments)
        return nil
      } catch { return NDEBench.message(for: error) }
    }
    #expect(message(["density", "--data", "stars"])?.hasPrefix("--data is one of circles") == true)
    #expect(message(["density", "--data", "csv"]) == "--data csv needs the name of a file")
    #expect(message(["density", "--learning-rate", "nan"])?.hasPrefix("--learning-rate must be") == true)
    #expect(
      message(["density", "--method", "matching", "--batch", "4097"])
        == "--method matching pairs each batch by exact assignment: --batch must be in 2...4096, got 4097")
    #expect(message(["density", "--method", "ffjord", "--batch", "4097"]) == nil)
    #expect(message(["density", "planar", "--nf-rate", "0"]) == "--nf-rate must be positive, got 0.0")
    #expect(message(["density", "planar", "u5"]) == "u5 is neither u1, u2, u3, u4 nor data of known entropy")
    #expect(
      message(["density", "planar", "moons", "--quadrature", "cnf"])
        == "--quadrature is of energies, moons has samples alone")
    #expect(message(["density", "transport", "--from", "a"])?.hasPrefix("a is none of circles") == true)
    #expect(
      message(["density", "images", "--hidden", "0"])?.hasPrefix("--hidden must name channels") == true)
  }

  @Test func quadraturesAreCompared() throws {
    try withFolder { folder in
      let small = [
        "--sizes", "2", "--cut", "2000", "--samples", "200", "--quadrature", "cnf", "nf", "--out", folder,
      ]
      let grid = try DensityPlanarGrid.parse(["u1", "--trial", "5", "--seeds", "1"] + small)
      try grid.run()
      let path = folder + "/planar-grid.json", choices = try DensityPlanarGrid.choices(in: path)
      for choice in choices {
        #expect(choice.trials.map(\.settings) == PlanarSettings.grid(choice.flow, withoutRates: true))
      }
      let planar = try DensityPlanar.parse(["u1", "u4", "--seeds", "1", "--settings", path] + small)
      try planar.run()
      let table = try String(contentsOfFile: folder + "/planar.md", encoding: .utf8).split(separator: "\n")
      #expect(table.count == 4 && table[3].contains("L-BFGS, 10") && table[3].contains("L-BFGS, 1 "))
      for choice in choices { #expect(table[2].contains(choice.chosen.text), "\(table[2])") }
      let sampled = try DensityPlanar.parse(["u1", "--sizes", "2", "--settings", path, "--out", folder])
      #expect(
        sentence { try sampled.run() } == "\(path) has no learning rate of planar CNFs: it is of --quadrature"
      )
    }
  }

  @Test func smallComparisonsRun() throws {
    try withFolder { folder in
      let small = ["--sizes", "2", "--cut", "5000", "--samples", "200", "--batch", "16", "--out", folder]
      let grid = try DensityPlanarGrid.parse(["u1", "--trial", "20", "--seeds", "1"] + small)
      try grid.run()
      let choices = try DensityPlanarGrid.choices(in: folder + "/planar-grid.json")
      #expect(choices.map(\.flow) == PlanarKind.allCases)
      for choice in choices {
        #expect(choice.trials.map(\.settings) == PlanarSettings.grid(choice.flow))
        #expect(
          choice.trials.allSatisfy { $0.mean >= choice.trials.first { $0.settings == choice.chosen }!.mean })
      }
      let planar = try DensityPlanar.parse(
        ["u1", "u3", "moons", "--seeds", "2", "--settings", folder + "/planar-grid.json"] + small)
      try planar.run()
      let table = try String(contentsOfFile: folder + "/planar.md", encoding: .utf8)
      #expect(table.split(separator: "\n").count == 5)
      // The target that the grid was of takes what it chose, for either kind.
      #expect(choices.allSatisfy { table.split(separator: "\n")[2].contains($0.chosen.text) })
      let foreign = try DensityPlanar.parse(["--settings", folder + "/planar.md"] + small)
      #expect(sentence { try foreign.run() }?.hasPrefix(folder + "/planar.md is no file of") == true)
      let transport = try DensityTransport.parse([
        "--iterations", "3", "--batch", "8", "--hidden", "8", "--points", "20", "--seconds", "1", "--out",
        folder,
      ])
      try transport.run()
      let images = try DensityImages.parse([
        "--train-images", "1000", "--test-images", "4", "--iterations", "2", "--batch", "4", "--hidden", "2",
        "--tolerance", "1e-2", "--out", folder,
      ])
      try images.run()
      let report = try String(contentsOfFile: folder + "/images.md", encoding: .utf8)
      #expect(report.contains("histograms") && report.contains("all covariances"))
      for name in ["transport.json", "images.json", "samples.png"] {
        #expect(FileManager.default.fileExists(atPath: folder + "/" + name), "\(name)")
      }
      let cost = try DensityCost.parse(["--dimensions", "8", "--rows", "4"])
      try cost.run()
    }
  }
}
