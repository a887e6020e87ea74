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
