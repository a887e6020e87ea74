import Foundation
import NODECore
import RunnerSupport

/// Digits to learn from and to test on.
struct RunData {
  var name: String
  var train: ImageDataset
  var test: ImageDataset
}

extension RunData {
  /// MNIST from the folder, from $MNIST_DIR, data/mnist or ../shared/data/mnist; where there is none, or it is not wanted,
  /// generated digits, which it says.
  init(mnist folder: String?, synthetic: Bool = false, trainCount: Int, testCount: Int) throws {
    let environment = ProcessInfo.processInfo.environment
    let package = FileManager.default.currentDirectoryPath
    if !synthetic,
      let files = try MNISTFiles.find(option: folder, environment: environment, package: package)
    {
      let data = try MNIST(files: files.contents())
      self.init(name: "MNIST", train: data.train.prefix(trainCount), test: data.test.prefix(testCount))
      return
    }
    if !synthetic {
      say("no MNIST here: give --mnist FOLDER or run `make mnist`; going on with generated digits")
    }
    let key = RandomKey(seed: 20_18)
    self.init(
      name: "generated digits (not MNIST)",
      train: SyntheticDigits.dataset(count: trainCount, key: key.fold(in: 0)),
      test: SyntheticDigits.dataset(count: testCount, key: key.fold(in: 1)))
  }
}
