import Foundation
import Testing

@testable import RunnerSupport

@Suite struct MNISTFilesTests {
  @Test func missingFilesAreNamed() {
    let folder = FileManager.default.temporaryDirectory.path + "/no-mnist-\(UUID().uuidString)"
    let error = #expect(throws: MNISTFiles.Failure.self) { try MNISTFiles(folder: folder) }
    #expect("\(error!)".contains("t10k-labels-idx1-ubyte") && "\(error!)".contains("make mnist"))
  }

  @Test func namedFolderMustHoldTheData() {
    #expect(throws: MNISTFiles.Failure.self) {
      try MNISTFiles.find(option: "/nonexistent", environment: [:], package: "/nonexistent")
    }
    #expect(throws: MNISTFiles.Failure.self) {
      try MNISTFiles.find(option: nil, environment: ["MNIST_DIR": "/nonexistent"], package: "/nonexistent")
    }
  }

  @Test func nothingNamedNothingFound() throws {
    #expect(try MNISTFiles.find(option: nil, environment: [:], package: "/nonexistent") == nil)
  }

  /// Of the usual places one may have nothing; a part of the files is a mistake that somebody wants to know of.
  @Test(arguments: ["data/mnist", "../shared/data/mnist"]) func incompleteFoldersAreNamed(place: String)
    throws
  {
    let root = FileManager.default.temporaryDirectory.path + "/mnist-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: root) }
    let folder = "\(root)/package/\(place)"
    try makeFolder(root + "/package")
    try makeFolder(folder)
    #expect(try MNISTFiles.find(option: nil, environment: [:], package: root + "/package") == nil)
    for name in MNISTFiles.names.dropLast() { try writeAtomically("", to: "\(folder)/\(name)") }
    let error = #expect(throws: MNISTFiles.Failure.self) {
      try MNISTFiles.find(option: nil, environment: [:], package: root + "/package")
    }
    #expect("\(error!)".contains("is incomplete: t10k-labels-idx1-ubyte missing"))
  }

  @Test func truncatedFileIsOneSentence() throws {
    let folder = FileManager.default.temporaryDirectory.path + "/mnist-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    for name in MNISTFiles.names {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      try Data(GzipTests.hello.dropLast(9)).write(to: URL(fileURLWithPath: "\(folder)/\(name).gz"))
    }
    let files = try MNISTFiles(folder: folder)
    let error = #expect(throws: MNISTFiles.Failure.self) { try files.contents() }
    #expect("\(error!)".contains("end too early"))
  }
}
